// Shows what a program in a machine serves. It speaks to machines only, by dialling them, and has no way to the API, the
// broker or the host; and Node reads and writes HTTP on both sides, so that a request means the same on both.
import { type IncomingMessage, request as requestHttp, type ServerResponse } from 'node:http';
import { type Duplex, pipeline } from 'node:stream';
import type { Logger } from 'pino';
import { BrokerError } from '../broker/client.ts';
import { type Rate, RateLimit } from '../http/limits.ts';
import type { LearnerMachine } from '../machines/machine.ts';
import { messageOf, Problem } from '../problem.ts';
import type { Sandbox } from '../sandboxes/sandbox.ts';
import type { Sandboxes } from '../sandboxes/sandboxes.ts';
import { type Destination, dialFor, PreviewAgent } from './agent.ts';
import { PASS_COOKIE, passOf, towardsBrowser, towardsMachine } from './headers.ts';
import type { PreviewKeys } from './keys.ts';
import type { Place, PreviewNames } from './names.ts';
import { type Refusal, refuse } from './page.ts';
import { joinWebSocket, refuseUpgrade } from './websocket.ts';

/** Where a ticket is turned into a pass; never asked of a machine. */
export const ENTER_PATH = '/.well-known/bulkhead-preview';
/** A page may be a hundred files, and a room shares an address. */
const rate: Rate = { burst: 3_000, perSecond: 600 };
/** Requests of one machine at once, those included that wait for a connection. */
const MOST_REQUESTS = 64;
/** A program that was asked and says nothing for so long. */
const ANSWER_MS = 120_000;

export interface PreviewOptions {
  sandboxes: Sandboxes;
  keys: PreviewKeys;
  names: PreviewNames;
  log: Logger;
}

/** Somebody who was let in, and to what. */
export interface Visit {
  place: Place;
  sandbox: Sandbox;
  machine: LearnerMachine;
  port: number;
}

/** A request that is not passed on. */
export class Refused extends Error implements Refusal {
  override name = 'Refused';
  readonly status: number;
  readonly title: string;
  readonly text: string;
  readonly retryAfter: number | undefined;

  constructor(status: number, title: string, text: string, retryAfter?: number) {
    super(title);
    this.status = status;
    this.title = title;
    this.text = text;
    this.retryAfter = retryAfter;
  }
}

export class PreviewProxy {
  readonly #options: PreviewOptions;
  readonly #agent = new PreviewAgent();
  readonly #limit = new RateLimit(rate);
  readonly #busy = new Map<LearnerMachine, number>();
  readonly #upgraded = new Set<Duplex>();

  constructor(options: PreviewOptions) {
    this.#options = options;
  }

  /** Answers a request, whatever it is. */
  handle(request: IncomingMessage, response: ServerResponse): void {
    try {
      const place = this.#arrive(request);
      if (request.url?.split('?', 1)[0] === ENTER_PATH) this.#letIn(request, response, place);
      else this.#show(request, response, this.#admit(request, place));
    } catch (error) {
      this.#refuse(request, response, error);
    }
  }

  /** The same for a request that would rather be a WebSocket. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    try {
      const visit = this.#admit(request, this.#arrive(request));
      if (request.headers.origin !== visit.place.origin) throw foreign();
      this.#upgraded.add(socket.once('close', () => this.#upgraded.delete(socket)));
      joinWebSocket(request, socket, head, visit, (error) => this.#refusalOf(error, visit));
    } catch (error) {
      refuseUpgrade(socket, this.#refusalOf(error));
    }
  }

  close(): void {
    this.#agent.destroy();
    for (const socket of this.#upgraded) socket.destroy();
  }

  #arrive(request: IncomingMessage): Place {
    const retryAfter = this.#limit.take(request.socket.remoteAddress ?? '');
    if (retryAfter > 0) {
      throw new Refused(429, 'Too many requests', 'They come from your address; wait a moment.', retryAfter);
    }
    const place = this.#options.names.read(request.headers.host);
    if (!place) throw new Refused(421, 'Nothing here goes by that name', 'Open the preview from its page.');
    // An address of another server, or none: a proxy for everything is what this is not.
    if (!request.url?.startsWith('/')) throw new Refused(400, 'Malformed request', 'A path begins with /.');
    return place;
  }

  /** Turns a ticket into a pass. */
  #letIn(request: IncomingMessage, response: ServerResponse, place: Place): void {
    const { keys } = this.#options;
    const query = new URLSearchParams(request.url?.split('?', 2)[1] ?? '');
    const label = keys.redeem(query.get('ticket') ?? '');
    const fits = label !== null && (place.label === null || place.label === label);
    // Somebody who is in already went back to the address of the ticket.
    if (!fits && this.#labelOf(request, place) === null) throw unknown();
    const secure = place.origin.startsWith('https:');
    const { pass, maxAgeSeconds } = keys.pass(label ?? '');
    const cookie = `${cookieName(place)}=${pass}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
    response.writeHead(303, {
      location: '/',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      ...(fits && { 'set-cookie': cookie }),
    });
    response.end();
  }

  /** The label that this browser has a pass for, here. */
  #labelOf(request: IncomingMessage, place: Place): string | null {
    const pass = passOf(request.headers.cookie, cookieName(place));
    const label = pass === null ? null : this.#options.keys.admits(pass);
    return place.label === null || place.label === label ? label : null;
  }

  /** Whoever has no pass learns nothing of what there is. Throws Refused. */
  #admit(request: IncomingMessage, place: Place): Visit {
    const { keys, sandboxes } = this.#options;
    const label = this.#labelOf(request, place);
    if (label === null) throw unknown();
    if (!isOwnRequest(request, place)) throw foreign();
    // On a name that is for all, a worker of one preview would answer for the next.
    if (place.label === null && request.headers['service-worker'] !== undefined) {
      throw new Refused(
        403,
        'No service workers here',
        'Previews share this name; a worker would outlive its own.',
      );
    }
    const target = keys.target(label, sandboxes.all());
    const sandbox = target && sandboxes.find(target.sandbox);
    if (!target || !sandbox || sandbox.ended) {
      throw new Refused(404, 'This sandbox has ended', 'Start another on its page.');
    }
    const machine = sandbox.machines.find(({ view }) => view.name === target.machine);
    if (!machine)
      throw new Refused(404, `There is no machine ${target.machine}`, 'Look at the page of its sandbox.');
    // A connection that was kept would take the request, and nobody would answer.
    const { name, state } = machine.view;
    if (state !== 'running')
      throw new Refused(409, `${name} is ${state}`, 'It can be shown while it runs.', 2);
    if (request.headers['sec-fetch-mode'] === 'navigate') sandbox.noteActivity();
    return { place, sandbox, machine, port: target.port };
  }

  #show(request: IncomingMessage, response: ServerResponse, visit: Visit): void {
    const { machine } = visit;
    const busy = this.#busy.get(machine) ?? 0;
    if (busy >= MOST_REQUESTS) {
      throw new Refused(503, `${machine.view.name} is busy`, 'It has more requests than it answers.', 2);
    }
    this.#busy.set(machine, busy + 1);
    response.once('close', () => {
      const left = (this.#busy.get(machine) ?? 1) - 1;
      if (left > 0) this.#busy.set(machine, left);
      else this.#busy.delete(machine);
    });
    this.#pass(request, response, visit, true);
  }

  /** `kept`: a connection that was used before will do. */
  #pass(request: IncomingMessage, response: ServerResponse, visit: Visit, kept: boolean): void {
    const { place, machine, port } = visit;
    const { method, url: path } = request;
    const headers = towardsMachine(request, place, port);
    const hasBody =
      request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
    // Said by us, for some methods Node would otherwise send a body whose end nobody could see.
    if (request.headers['transfer-encoding'] !== undefined) headers['transfer-encoding'] = 'chunked';
    const destination: Destination = { machine, inside: port, method, path, headers, setHost: false };
    const upstream = requestHttp(
      kept ? { ...destination, agent: this.#agent } : { ...destination, createConnection: dialFor },
    );
    const late = setTimeout(
      () =>
        upstream.destroy(
          new Refused(
            504,
            `${machine.view.name} does not answer`,
            `It has been asked ${ANSWER_MS / 1_000} s ago.`,
          ),
        ),
      ANSWER_MS,
    );
    upstream.on('response', (answer) => {
      clearTimeout(late);
      try {
        response.writeHead(answer.statusCode ?? 502, towardsBrowser(answer, place, port));
      } catch (error) {
        answer.destroy();
        this.#refuse(request, response, error, visit);
        return;
      }
      pipeline(answer, response, () => {}); // either end may leave
    });
    // Nobody asked it for that.
    upstream.on('upgrade', (_answer, stream) => {
      stream.destroy();
      this.#refuse(request, response, new Error('it changed the protocol without being asked'), visit);
    });
    upstream.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(late);
      // A server may close a connection just when it is used again.
      const unlucky = upstream.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
      if (unlucky && !hasBody && !response.headersSent && !response.destroyed) {
        this.#pass(request, response, visit, false);
      } else {
        this.#refuse(request, response, error, visit);
      }
    });
    response.once('close', () => {
      clearTimeout(late);
      upstream.destroy();
    });
    if (hasBody) pipeline(request, upstream, () => {});
    else upstream.end();
  }

  #refuse(request: IncomingMessage, response: ServerResponse, error: unknown, visit?: Visit): void {
    // What is left of a body nobody wants: the connection cannot be used again.
    if (!request.complete) response.shouldKeepAlive = false;
    refuse(response, request.headers.accept, this.#refusalOf(error, visit));
  }

  #refusalOf(error: unknown, visit?: Visit): Refusal {
    if (error instanceof Refused) return error;
    const name = visit?.machine.view.name ?? 'the machine';
    if (error instanceof BrokerError && error.field === 'port') {
      if (error.code === 'timeout')
        return new Refused(504, `Port ${visit?.port} of ${name} does not answer`, sentence(error));
      const text = `Start a server there, such as: busybox httpd -f -p ${visit?.port}. Then reload this page.`;
      return new Refused(502, `Nothing listens on port ${visit?.port} of ${name}`, text);
    }
    if (error instanceof Problem) {
      const retry = error.code === 'rate' ? 503 : 409;
      return new Refused(retry, `${name} cannot be shown now`, error.message, error.retryAfter ?? 2);
    }
    if (error instanceof BrokerError) {
      return new Refused(503, `${name} cannot be reached now`, sentence(error), 2);
    }
    this.#options.log.debug({ machine: visit?.machine.id, reason: messageOf(error) }, 'a preview failed');
    return new Refused(502, `Port ${visit?.port} of ${name} gave no answer in HTTP`, sentence(error));
  }
}

/** A browser says where a request comes from. A preview is used by its own pages, and entered by a click. */
function isOwnRequest({ method, headers }: IncomingMessage, place: Place): boolean {
  const { origin } = headers;
  if (origin !== undefined && origin !== place.origin) return false;
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return true;
  const reads = method === 'GET' || method === 'HEAD';
  return reads && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
}

function cookieName({ origin }: Place): string {
  return origin.startsWith('https:') ? `__Host-${PASS_COOKIE}` : PASS_COOKIE;
}

function unknown(): Refused {
  return new Refused(401, 'You have no pass for this preview', 'Open it from the page of its sandbox.');
}

function foreign(): Refused {
  return new Refused(403, 'Only this preview’s own pages may do that', 'Another origin has asked.');
}

function sentence(error: unknown): string {
  const text = messageOf(error);
  return `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, '')}.`;
}
