// The WebSocket upgrade of a terminal: everything that an API request is checked for, then the attach stream of the monitor.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { type WebSocket, WebSocketServer } from 'ws';
import * as z from 'zod';
import { BrokerError } from '../broker/client.ts';
import type { LearnerMachine } from '../machines/machine.ts';
import { Problem } from '../problem.ts';
import { attachClose } from '../protocol/addresses.ts';
import { machineNameSchema } from '../protocol/api.ts';
import { terminalIdSchema } from '../protocol/broker.ts';
import type { ByteDuplex } from '../protocol/bytes.ts';
import { FRAME_MAX } from '../protocol/frames.ts';
import { closeWith } from '../terminals/viewer.ts';
import type { Viewers } from '../terminals/viewers.ts';
import type { Access, Entry } from './access.ts';
import { limitKey, type Proxies } from './client-address.ts';
import { RateLimit, rates } from './limits.ts';
import type { Origins } from './origins.ts';
import { answerOn } from './refusal.ts';
import { inRequest, newRequestId, REQUEST_ID_HEADER, type Requests, requestFields } from './requests.ts';

const roleSchema = z.enum(['watch', 'type'], 'watch or type').nullable();
const path = /^\/api\/sandboxes\/([^/]+)\/machines\/([^/]+)\/terminals\/([^/]+)\/attach$/;

export interface AttachOptions {
  access: Access;
  origins: Origins;
  proxies: Proxies;
  viewers: Viewers;
  requests: Requests;
  log: Logger;
}

/** A request with the id that its lines of log have. */
type Numbered = IncomingMessage & { id?: string };

interface Target {
  entry: Entry;
  machine: LearnerMachine;
  terminal: string;
  role: 'watch' | 'type';
}

/** Returns the handler of the HTTP server's `upgrade` event. */
export function attachHandler(
  options: AttachOptions,
): (request: IncomingMessage, socket: Duplex, head: Buffer) => void {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: FRAME_MAX,
    perMessageDeflate: false, // a terminal's frames are small and its latency is felt
    clientTracking: false,
  });
  server.on('headers', (headers, { id }: Numbered) => headers.push(`${REQUEST_ID_HEADER}: ${id}`));
  const limit = new RateLimit(rates.any);
  return (request: Numbered, socket, head) => {
    request.id = newRequestId();
    inRequest(request.id, () => answer(request, socket, head));
  };

  function answer(request: Numbered, socket: Duplex, head: Buffer): void {
    // Nobody listens to this socket until ws does; an error now must not end the server.
    socket.on('error', () => socket.destroy());
    let target: Target;
    try {
      target = authorise(request, options, limit);
    } catch (error) {
      refuse(socket, error, request.id ?? '', options.log);
      return;
    }
    void target.machine.attach(target.terminal).then(
      (stream) =>
        upgrade(
          server,
          request,
          socket,
          head,
          (ws) => join(ws, stream, target, options),
          () => stream.close('the viewer left'),
        ),
      // A page cannot read the status of a refused upgrade, but it can read a close code.
      (error: unknown) =>
        upgrade(
          server,
          request,
          socket,
          head,
          (ws) => closeAs(ws, error, target),
          () => {},
        ),
    );
  }
}

/** Finds what the request is for. Throws Problem unless it comes from our own page, and from somebody who may. */
function authorise(request: IncomingMessage, options: AttachOptions, limit: RateLimit): Target {
  const { access, origins, proxies } = options;
  const { host, origin, cookie } = request.headers;
  if (options.requests.stopping) throw new Problem('no_host', 'The server is being started again.');
  if (!origins.isOurHost(host)) throw new Problem('forbidden', 'This server does not go by that name.');
  if (!origins.isOurPage(origin, host))
    throw new Problem('forbidden', 'Only pages of this site may do that.');
  const from = proxies.client(request.socket.remoteAddress, request.headers['x-forwarded-for']);
  if (limit.take(limitKey(from)) > 0) {
    throw new Problem('rate', 'Too many terminals were opened from your address; wait a moment.');
  }
  const [address = '', query] = (request.url ?? '').split('?', 2);
  const [, id = '', name, terminal] = path.exec(address) ?? [];
  const wish = roleSchema.safeParse(new URLSearchParams(query).get('as'));
  if (!wish.success) throw new Problem('bad_request', 'as: watch or type.', { field: 'as' });
  // Whoever helps asks for it: an instructor who looks in cannot type by mistake.
  const entry = access.enter(cookie, id, wish.data ?? 'watch');
  const role = wish.data ?? (entry.standing === 'owner' ? 'type' : 'watch');
  const valid = machineNameSchema.safeParse(name).success && terminalIdSchema.safeParse(terminal).success;
  if (!valid || !name || !terminal) throw new Problem('not_found', 'There is no such terminal.');
  return { entry, machine: entry.sandbox.machine(name), terminal, role };
}

function upgrade(
  server: WebSocketServer,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  opened: (ws: WebSocket) => void,
  failed: () => void,
): void {
  if (socket.destroyed) {
    failed();
    return;
  }
  let done = false;
  // ws answers a malformed handshake itself and ends the socket: the stream must not outlive it.
  socket.once('close', () => {
    if (!done) failed();
  });
  server.handleUpgrade(request, socket, head, (ws) => {
    done = true;
    opened(ws);
  });
}

function join(ws: WebSocket, stream: ByteDuplex, target: Target, { viewers, log }: AttachOptions): void {
  const { entry, machine, terminal, role } = target;
  const { sandbox, standing, name } = entry;
  const who = { ...requestFields(), sandbox: sandbox.id, machine: machine.id, terminal, role };
  const since = performance.now();
  log.info(who, 'a viewer came');
  ws.once('close', (code) =>
    log.info({ ...who, code, ms: Math.round(performance.now() - since) }, 'a viewer left'),
  );
  ws.once('close', sandbox.connect());
  viewers.join(`${machine.id}/${terminal}`, ws, stream, {
    who: { as: standing === 'owner' ? 'learner' : 'instructor', name, types: role === 'type' },
    mayStay: () => entry.mayStill(role),
    onInput: () => sandbox.noteActivity(),
    onOutput: () => machine.noteOutput(terminal),
    onStir: () => sandbox.stirs.emit(),
    wentBack: target.machine.wentBack,
    isGone: () => sandbox.ended || machine.ending || !['running', 'frozen'].includes(machine.view.state),
  });
}

function closeAs(ws: WebSocket, error: unknown, { machine }: Target): void {
  ws.on('error', () => {});
  const { state } = machine.view;
  const over = state === 'ended' || state === 'failed';
  const gone = over || (error instanceof BrokerError && error.code === 'not_found');
  // Not in the error's words, which name a socket of the host's.
  if (gone) closeWith(ws, attachClose.gone, 'the terminal is gone');
  else closeWith(ws, attachClose.lost, 'the terminal cannot be reached now');
}

function refuse(socket: Duplex, error: unknown, id: string, log: Logger): void {
  if (!(error instanceof Problem)) log.error({ err: error }, 'cannot answer an upgrade');
  const problem =
    error instanceof Problem ? error : new Problem('failed', 'Something went wrong in the server.');
  log.debug({ code: problem.code }, 'refused an upgrade');
  answerOn(socket, problem.status, problem.body, { [REQUEST_ID_HEADER]: id });
}
