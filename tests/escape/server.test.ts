// What somebody on the web tries, and somebody beside the server: other origins and names, ids and cookies that were
// guessed or used up, bytes that no page sends, on every socket there is. And what is left when everything is killed.
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { request } from 'node:http';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type WebSocket from 'ws';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import { FRAME_MAX } from '../../sandbox-server/src/protocol/frames.ts';
import { census } from '../integration/census.ts';
import { Learner, type RemoteTerminal } from '../integration/learner.ts';
import { type Stack, startStack } from '../integration/stack.ts';
import { patiently } from '../patience.ts';

const box = { name: 'box', kind: 'container', columns: 80, rows: 24 } as const;

let stack: Stack;
let learner: Learner;
let id: string;
let terminal: string;
let screen: RemoteTerminal;

beforeAll(async () => {
  stack = await startStack();
  learner = await Learner.arrive(stack.url);
  ({ id } = await learner.create([box]));
  await learner.waitFor(id, 'box', 'running');
  terminal = await learner.openTerminal(id, 'box');
  screen = learner.terminal(id, 'box', terminal);
  await screen.attach();
  await screen.see(/[#$] $/);
}, patiently(60_000));
afterAll(async () => {
  await stack.stop();
  expect(census(stack.state, stack.cgroup)).toEqual({
    processes: [],
    mounts: [],
    cgroups: [],
    namespaces: [],
  });
});

/** What a request with these headers and no others is answered. */
const ask = (method: string, path: string, headers: Record<string, string>, body = ''): Promise<number> =>
  new Promise((resolve, reject) => {
    const json = { 'content-type': 'application/json', 'content-length': `${body.length}` };
    const all = body === '' ? headers : { ...json, ...headers };
    const { hostname, port } = new URL(stack.url);
    // The path as it is: a URL would take `..` out of it.
    const asked = request({ hostname, port, path, method, headers: all }, (response) =>
      resolve(response.resume().statusCode ?? 0),
    );
    asked.on('error', reject).end(body);
  });

const alive = async () => expect(await screen.run('echo still h""ere')).toBe('still here');

describe('a page of somebody else', () => {
  const changes = () => [
    ['POST', apiPaths.sandboxes, JSON.stringify({ machines: [box] })],
    ['POST', apiPaths.extend(id), '{}'],
    ['POST', apiPaths.terminals(id, 'box'), JSON.stringify({ columns: 80, rows: 24 })],
    ['DELETE', apiPaths.sandbox(id), ''],
  ];

  test('changes nothing, though the learner’s cookie came along', async () => {
    const { host } = new URL(stack.url);
    for (const [method = '', path = '', body] of changes()) {
      const cookie = learner.cookie;
      for (const origin of [
        'https://evil.example',
        'null',
        '',
        `${stack.url}.evil.example`,
        `http://user@${host}`,
      ])
        expect(await ask(method, path, { cookie, origin }, body)).toBe(403);
      expect(await ask(method, path, { cookie }, body)).toBe(403);
      const rebound = { cookie, host: 'evil.example', origin: 'http://evil.example' };
      expect(await ask(method, path, rebound, body)).toBe(403);
    }
    expect((await learner.look(id)).machines[0]?.state).toBe('running');
    // Shown to be what it is: the same from our own page does something.
    expect(await ask('POST', apiPaths.extend(id), { cookie: learner.cookie, origin: stack.url }, '{}')).toBe(
      200,
    );
  });

  test('reads nothing: no header lets another origin see an answer', async () => {
    for (const path of ['/', apiPaths.status, apiPaths.sandbox(id), apiPaths.events(id)]) {
      const stop = new AbortController();
      const headers = { cookie: learner.cookie, origin: 'https://evil.example' };
      const answer = await fetch(stack.url + path, { headers, signal: stop.signal });
      expect(answer.headers.get('access-control-allow-origin')).toBe(null);
      expect(answer.headers.get('cross-origin-resource-policy')).toBe('same-origin');
      stop.abort();
    }
  });
});

describe('ids and cookies', () => {
  const everywhere = (sandbox: string, machine: string, one: string): [string, string][] => [
    ['GET', apiPaths.sandbox(sandbox)],
    ['GET', apiPaths.events(sandbox)],
    ['POST', apiPaths.extend(sandbox)],
    ['POST', apiPaths.terminals(sandbox, machine)],
    ['DELETE', apiPaths.sandbox(sandbox)],
    ['GET', apiPaths.attach(sandbox, machine, one)],
  ];
  const refusedBy = (sandbox: string, machine: string, one: string, cookie: string): Promise<number[]> =>
    Promise.all(
      everywhere(sandbox, machine, one).map(([method, path]) =>
        ask(
          method,
          path,
          { cookie, origin: stack.url },
          path.endsWith('/terminals') ? '{"columns":80,"rows":24}' : '',
        ),
      ),
    );

  test('that were stolen alone, guessed, or lead elsewhere open nothing', async () => {
    const other = await Learner.arrive(stack.url);
    expect(new Set(await refusedBy(id, 'box', terminal, other.cookie))).toEqual(new Set([404]));
    expect(new Set(await refusedBy(id, 'box', terminal, ''))).toEqual(new Set([401, 404]));
    for (const guess of [
      'a'.repeat(20),
      // Another last letter than its own.
      `${id.slice(0, 19)}${id.endsWith('a') ? 'b' : 'a'}`,
      '..',
      '%2e%2e',
      `${id}%00`,
      `${id}/../${id}`,
      '*',
    ])
      for (const status of await refusedBy(guess, 'box', terminal, learner.cookie))
        expect([400, 404]).toContain(status);
    for (const machine of ['vm', '..', 'box%2f..', '%00', 'x'.repeat(2_000)])
      for (const status of (await refusedBy(id, machine, terminal, other.cookie)).slice(3, 4))
        expect([400, 404, 414]).toContain(status);
    expect((await learner.look(id)).machines[0]?.state).toBe('running');
  });

  test('that were changed in any place are none of ours', async () => {
    const value = learner.cookie.slice('bulkhead='.length);
    for (let at = 0; at < value.length; at++) {
      const forged = `bulkhead=${value.slice(0, at)}${value[at] === 'a' ? 'b' : 'a'}${value.slice(at + 1)}`;
      const status = await ask('GET', apiPaths.sandbox(id), { cookie: forged });
      // The last letter of a signature holds two bits that count for nothing.
      if (at < value.length - 1) expect(`${at}: ${status}`).toBe(`${at}: 401`);
    }
    const signature = value.slice(value.indexOf('.'));
    for (const forged of [
      '',
      '.',
      signature,
      `${'a'.repeat(20)}${signature}`,
      'bulkhead',
      `${value}.${value}`,
    ])
      expect(await ask('GET', apiPaths.sandbox(id), { cookie: `bulkhead=${forged}` })).toBe(401);
  });

  test('that were used before open nothing any more once the sandbox has ended', async () => {
    const short = await Learner.arrive(stack.url);
    const old = await short.create([box]);
    await short.waitFor(old.id, 'box', 'running');
    const one = await short.openTerminal(old.id, 'box');
    expect((await short.end(old.id)).status).toBe(204);
    expect(new Set(await refusedBy(old.id, 'box', one, short.cookie))).toEqual(new Set([404]));
  });
});

describe('bytes that no page sends', () => {
  const PROTOCOL_ERROR = 1_002;
  const ABNORMAL = 1_006;
  const TOO_LONG = 1_009;
  /** Until a socket is closed, or has been quiet so long that it is not going to be. */
  const closing = (socket: Socket, limitMs: number) =>
    new Promise<void>((resolve) => {
      const late = setTimeout(resolve, limitMs);
      socket.on('close', () => {
        clearTimeout(late);
        resolve();
      });
    });
  const raw = async (text: string | Uint8Array, end = false): Promise<string> => {
    const socket = createConnection(Number(new URL(stack.url).port), '127.0.0.1');
    let said = '';
    socket.on('data', (bytes) => {
      said += bytes;
    });
    socket.on('error', () => {});
    socket.write(text);
    if (end) socket.end();
    await closing(socket, 300);
    socket.destroy();
    return said;
  };
  const post = (body: string, length = body.length) =>
    `POST ${apiPaths.sandboxes} HTTP/1.1\r\nhost: ${new URL(stack.url).host}\r\norigin: ${stack.url}\r\ncookie: ${learner.cookie}\r\n` +
    `content-type: application/json\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n${body}`;

  test('over HTTP are refused, and nobody else notices', async () => {
    expect(await raw('\0\0\0\0\r\n\r\n')).toMatch(/^HTTP\/1.1 400/);
    expect(await raw(`GET / HTTP/1.1\r\nhost: a\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 431/,
    );
    expect(await raw(post('x'.repeat(20_000)))).toMatch(/^HTTP\/1.1 413/);
    expect(await raw(post('{"machines":', 400), true)).not.toContain('201');
    // Two lengths, or a length and pieces: what is one request to a proxy would be two here.
    const twice = post('{}').replace('content-length: 2', 'content-length: 2\r\ncontent-length: 0');
    expect(await raw(twice)).toMatch(/^HTTP\/1.1 400/);
    const pieces = post('0\r\n\r\n').replace(
      'content-length: 5',
      'content-length: 5\r\ntransfer-encoding: chunked',
    );
    expect(await raw(pieces)).toMatch(/^HTTP\/1.1 400/);
    for (const body of [
      '[]',
      'null',
      '"machines"',
      '{"machines":[]}',
      `${'['.repeat(8_000)}${']'.repeat(8_000)}`,
      '{"__proto__":{"machines":[]},"machines":[]}',
      '{"constructor":{"prototype":{}}}',
      '{"machines":[{"name":"box","kind":"container","columns":1e999,"rows":24}]}',
      '{"machines":[{"name":"../box","kind":"container","columns":80,"rows":24}]}',
      '{"machines":[{"name":"<script>","kind":"container","columns":80,"rows":24}]}',
      '{"machines":[{"name":"box","kind":"container","profile":"../etc","columns":80,"rows":24}]}',
    ])
      expect(`${body.slice(0, 60)} ${(await raw(post(body))).slice(0, 12)}`).toMatch(/HTTP\/1.1 400$/);
    expect(await raw('GET /../../../../etc/passwd HTTP/1.1\r\nhost: localhost\r\n\r\n')).not.toContain(
      'root:',
    );
    await alive();
  });

  test('over a WebSocket end that connection, and the shell goes on', async () => {
    const closes = async (send: (socket: WebSocket) => void): Promise<number> => {
      const socket = learner.socket(id, 'box', terminal);
      socket.on('error', () => {});
      socket.on('open', () => send(socket));
      const [code] = await once(socket, 'close');
      return code;
    };
    expect(await closes((socket) => socket.send('text'))).toBe(4_400);
    expect(await closes((socket) => socket.send(new Uint8Array(FRAME_MAX + 1)))).toBe(TOO_LONG);
    const below = (socket: WebSocket): Socket => (socket as unknown as { _socket: Socket })._socket;
    // Not masked; a reserved opcode; a length of 2^63; pieces without an end.
    const odd = [
      [0x82, 0x01, 0x01],
      [0x8b, 0x80, 0, 0, 0, 0],
      [0x82, 0xff, ...Array(8).fill(0xff)],
    ];
    for (const bytes of odd)
      expect([PROTOCOL_ERROR, TOO_LONG]).toContain(
        await closes((socket) => below(socket).write(Uint8Array.from(bytes))),
      );
    const piece = Uint8Array.of(0x02, 0x84, 0, 0, 0, 0, 1, 2, 3, 4);
    const next = Uint8Array.of(0x00, 0x84, 0, 0, 0, 0, 1, 2, 3, 4);
    const pieces = (socket: WebSocket) => {
      below(socket).write(piece);
      for (let sent = 0; sent <= FRAME_MAX / 4 && !below(socket).destroyed; sent++) below(socket).write(next);
    };
    expect([PROTOCOL_ERROR, ABNORMAL, TOO_LONG]).toContain(await closes(pieces));
    await alive();
  });

  test('over the control socket and an attach socket end that connection, and nobody else’s', async () => {
    const machines = join(stack.state, 'run/machines');
    const [machine = ''] = readdirSync(machines);
    const attach = join(machines, machine, 'terminals', `${terminal}.sock`);
    const noise = Uint8Array.from({ length: 5_000 }, (_, i) => (i * 7919) % 251);
    const sendTo = async (path: string, bytes: string | Uint8Array): Promise<string> => {
      const socket = createConnection(path);
      let said = '';
      socket.on('error', () => {});
      socket.on('data', (more) => {
        said += more;
      });
      socket.end(bytes);
      await closing(socket, 200);
      socket.destroy();
      return said;
    };
    const control = join(stack.state, 'run/control.sock');
    for (const bytes of [
      noise,
      '\n\n\n',
      '{"id":1,"method":"probe"',
      '[]\n',
      '{"id":1}\n',
      '{"id":1e400,"method":"probe","params":{}}\n',
      '{"id":1,"method":"probe","params":{"a":"\\u0000"}}\n',
      `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}\n`,
      '{"id":1,"method":"exec","params":{"machine":"\\ud800","command":[]}}\n',
      '{"id":1,"id":2,"method":"machine.delete","params":{"machine":"a","machine":"b"}}\n',
    ]) {
      expect(await sendTo(control, bytes)).not.toContain('"result"');
      await sendTo(attach, bytes);
    }
    for (const bytes of [
      Uint8Array.of(0xff, 0xff, 0xff, 0xff),
      Uint8Array.of(0, 0, 0, 0),
      new Uint8Array(70_000),
    ])
      await sendTo(attach, bytes);
    await alive();
    expect((await learner.look(id)).machines[0]?.state).toBe('running');
  });
});
