import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import {
  apiErrorSchema,
  createSandboxSchema,
  sandboxListSchema,
  sandboxSchema,
  statusSchema,
} from '../protocol/api.ts';
import {
  decodeFrame,
  encodeFrame,
  FRAME_MAX,
  type Frame,
  FrameSplitter,
  prefixFrame,
} from '../protocol/frames.ts';
import { until } from '../testing/scripted-broker.ts';
import { TestServer } from '../testing/test-server.ts';

const server = new TestServer({
  'index.html': '<!doctype html><script>1</script>home',
  'assets/a.BYXUblem.css': 'p{}',
});
const { broker } = server;
beforeAll(() => server.open());
afterAll(() => server.close());

/** A learner's browser: keeps its cookie, sends the site's Origin unless told otherwise. */
class Browser {
  cookie = '';

  async ask(
    path: string,
    options: { method?: string; body?: unknown; headers?: Record<string, string> } = {},
  ) {
    const { method = 'GET', body } = options;
    const response = await fetch(server.url + path, {
      method,
      headers: {
        cookie: this.cookie,
        ...(method === 'GET' ? {} : { origin: server.url }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const set = response.headers.get('set-cookie');
    if (set) this.cookie = set.split(';')[0] ?? '';
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json');
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  }

  async sandbox() {
    if (!this.cookie) await this.ask('/api/status');
    const machines = [{ name: 'box', kind: 'container', columns: 80, rows: 24 }];
    const { status, body } = await this.ask('/api/sandboxes', { method: 'POST', body: { machines } });
    expect(status).toBe(201);
    return sandboxSchema.parse(body);
  }

  attach(id: string, headers: Record<string, string | undefined> = {}): WebSocket {
    const all: Record<string, string | undefined> = { origin: server.url, cookie: this.cookie, ...headers };
    const sent = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
    const url = `${server.url.replace('http', 'ws')}/api/sandboxes/${id}/machines/box/terminals/t1/attach`;
    return new WebSocket(url, { headers: sent as Record<string, string> });
  }
}

/** The status with which an upgrade was refused. */
const refusal = (socket: WebSocket) =>
  new Promise<number>((resolve, reject) => {
    socket.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
    socket.on('open', () => reject(new Error('the upgrade was granted')));
    socket.on('error', () => {});
  });

const closing = (socket: WebSocket) =>
  new Promise<{ code: number; reason: string }>((resolve) =>
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })),
  );

const attachFrame: Frame = { type: 'attach', version: 1, offset: 0, credit: 262_144, columns: 80, rows: 24 };

describe('the site', () => {
  test('pages are asked for again, hashed files never, and every answer says what it may do', async () => {
    const page = await new Browser().ask('/');
    expect(page.status).toBe(200);
    expect(page.headers.get('cache-control')).toBe('no-cache');
    expect(page.headers.get('content-security-policy')).toMatch(/script-src 'self' 'sha256-/);
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
    const asset = await new Browser().ask('/assets/a.BYXUblem.css');
    expect(asset.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
  });

  test('a page that is not there is the 404 page; a path out of the site leads nowhere', async () => {
    expect(await new Browser().ask('/nope/')).toMatchObject({ status: 404, body: 'no such page' });
    expect((await new Browser().ask('/..%2f..%2fstate%2fsecret')).status).toBe(404);
    expect((await new Browser().ask('/%2e%2e/state/secret')).status).toBe(404);
  });
});

describe('the API', () => {
  test('status gives a cookie that scripts cannot read, and keeps it', async () => {
    const browser = new Browser();
    const first = await browser.ask('/api/status');
    expect(first.headers.get('set-cookie')).toMatch(/HttpOnly; SameSite=Strict/);
    expect(statusSchema.parse(first.body)).toMatchObject({ host: { hostname: 'testhost' }, reason: null });
    expect((await browser.ask('/api/status')).headers.get('set-cookie')).toBeNull();
  });

  test('a sandbox: made, shown, extended, given a terminal, ended', async () => {
    const browser = new Browser();
    const { id, expiresAt } = await browser.sandbox();
    expect(sandboxSchema.parse((await browser.ask(`/api/sandboxes/${id}`)).body).id).toBe(id);
    expect(sandboxListSchema.parse((await browser.ask('/api/sandboxes')).body).sandboxes).toHaveLength(1);
    const extended = await browser.ask(`/api/sandboxes/${id}/extend`, { method: 'POST' });
    expect(extended.body.expiresAt).toBeGreaterThanOrEqual(expiresAt);
    const terminals = `/api/sandboxes/${id}/machines/box/terminals`;
    const opened = await browser.ask(terminals, { method: 'POST', body: { columns: 100, rows: 30 } });
    expect(opened).toMatchObject({ status: 201, body: { terminal: 't2' } });
    expect(await browser.ask(`/api/sandboxes/${id}`, { method: 'DELETE' })).toMatchObject({ status: 204 });
    expect((await browser.ask(`/api/sandboxes/${id}`)).status).toBe(404);
  });

  test('another learner, a forged cookie and none at all get nothing', async () => {
    const owner = new Browser();
    const { id } = await owner.sandbox();
    const other = new Browser();
    await other.ask('/api/status');
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/extend'],
      ['GET', '/events'],
    ] as const) {
      const answer = await other.ask(`/api/sandboxes/${id}${path}`, { method });
      expect(answer).toMatchObject({ status: 404, body: { error: { code: 'not_found' } } });
    }
    const [value = '', signature = ''] = (owner.cookie.split('=')[1] ?? '').split('.');
    const forged = new Browser();
    forged.cookie = `bulkhead=${value}.${signature.slice(0, -1)}${signature.endsWith('A') ? 'B' : 'A'}`;
    expect((await forged.ask(`/api/sandboxes/${id}`)).body.error.code).toBe('no_session');
    forged.cookie = `bulkhead=${value}`;
    expect((await forged.ask(`/api/sandboxes/${id}`)).status).toBe(401);
    await owner.ask(`/api/sandboxes/${id}`, { method: 'DELETE' });
  });

  test.each([undefined, 'null', 'http://evil.example'])(
    'a page with Origin %s changes nothing',
    async (origin) => {
      const browser = new Browser();
      await browser.ask('/api/status');
      const headers: Record<string, string> = { cookie: browser.cookie, 'content-type': 'application/json' };
      if (origin) headers.origin = origin;
      const body = JSON.stringify({ machines: [{ name: 'box', kind: 'container' }] });
      const response = await fetch(`${server.url}/api/sandboxes`, { method: 'POST', headers, body });
      expect(response.status).toBe(403);
      expect(apiErrorSchema.parse(await response.json()).error.code).toBe('forbidden');
    },
  );

  test('a name that was made to point here is refused', async () => {
    const status = await new Promise((resolve, reject) => {
      const url = new URL('/api/status', server.url);
      httpRequest(url, { headers: { host: `rebound.evil.example:${url.port}` } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(403);
  });

  test.each([
    ['{"machines": [', 400, undefined],
    [{ machines: [] }, 400, 'machines'],
    [{ machines: [{ name: 'Box', kind: 'container' }] }, 400, 'machines.0.name'],
    [{ machines: [{ name: 'box', kind: 'zone' }] }, 400, 'machines.0.kind'],
    [{ machines: [{ name: 'box', kind: 'container', root: true }] }, 400, 'machines.0.root'],
    [{ machines: [{ name: 'box', kind: 'container' }], more: 1 }, 400, 'more'],
    ['[]', 400, undefined],
    [`{"machines": "${'x'.repeat(20_000)}"}`, 413, undefined],
  ])('malformed: %j', async (body, status, field) => {
    const browser = new Browser();
    await browser.ask('/api/status');
    const answer = await browser.ask('/api/sandboxes', { method: 'POST', body });
    expect(answer.status).toBe(status);
    expect(apiErrorSchema.parse(answer.body).error.field).toBe(field);
    expect(createSandboxSchema.safeParse(body).success).toBe(false);
  });

  test('the quota is a 429 that says what to do', async () => {
    const browser = new Browser();
    const made = [await browser.sandbox(), await browser.sandbox()];
    const body = { machines: [{ name: 'box', kind: 'container' }] };
    const third = await browser.ask('/api/sandboxes', { method: 'POST', body });
    expect(third).toMatchObject({ status: 429, body: { error: { code: 'quota' } } });
    expect(third.body.error.message).toMatch(/End one first/);
    for (const { id } of made) await browser.ask(`/api/sandboxes/${id}`, { method: 'DELETE' });
  });

  test('events: each machine at once, then what happens, and the end', async () => {
    const browser = new Browser();
    const { id } = await browser.sandbox();
    const response = await fetch(`${server.url}/api/sandboxes/${id}/events`, {
      headers: { cookie: browser.cookie },
    });
    const text = response.text();
    const machine = [...broker.machines.values()].find(({ labels }) => labels.sandbox === id)?.machine;
    broker.emit({ event: 'machine.exited', machine, reason: 'Its first process was killed.' });
    await browser.ask(`/api/sandboxes/${id}`, { method: 'DELETE' });
    const events = await text;
    expect(events).toMatch(/event: machine\ndata: .*"state":"running"/);
    expect(events).toMatch(/"state":"ended","reason":"Its first process was killed\."/);
    expect(events).toMatch(/event: ended\ndata: \{"reason":"You ended it\."\}\n\n$/);
  });
});

describe('a terminal over a WebSocket', () => {
  test.each([
    ['no Origin', { origin: undefined }, 403],
    ['the Origin null', { origin: 'null' }, 403],
    ['a foreign Origin', { origin: 'http://evil.example' }, 403],
    ['a foreign Host', { host: 'evil.example' }, 403],
    ['no cookie', { cookie: undefined }, 401],
    ['a forged cookie', { cookie: 'bulkhead=aaaaaaaaaaaaaaaaaaaa.c2ln' }, 401],
  ])('an upgrade with %s is refused', async (_what, headers, status) => {
    const browser = new Browser();
    const { id } = await browser.sandbox();
    expect(await refusal(browser.attach(id, headers))).toBe(status);
    await browser.ask(`/api/sandboxes/${id}`, { method: 'DELETE' });
  });

  test("another learner's terminal is a 404, and one that is gone closes with a reason", async () => {
    const browser = new Browser();
    const { id } = await browser.sandbox();
    const other = new Browser();
    await other.ask('/api/status');
    expect(await refusal(other.attach(id))).toBe(404);
    const url = `${server.url.replace('http', 'ws')}/api/sandboxes/${id}/machines/box/terminals/t9/attach`;
    const gone = new WebSocket(url, { headers: { origin: server.url, cookie: browser.cookie } });
    expect((await closing(gone)).code).toBe(4404);
    await browser.ask(`/api/sandboxes/${id}`, { method: 'DELETE' });
  });

  test('frames pass unchanged in both directions, ROLE first', async () => {
    const seen: Frame[] = [];
    broker.attached = (socket) => {
      const frames = new FrameSplitter();
      socket.on('data', (bytes) =>
        frames.push(bytes, (frame) => {
          seen.push(decodeFrame(frame));
          if (seen.at(-1)?.type !== 'input') return;
          socket.write(prefixFrame(encodeFrame({ type: 'output', offset: 0, bytes: frame.subarray(1) })));
          socket.end(prefixFrame(encodeFrame({ type: 'exit', by: 'exited', status: 3 })));
        }),
      );
    };
    const browser = new Browser();
    const { id } = await browser.sandbox();
    const socket = browser.attach(id);
    const got: Frame[] = [];
    socket.on('message', (data) => got.push(decodeFrame(new Uint8Array(data as Buffer))));
    socket.on('open', () => {
      socket.send(encodeFrame(attachFrame));
      socket.send(encodeFrame({ type: 'input', bytes: new Uint8Array(FRAME_MAX - 9).fill(255) }));
    });
    expect(await closing(socket)).toMatchObject({ code: 1_000 });
    expect(seen.map(({ type }) => type)).toEqual(['role', 'attach', 'input']);
    expect(seen.slice(0, 2)).toEqual([{ type: 'role', mayType: true }, attachFrame]);
    const alone = { as: 'learner', name: '', types: true, you: true } as const;
    expect(got).toEqual([
      { type: 'viewers', viewers: [alone] },
      { type: 'output', offset: 0, bytes: new Uint8Array(FRAME_MAX - 9).fill(255) },
      { type: 'exit', by: 'exited', status: 3 },
    ]);
    await browser.ask(`/api/sandboxes/${id}`, { method: 'DELETE' });
  });

  test.each<[string, (string | Uint8Array)[], RegExp]>([
    ['ROLE', [encodeFrame({ type: 'role', mayType: true })], /not a viewer's/],
    ['INPUT before ATTACH', [encodeFrame({ type: 'input', bytes: Uint8Array.of(65) })], /has to be ATTACH/],
    ['ATTACH twice', [encodeFrame(attachFrame), encodeFrame(attachFrame)], /twice/],
    ['what only a monitor says', [encodeFrame({ type: 'size', columns: 1, rows: 1 })], /not a viewer's/],
    ['an unknown opcode', [Uint8Array.of(0x7f)], /unknown opcode/],
    ['nothing', [new Uint8Array(0)], /empty frame/],
    ['a frame cut short', [Uint8Array.of(1, 1, 0)], /body of 2 bytes/],
    ['text', ['hello'], /binary/],
  ])('a browser that sends %s is disconnected and told why', async (_what, messages, reason) => {
    broker.attached = () => {};
    const browser = new Browser();
    const { id } = await browser.sandbox();
    const socket = browser.attach(id);
    socket.on('open', () => {
      for (const message of messages) socket.send(message);
    });
    const closed = await closing(socket);
    expect(closed.code).toBe(4_400);
    expect(closed.reason).toMatch(reason);
    await browser.ask(`/api/sandboxes/${id}`, { method: 'DELETE' });
  });

  test('a message longer than a frame may be ends the connection', async () => {
    const browser = new Browser();
    const { id } = await browser.sandbox();
    const socket = browser.attach(id);
    socket.on('open', () => socket.send(new Uint8Array(FRAME_MAX + 1)));
    expect((await closing(socket)).code).toBe(1_009);
    await browser.ask(`/api/sandboxes/${id}`, { method: 'DELETE' });
  });

  test('a browser that grants without reading stops its monitor, not the server', async () => {
    let written = 0;
    broker.attached = (socket) => {
      const frame = Buffer.from(
        prefixFrame(encodeFrame({ type: 'output', offset: 0, bytes: new Uint8Array(60_000) })),
      );
      const pump = () => {
        while (written < 64_000_000 && socket.write(frame)) written += frame.length;
      };
      socket.on('drain', pump);
      pump();
    };
    const browser = new Browser();
    const { id } = await browser.sandbox();
    const socket = browser.attach(id);
    await new Promise((resolve) => socket.on('open', resolve));
    socket.pause();
    // The pump stands still once every buffer between the two is full.
    let before = -1;
    await until(() => {
      const still = written === before && written > 0;
      before = written;
      return still;
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(written).toBeLessThan(16_000_000);
    socket.resume();
    await until(() => written >= 64_000_000);
    socket.terminate();
    await browser.ask(`/api/sandboxes/${id}`, { method: 'DELETE' });
  });
});
