// The session of a page against a real HTTP server that answers as sandbox-server does, event stream included.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Machine, Sandbox, SandboxEvent, Status, Ticket } from '@bulkhead/sandbox-server/protocol';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { EventStream } from '../../testing/event-stream.ts';
import { SandboxSession, type SandboxSessionOptions, type SandboxView } from './sandbox-session.ts';

const id = 'a'.repeat(20);
const box: Machine = {
  name: 'box',
  kind: 'container',
  profile: 'hardened',
  image: 'base',
  state: 'running',
  reason: null,
  end: null,
  needs: [],
  carrier: false,
  where: { depth: 'host', host: 'ship', vm: null, kernel: '6.18.0', accel: null },
  why: 'A container shares its kernel.',
  label: null,
  limits: { memoryBytes: 1, cpuMillis: 1, pids: 1, diskBytes: 1 },
  hostPid: 7,
  createdAt: 1,
  facts: null,
  measures: null,
  terminals: [{ terminal: 't1', state: 'running' }],
};
const sandbox: Sandbox = { id, createdAt: 1, expiresAt: 10, latestAt: 20, machines: [box] };
const status: Status = {
  server: { version: '1', startedAt: 1 },
  host: null,
  reason: 'The broker does not answer.',
  room: null,
  you: { sandboxes: [], mostSandboxes: 1, waiting: [] },
};

type Answer = { status?: number; headers?: Record<string, string>; body?: unknown };

let server: Server;
let origin = '';
/** What is answered, by method and path. */
let answers: Record<string, () => Answer>;
let asked: string[];
let listeners: Set<ServerResponse>;
const sessions: SandboxSession[] = [];

beforeEach(async () => {
  answers = {};
  asked = [];
  listeners = new Set();
  server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  origin = `http://127.0.0.1:${address.port}`;
  // A page's requests are relative to its own address.
  const real = globalThis.fetch;
  vi.stubGlobal('fetch', (path: string, init?: RequestInit) => real(new URL(path, origin), init));
});

afterEach(async () => {
  for (const session of sessions.splice(0)) session.dispose();
  vi.unstubAllGlobals();
  server.closeAllConnections();
  server.close();
});

function answer(request: IncomingMessage, response: ServerResponse): void {
  const call = `${request.method} ${request.url}`;
  asked.push(call);
  if (/\/events(\?|$)/.test(request.url ?? '')) {
    const refused = answers[call]?.();
    if (refused?.status) {
      response.writeHead(refused.status).end();
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    listeners.add(response);
    return;
  }
  const known = answers[call]?.();
  if (!known) response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>no such page</h1>');
  else if (known.status === 204) response.writeHead(204).end();
  else {
    response.writeHead(known.status ?? 200, { 'content-type': 'application/json', ...known.headers });
    response.end(JSON.stringify(known.body));
  }
}

function tell(event: 'ticket', data: Ticket): void;
function tell<E extends SandboxEvent>(event: E['event'], data: E['data']): void;
function tell(event: string, data: unknown): void {
  for (const listener of listeners) listener.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

function session(options: Partial<SandboxSessionOptions> = {}): SandboxSession {
  const made = new SandboxSession({
    mine: () => true,
    listen: (path) => new EventStream(path),
    ...options,
  });
  sessions.push(made);
  return made;
}

const reaches = (of: SandboxSession, what: (view: SandboxView) => boolean) =>
  vi.waitFor(() => expect(what(of.view)).toBe(true), { timeout: 5_000, interval: 5 });

const wanted = { machines: [{ name: 'box', kind: 'container' as const }] };

async function started(): Promise<SandboxSession> {
  answers['POST /api/sandboxes'] = () => ({ status: 201, body: sandbox });
  const made = session();
  expect(await made.start(wanted)).toBe(true);
  await reaches(made, ({ hearing }) => hearing);
  return made;
}

test('a plain web server with only the pages is no sandbox server: alone', async () => {
  const made = session();
  await made.look();
  expect(made.view).toMatchObject({ phase: 'alone', problem: { code: 'unreachable' } });
});

test('a server without a broker is ready and says why it has no host', async () => {
  answers['GET /api/status'] = () => ({ body: status });
  const made = session();
  await made.look();
  expect(made.view).toMatchObject({ phase: 'ready', status: { host: null, reason: status.reason } });
});

test('a sandbox that runs already is joined; one of another page is kept apart', async () => {
  const other = { ...sandbox, id: 'b'.repeat(20), machines: [{ ...box, name: 'other' }] };
  answers['GET /api/status'] = () => ({
    body: { ...status, you: { sandboxes: [id, other.id], mostSandboxes: 2, waiting: [] } },
  });
  answers['GET /api/sandboxes'] = () => ({ body: { sandboxes: [other, sandbox] } });
  const made = session({ mine: ({ machines }) => machines[0]?.name === 'box' });
  await made.look();
  expect(made.view).toMatchObject({
    phase: 'running',
    rejoined: true,
    sandbox: { id },
    others: [{ id: other.id }],
  });
});

test('a click that was faster than the cookie gets one and starts all the same', async () => {
  let cookie = false;
  answers['GET /api/status'] = () => {
    cookie = true;
    return { body: status };
  };
  const error = { code: 'no_session', message: 'Your browser sent no valid cookie.' };
  answers['POST /api/sandboxes'] = () =>
    cookie ? { status: 201, body: sandbox } : { status: 401, body: { error } };
  const made = session();
  expect(await made.start(wanted)).toBe(true);
  expect(asked.slice(0, 3)).toEqual(['POST /api/sandboxes', 'GET /api/status', 'POST /api/sandboxes']);
});

test('events replace machines and statistics, warn, and end', async () => {
  const made = await started();
  expect(made.view).toMatchObject({ phase: 'running', rejoined: false });
  tell('machine', { ...box, hostPid: 8 });
  tell('expiring', { expiresAt: 10, extendable: true });
  await reaches(made, ({ expiring }) => expiring !== null);
  expect(made.view.sandbox?.machines[0]?.hostPid).toBe(8);

  answers[`POST /api/sandboxes/${id}/extend`] = () => ({ body: { ...sandbox, expiresAt: 15 } });
  await made.extend();
  expect(made.view).toMatchObject({ expiring: null, sandbox: { expiresAt: 15 } });

  tell('ended', { reason: 'Its time was up.' });
  await reaches(made, ({ phase }) => phase === 'ended');
  expect(made.view).toMatchObject({ reason: 'Its time was up.', hearing: false });
});

test('what befalls a machine is kept until it is dismissed, and not taken over by the next sandbox', async () => {
  const made = await started();
  const notice = { machine: 'box', at: 5, kind: 'oom', by: 'host', count: 1, text: 'One ended.' } as const;
  tell('notice', notice);
  tell('notice', { ...notice, at: 6 });
  await reaches(made, ({ notices }) => notices.length === 2);
  expect(made.view.notices[0]).toEqual({ ...notice, id: 0 });
  made.dismiss(0);
  expect(made.view.notices.map(({ at }) => at)).toEqual([6]);

  tell('ended', { reason: 'Its time was up.' });
  await reaches(made, ({ phase }) => phase === 'ended');
  answers['POST /api/sandboxes'] = () => ({ status: 201, body: { ...sandbox, id: 'b'.repeat(20) } });
  await made.start(wanted);
  expect(made.view.notices).toEqual([]);
});

test("the host's view is asked for while somebody looks, once for all who do, and no longer", async () => {
  const made = await started();
  const streams = () => asked.filter((one) => one.includes('/events'));
  expect(streams()).toEqual([`GET /api/sandboxes/${id}/events`]);

  const leaves = [made.see('box'), made.see('box'), made.see('elsewhere')];
  await vi.waitFor(() => expect(streams()).toHaveLength(2));
  expect(streams()[1]).toBe(`GET /api/sandboxes/${id}/events?view=box`);
  await vi.waitFor(() => expect(listeners.size).toBe(2));
  const outside = { processes: [], total: 3, hostNamespaces: null };
  tell('view', { machine: 'box', at: 7, outside, inside: null });
  await reaches(made, ({ seen }) => seen.box?.outside.total === 3);

  leaves[0]?.();
  leaves[0]?.(); // twice is once
  await Promise.resolve();
  expect(streams()).toHaveLength(2);
  leaves[1]?.();
  leaves[2]?.();
  await vi.waitFor(() => expect(streams()).toHaveLength(3));
  expect(streams()[2]).toBe(`GET /api/sandboxes/${id}/events`);
  expect(made.view).toMatchObject({ phase: 'running', hearing: true });
});

test('a refusal says what, and when to try again; a quota shows what is in the way, and ending that makes room', async () => {
  const error = { code: 'full', message: 'No room.' };
  answers['POST /api/sandboxes'] = () => ({ status: 503, headers: { 'retry-after': '30' }, body: { error } });
  const made = session();
  expect(await made.start(wanted)).toBe(false);
  expect(made.view).toMatchObject({ phase: 'ready', problem: { code: 'full', message: 'No room.' } });
  expect((made.view.problem?.retryAt ?? 0) - Date.now()).toBeGreaterThan(25_000);

  answers['POST /api/sandboxes'] = () => ({
    status: 429,
    body: { error: { code: 'quota', message: 'One.' } },
  });
  answers['GET /api/sandboxes'] = () => ({ body: { sandboxes: [sandbox] } });
  answers[`DELETE /api/sandboxes/${id}`] = () => ({ status: 204 });
  await made.start(wanted);
  expect(made.view.others).toHaveLength(1);
  await made.end(id);
  expect(made.view).toMatchObject({ others: [], problem: null });
});

describe('a host that is full', () => {
  const ticket: Ticket = {
    ...{ ticket: 'c'.repeat(20), state: 'waiting', place: 2, waiting: 2, since: 5, sandbox: null },
    ...{ reason: 'All 1 machines of this host are in use.', expectedAt: null, latestAt: null },
    machines: [{ name: 'box', kind: 'container' }],
  };
  const path = `/api/queue/${ticket.ticket}`;

  async function waiting(): Promise<SandboxSession> {
    answers['POST /api/sandboxes'] = () => ({ status: 202, body: ticket });
    const made = session();
    expect(await made.start(wanted)).toBe(true);
    await vi.waitFor(() => expect(listeners.size).toBe(1));
    expect(made.view).toMatchObject({ phase: 'waiting', ticket: { place: 2, waiting: 2 } });
    return made;
  }

  test('gives a place that moves, and at last a sandbox, without another click', async () => {
    answers[`GET /api/sandboxes/${id}`] = () => ({ body: sandbox });
    const made = await waiting();
    tell('ticket', { ...ticket, place: 1, expectedAt: 99 });
    await reaches(made, ({ ticket: now }) => now?.place === 1 && now.expectedAt === 99);
    tell('ticket', { ...ticket, state: 'admitted', place: 0, sandbox: id });
    await reaches(made, ({ phase }) => phase === 'running');
    expect(made.view).toMatchObject({ sandbox: { id }, ticket: null, rejoined: false });
  });

  test('keeps the place of a page that is loaded again', async () => {
    const you = { ...status.you, waiting: [ticket] };
    answers['GET /api/status'] = () => ({ body: { ...status, you } });
    const made = session();
    await made.look();
    expect(made.view).toMatchObject({ phase: 'waiting', ticket: { place: 2 } });
  });

  test('lets go whoever leaves the queue', async () => {
    const made = await waiting();
    answers[`DELETE ${path}`] = () => ({ status: 204 });
    await made.leaveQueue();
    expect(made.view).toMatchObject({ phase: 'ready', ticket: null, problem: null });
  });

  test('and whose place was left in another tab is not queued for again', async () => {
    const made = await waiting();
    tell('ticket', { ...ticket, state: 'left', place: 0 });
    await reaches(made, ({ phase }) => phase === 'ready');
    expect(asked.filter((one) => one === 'POST /api/sandboxes')).toHaveLength(1);
  });

  test('that could not make it when the turn came says why', async () => {
    const made = await waiting();
    tell('ticket', { ...ticket, state: 'refused', place: 0, reason: 'The runtime said no.' });
    await reaches(made, ({ phase }) => phase === 'ready');
    expect(made.view.problem).toMatchObject({ message: 'The runtime said no.' });
  });

  test('and whose server forgot the queue is asked again, by the page itself', async () => {
    const error = { code: 'not_found', message: 'There is no such place in the queue.' };
    answers[`GET ${path}`] = () => ({ status: 404, body: { error } });
    answers[`GET ${path}/events`] = () => ({ status: 404 });
    const later = { ...ticket, ticket: 'd'.repeat(20), place: 1, waiting: 1 };
    const given = [ticket, later];
    answers['POST /api/sandboxes'] = () => ({ status: 202, body: given.shift() });
    const made = session();
    await made.start(wanted);
    await reaches(made, ({ ticket: now }) => now?.ticket === later.ticket);
    expect(made.view.phase).toBe('waiting');
  });
});

test('events that break are missed, but the sandbox is not given up', async () => {
  const made = await started();
  for (const listener of listeners) listener.destroy();
  await reaches(made, ({ hearing }) => !hearing);
  expect(made.view).toMatchObject({ phase: 'running', sandbox: { id } });
});

test('events that are refused are asked after: the sandbox is joined again, or said to be gone', async () => {
  answers['POST /api/sandboxes'] = () => ({ status: 201, body: sandbox });
  answers[`GET /api/sandboxes/${id}`] = () => ({ body: { ...sandbox, expiresAt: 99 } });
  let refusals = 1;
  answers[`GET /api/sandboxes/${id}/events`] = () => (refusals-- > 0 ? { status: 502 } : {});
  const made = session();
  await made.start(wanted);
  await reaches(made, ({ hearing, sandbox }) => hearing && sandbox?.expiresAt === 99);

  const error = { code: 'not_found', message: 'There is no such sandbox.' };
  answers[`GET /api/sandboxes/${id}`] = () => ({ status: 404, body: { error } });
  refusals = 1;
  const late = session();
  await late.start(wanted);
  await reaches(late, ({ phase }) => phase === 'ended');
  expect(late.view.reason).toBe('It is no longer on the host.');
});

test('a page that is left asks nothing more and tells nobody', async () => {
  const made = await started();
  let told = 0;
  made.subscribe(() => told++);
  made.dispose();
  const before = { told, asked: asked.length };
  tell('expiring', { expiresAt: 10, extendable: true });
  await made.extend();
  expect({ told, asked: asked.length }).toEqual(before);
});
