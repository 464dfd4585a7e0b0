import pino from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import WebSocket from 'ws';
import { type ScriptedBroker, until } from '../testing/scripted-broker.ts';
import { TestServer } from '../testing/test-server.ts';
import { requestFields } from './requests.ts';

let server: TestServer;
let broker: ScriptedBroker;
let lines: Record<string, unknown>[];

beforeEach(async () => {
  server = new TestServer();
  ({ broker } = server);
  lines = [];
  const log = pino(
    { level: 'debug', mixin: requestFields },
    { write: (line: string) => lines.push(JSON.parse(line)) },
  );
  await server.open(['--metrics', '0'], log);
});
afterEach(() => server.close());

async function arrive(): Promise<string> {
  const { headers } = await fetch(`${server.url}/api/status`);
  return headers.getSetCookie()[0]?.split(';')[0] ?? '';
}
const make = (cookie: string) =>
  fetch(`${server.url}/api/sandboxes`, {
    method: 'POST',
    headers: { cookie, origin: server.url, 'content-type': 'application/json' },
    body: JSON.stringify({ machines: [{ name: 'box', kind: 'container', columns: 80, rows: 24 }] }),
  });
const linesOf = (request: string | null) => lines.filter((line) => line.request === request);

test('an answer carries the id that its lines of log have, down to the sandbox', async () => {
  const cookie = await arrive();
  const made = await make(cookie);
  const { id } = (await made.json()) as { id: string };
  const request = made.headers.get('x-request-id');
  expect(request).toMatch(/^[\w-]{12}$/);
  await until(() => linesOf(request).length === 2);
  expect(linesOf(request)).toMatchObject([
    { msg: 'made a sandbox', sandbox: id, machines: [expect.any(String)] },
    { msg: 'answered', method: 'POST', route: '/api/sandboxes', status: 201 },
  ]);

  const look = await fetch(`${server.url}/api/sandboxes/${id}/machines/box/files?path=/etc/secret`, {
    headers: { cookie, 'x-request-id': 'forged' },
  });
  await until(() => linesOf(look.headers.get('x-request-id')).some(({ msg }) => msg === 'answered'));
  expect(linesOf(look.headers.get('x-request-id')).at(-1)).toMatchObject({
    route: '/api/sandboxes/:id/machines/:name/files',
    sandbox: id,
    machine: 'box',
  });
  expect(JSON.stringify(lines)).not.toMatch(/forged|secret/);
});

test('a viewer comes and leaves with the id of its upgrade, the sandbox, the machine and the terminal', async () => {
  const cookie = await arrive();
  const { id } = (await (await make(cookie)).json()) as { id: string };
  const url = `${server.url.replace('http', 'ws')}/api/sandboxes/${id}/machines/box/terminals/t1/attach`;
  const socket = new WebSocket(url, { headers: { cookie, origin: server.url } });
  const request = await new Promise((resolve) =>
    socket.on('upgrade', ({ headers }) => resolve(headers['x-request-id'])),
  );
  await until(() => socket.readyState === socket.OPEN);
  socket.close();
  await until(() => lines.some(({ msg }) => msg === 'a viewer left'));
  const machine = [...broker.machines.keys()][0];
  expect(lines.filter(({ msg }) => String(msg).startsWith('a viewer'))).toMatchObject([
    { msg: 'a viewer came', request, sandbox: id, machine, terminal: 't1' },
    { msg: 'a viewer left', request, sandbox: id, machine, terminal: 't1', code: 1005 },
  ]);
});

test('a server that stops finishes what is under way, takes nothing new, and ends what goes on', async () => {
  const cookie = await arrive();
  const { id } = (await (await make(cookie)).json()) as { id: string };
  const events = await fetch(`${server.url}/api/sandboxes/${id}/events`, { headers: { cookie } });
  const create = broker.methodOf('container.create');
  const { promise: held, resolve: goOn } = Promise.withResolvers<void>();
  broker.on('container.create', async (params) => {
    await held;
    return create(params);
  });
  const slow = make(cookie);
  await until(() => broker.requests.filter((one) => one.startsWith('container.create')).length === 2);
  const closed = server.stop();
  const late = await fetch(`${server.url}/readyz`);
  expect([late.status, late.headers.get('retry-after')]).toEqual([503, '1']);
  goOn();
  expect((await slow).status).toBe(201);
  await closed;
  await expect(fetch(server.url)).rejects.toThrow();
  await expect(events.text()).rejects.toThrow(); // cut off: a page comes back by itself
  expect(broker.machines.size).toBe(2);
});

test('a viewer that sleeps does not hold up a server that stops', async () => {
  const cookie = await arrive();
  const { id } = (await (await make(cookie)).json()) as { id: string };
  const url = `${server.url.replace('http', 'ws')}/api/sandboxes/${id}/machines/box/terminals/t1/attach`;
  const socket = new WebSocket(url, { headers: { cookie, origin: server.url } });
  socket.on('error', () => {});
  await until(() => lines.some(({ msg }) => msg === 'a viewer came'));
  socket.pause();
  await server.stop();
  await expect(fetch(server.url)).rejects.toThrow();
  socket.terminate();
});

test('the figures are on a listener of their own, for this machine and GET alone', async () => {
  const url = server.metricsUrl ?? '';
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
  const figures = await fetch(url);
  expect(figures.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(await figures.text()).toContain('bulkhead_broker_connected 1');
  expect((await fetch(url, { method: 'POST' })).status).toBe(405);
  expect((await fetch(new URL('/', url))).status).toBe(404);
  expect((await fetch(`${server.url}/metrics`)).status).toBe(404);
});
