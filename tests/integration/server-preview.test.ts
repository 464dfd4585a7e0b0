// What a machine serves, seen from a browser: in on a ticket, on a name of its own, and nothing of the site's on the way.
import { once } from 'node:events';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import WebSocket from 'ws';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import { previewOpenedSchema, type Sandbox } from '../../sandbox-server/src/protocol/api.ts';
import { patiently } from '../patience.ts';
import { Learner } from './learner.ts';
import { type Stack, startStack } from './stack.ts';

/** Tells what it was asked, in JSON; serves WebSockets that echo; says to a browser what a hostile one would. */
const SERVER = `
import base64, hashlib, json, socket, struct, threading
def body_of(file, headers):
    if headers.get('transfer-encoding') != 'chunked': return file.read(int(headers.get('content-length', 0)))
    whole = b''
    while size := int(file.readline(), 16):
        whole += file.read(size); file.readline()
    file.readline()
    return whole
def websocket(file, send, headers):
    key = (headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode()
    accept = base64.b64encode(hashlib.sha1(key).digest())
    send(b'HTTP/1.1 101 Go on\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + accept + b'\\r\\n\\r\\n')
    while head := file.read(2):
        if head[0] & 15 == 8: return
        size = head[1] & 127
        if size == 126: size = struct.unpack('>H', file.read(2))[0]
        mask = file.read(4)
        data = bytes(b ^ mask[i % 4] for i, b in enumerate(file.read(size)))
        send(head[:1] + (bytes([size]) if size < 126 else b'\\x7e' + struct.pack('>H', size)) + data)
HOSTILE = ['Set-Cookie: bulkhead=theirs; Path=/', 'Set-Cookie: __Host-bulkhead=theirs; Secure; Path=/',
    'Set-Cookie: session=1; Domain=localhost; Path=/', 'Set-Cookie: bulkhead-preview=x', 'Clear-Site-Data: "*"',
    'Strict-Transport-Security: max-age=9', 'Alt-Svc: h2=":1"', "Content-Security-Policy: script-src 'self'",
    'Cross-Origin-Opener-Policy: unsafe-none', 'Connection: x-hop', 'X-Hop: one']
def serve(connection):
    file, send = connection.makefile('rb'), connection.sendall
    while line := file.readline().decode().split():
        headers = {}
        while (one := file.readline().decode().strip()):
            name, value = one.split(':', 1); headers[name.lower()] = value.strip()
        method, path = line[0], line[1]
        if path == '/ws': websocket(file, send, headers); break
        body = body_of(file, headers)
        if path.startswith('/stream/'):
            send(b'HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n')
            for _ in range(int(path[8:])): send(b'8000\\r\\n' + b'y' * 0x8000 + b'\\r\\n')
            send(b'0\\r\\n\\r\\n')
            continue
        told = json.dumps({'method': method, 'path': path, 'headers': headers,
            'sum': hashlib.sha256(body).hexdigest(), 'length': len(body)}).encode()
        more = HOSTILE if path == '/hostile' else ['Location: http://localhost:8000/there?x=1'] if path == '/away' else []
        first = 'HTTP/1.1 302 Found' if path == '/away' else 'HTTP/1.1 200 OK'
        send('\\r\\n'.join([first, *more, f'Content-Length: {len(told)}', '', '']).encode() + told)
    connection.close()
listener = socket.create_server(('127.0.0.1', 8000), backlog=64)
while True: threading.Thread(target=serve, args=[listener.accept()[0]]).start()
`;

let stack: Stack;
let learner: Learner;
let sandbox: Sandbox;
/** The preview's host name with its port, and the cookie that lets in. */
let host: string;
let pass: string;

beforeAll(async () => {
  stack = await startStack({ server: ['--preview-port', '0'] });
  learner = await Learner.arrive(stack.url);
  sandbox = await learner.create([{ name: 'box', kind: 'container' }]);
  const content = Buffer.from(SERVER).toString('base64');
  const wrote = await learner.ask('PUT', apiPaths.files(sandbox.id, 'box'), {
    path: '/root/serve.py',
    content,
  });
  expect(wrote.status).toBe(204);
  const command = ['/bin/sh', '-c', 'setsid python3 /root/serve.py </dev/null >/root/log 2>&1 &'];
  expect((await learner.ask('POST', apiPaths.exec(sandbox.id, 'box'), { command })).status).toBe(200);
  ({ host, pass } = await enter());
  await vi.waitFor(async () => expect((await get('/')).status).toBe(200), { timeout: patiently(20_000) });
});
afterAll(() => stack.stop());

async function open(port = 8000): Promise<URL> {
  const answer = await learner.ask('POST', apiPaths.previews(sandbox.id, 'box'), { port });
  expect(answer.status).toBe(200);
  return new URL(previewOpenedSchema.parse(answer.body).url);
}

async function enter(port = 8000): Promise<{ host: string; pass: string }> {
  const url = await open(port);
  const answer = await ask(url.host, url.pathname + url.search);
  expect(answer.status).toBe(303);
  return { host: url.host, pass: String(answer.headers['set-cookie']?.[0]).split(';', 1)[0] ?? '' };
}

interface Told {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** A request as a browser sends it; the name is of this machine, whatever a resolver says. */
async function ask(
  name: string,
  path: string,
  {
    method = 'GET',
    headers = {},
    body,
  }: { method?: string; headers?: Record<string, string>; body?: Buffer } = {},
): Promise<Told> {
  const port = name.split(':')[1];
  const request = requestHttp({ host: '127.0.0.1', port, method, path, headers: { host: name, ...headers } });
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(pieces) };
}

const get = (path: string, headers: Record<string, string> = {}) =>
  ask(host, path, { headers: { cookie: pass, ...headers } });

/** What the program in the machine was asked. */
function seen({ status, body }: Told) {
  expect(status).toBe(200);
  const told = JSON.parse(body.toString()) as {
    method: string;
    path: string;
    headers: Record<string, string>;
    sum: string;
    length: number;
  };
  return told;
}

/** Bytes as they are, until the other end closes. */
async function raw(text: string): Promise<string> {
  const socket = connect(Number(host.split(':')[1]), '127.0.0.1');
  socket.on('error', () => {});
  socket.end(text);
  const pieces: Buffer[] = [];
  socket.on('data', (piece) => pieces.push(piece));
  await once(socket, 'close');
  return Buffer.concat(pieces).toString();
}

describe('who is let in', () => {
  test('the owner, by a ticket that is good once', async () => {
    const url = await open();
    expect(url.host).toMatch(/^8000-[a-z2-7]{24}-box\.preview\.localhost:\d+$/);
    expect(url.host).not.toContain(sandbox.id);
    const path = url.pathname + url.search;
    const first = await ask(url.host, path);
    expect(first).toMatchObject({ status: 303, headers: { location: '/' } });
    expect(first.headers['set-cookie']?.[0]).toMatch(
      /^bulkhead-preview=[^;]+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/,
    );
    expect((await ask(url.host, path)).status).toBe(401);
    // Who is in already, and goes back, is not turned away.
    expect((await ask(url.host, path, { headers: { cookie: pass } })).status).toBe(303);
  });

  test('nobody else, and nobody learns what there is', async () => {
    const stranger = await Learner.arrive(stack.url);
    const refused = await stranger.ask('POST', apiPaths.previews(sandbox.id, 'box'), { port: 8000 });
    expect(refused.status).toBe(404);
    const without = await ask(host, '/');
    const elsewhere = await ask(host.replace(/-[a-z2-7]{24}-/, `-${'a'.repeat(24)}-`), '/');
    expect([without.status, elsewhere.status]).toEqual([401, 401]);
    expect(elsewhere.body).toEqual(without.body);
    const other = (await open(8001)).host; // another port is another preview
    for (const [name, cookie] of [
      [host, `${pass}x`],
      [host, pass.replace('~', '~1')],
      [host, `${pass}; ${pass}`],
      [other, pass],
    ] as const) {
      expect((await ask(name, '/', { headers: { cookie } })).status).toBe(401);
    }
    expect((await ask(stack.url.slice(7).replace(/:\d+/, `:${host.split(':')[1]}`), '/')).status).toBe(421);
  });

  test.each([0, 65_536, '8000', 1.5])('no port %j', async (port) => {
    const { status, body } = await learner.ask('POST', apiPaths.previews(sandbox.id, 'box'), { port });
    expect(status).toBe(400);
    expect(body).toMatchObject({ error: { field: 'port' } });
  });
});

describe('what the machine is told', () => {
  test('a request of its own machine’s, without a cookie of the site’s or of a hop', async () => {
    const site = learner.cookie;
    const { headers, path } = seen(
      await get('/x?y=1', {
        cookie: `${site}; ${pass}; theirs=1; __Host-bulkhead-instructor=2; b`,
        connection: 'keep-alive, x-secret',
        'x-secret': 'hop',
        'x-forwarded-for': '1.2.3.4',
        te: 'trailers',
        referer: `http://${host}/page`,
      }),
    );
    expect(path).toBe('/x?y=1');
    expect(headers).toMatchObject({
      host: 'localhost:8000',
      cookie: 'theirs=1; b',
      referer: 'http://localhost:8000/page',
      'x-forwarded-host': host,
      'x-forwarded-proto': 'http',
    });
    for (const name of ['x-secret', 'x-forwarded-for', 'te']) expect(headers).not.toHaveProperty(name);
  });

  test('bodies of any size, whole, by length and in chunks, with every method', async () => {
    const body = Buffer.alloc(3_000_001, 'a long body ');
    const headers = { cookie: pass, origin: `http://${host}`, 'content-length': String(body.length) };
    const whole = seen(await ask(host, '/', { method: 'POST', headers, body }));
    expect(whole).toMatchObject({
      method: 'POST',
      length: body.length,
      headers: { origin: 'http://localhost:8000' },
    });
    for (const method of ['PUT', 'DELETE']) {
      const chunked = { cookie: pass, 'transfer-encoding': 'chunked' };
      const told = seen(await ask(host, '/', { method, headers: chunked, body }));
      expect(told).toMatchObject({ method, sum: whole.sum });
    }
  });
});

describe('what the browser is told', () => {
  test('a stream as it comes, and no more than it reads', async () => {
    const { status, body } = await get('/stream/200');
    expect(status).toBe(200);
    expect(body.length).toBe(200 * 0x8000);
  });

  test('nothing that reaches beyond this one origin', async () => {
    const { headers } = await get('/hostile');
    expect(headers['set-cookie']).toEqual(['session=1; Path=/']);
    for (const name of ['clear-site-data', 'strict-transport-security', 'alt-svc', 'x-hop'])
      expect(headers).not.toHaveProperty(name);
    expect(headers).toMatchObject({
      'content-security-policy': "script-src 'self', frame-ancestors 'self'",
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'origin-agent-cluster': '?1',
      'referrer-policy': 'same-origin',
    });
    expect(headers).not.toHaveProperty('access-control-allow-origin');
  });

  test('a redirection to localhost as one to itself', async () => {
    expect(await get('/away')).toMatchObject({
      status: 302,
      headers: { location: `http://${host}/there?x=1` },
    });
  });

  test('what is missing, by name, port and next step', async () => {
    const silent = await enter(8123);
    const headers = { cookie: silent.pass, accept: 'text/html' };
    const { status, body, headers: said } = await ask(silent.host, '/', { headers });
    expect(status).toBe(502);
    expect(body.toString()).toContain('Nothing listens on port 8123 of box');
    expect(body.toString()).toContain('busybox httpd -f -p 8123');
    expect(said['content-security-policy']).toContain("default-src 'none'");
  });
});

describe('WebSockets', () => {
  const socket = (headers: Record<string, string>) =>
    new WebSocket(`ws://127.0.0.1:${host.split(':')[1]}/ws`, { headers: { host, ...headers } });

  test('are passed on, both ways', async () => {
    const ws = socket({ cookie: pass, origin: `http://${host}` });
    await once(ws, 'open');
    for (const text of ['hello', 'z'.repeat(40_000)]) {
      ws.send(text);
      const [echo] = await once(ws, 'message');
      expect(String(echo)).toBe(text);
    }
    ws.close();
    await once(ws, 'close');
  });

  test.each([
    ['without a pass', () => ({ origin: `http://${host}` }), 401],
    ['from the site', () => ({ cookie: pass, origin: stack.url }), 403],
    ['from nowhere', () => ({ cookie: pass }), 403],
  ])('%s are refused', async (_, headers, status) => {
    const ws = socket(headers() as Record<string, string>);
    const [error] = await once(ws, 'error');
    expect(String(error)).toContain(String(status));
  });

  test('that the program refuses are refused', async () => {
    const ws = new WebSocket(`ws://127.0.0.1:${host.split(':')[1]}/none`, {
      headers: { host, cookie: pass, origin: `http://${host}` },
    });
    const [error] = await once(ws, 'error');
    expect(String(error)).toContain('502');
  });
});

describe('what a preview is no way to', () => {
  test('the site: its paths are the machine’s, its names are refused', async () => {
    expect(seen(await get('/api/status')).path).toBe('/api/status');
    expect(seen(await get('//127.0.0.1/api/status')).path).toBe('//127.0.0.1/api/status');
    const site = stack.url.slice('http://'.length);
    expect((await ask(host, '/', { headers: { cookie: pass, host: site } })).status).toBe(421);
    for (const line of [
      `GET ${stack.url}/api/status HTTP/1.1`,
      `CONNECT ${site} HTTP/1.1`,
      'OPTIONS * HTTP/1.1',
    ]) {
      const answer = await raw(`${line}\r\nHost: ${host}\r\nCookie: ${pass}\r\nConnection: close\r\n\r\n`);
      expect(answer).not.toContain('200 OK');
    }
    // And the site is not the preview's: its name is none there.
    const { status } = await ask(host, '/', { headers: { cookie: pass } });
    expect(status).toBe(200);
    const across = await ask(site, '/api/status', { headers: { host } });
    expect(across.status).toBe(403);
  });

  test.each([
    [
      'another site’s form',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
      'POST',
      403,
    ],
    [
      'another preview’s fetch',
      { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'empty' },
      'GET',
      403,
    ],
    [
      'a frame of another site',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
      'GET',
      403,
    ],
    ['an opaque origin', { origin: 'null' }, 'GET', 403],
    [
      'a click on another site',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
      'GET',
      200,
    ],
    [
      'its own page',
      { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
      'POST',
      200,
    ],
  ])('%s', async (_, headers, method, status) => {
    expect((await ask(host, '/', { method, headers: { cookie: pass, ...headers } })).status).toBe(status);
  });

  test.each([
    ['a length and chunks', 'POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n'],
    ['two lengths', 'POST / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n'],
    ['an encoding nobody knows', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n'],
    ['a header that goes on', 'GET / HTTP/1.1\r\nX: a\r\n b: c\r\n'],
    ['a space before the colon', 'GET / HTTP/1.1\r\nContent-Length : 4\r\n'],
    ['no host', 'GET / HTTP/1.1\r\n'],
  ])('a request that two could read differently: %s', async (what, head) => {
    const named = what === 'no host' ? '' : `Host: ${host}\r\n`;
    const answer = await raw(
      `${head}${named}Cookie: ${pass}\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(answer).not.toContain('smuggled');
  });
});

describe('a machine that stands still', () => {
  test('is said to, and is shown again when it is thawed', async () => {
    const frozen = await learner.ask('POST', apiPaths.freeze(sandbox.id, 'box'));
    expect(frozen).toMatchObject({ status: 200, body: { state: 'frozen' } });
    const still = await get('/');
    expect(still.status).toBe(409);
    expect(still.body.toString()).toContain('box is frozen');
    const command = ['true'];
    expect((await learner.ask('POST', apiPaths.exec(sandbox.id, 'box'), { command })).status).toBe(409);
    expect((await learner.ask('POST', apiPaths.thaw(sandbox.id, 'box'))).body).toMatchObject({
      state: 'running',
    });
    expect((await get('/')).status).toBe(200);
  });

  test('stays so under a server that is killed and started again, and so does who was let in', async () => {
    await learner.ask('POST', apiPaths.freeze(sandbox.id, 'box'));
    await stack.killServer();
    await stack.startServer();
    expect((await learner.look(sandbox.id)).machines[0]).toMatchObject({ state: 'frozen' });
    await learner.ask('POST', apiPaths.thaw(sandbox.id, 'box'));
    ({ host } = await open()); // with a port of 0 the server has another now
    expect((await get('/')).status).toBe(200);
  });

  test('is ended without being thawed', async () => {
    await learner.ask('POST', apiPaths.freeze(sandbox.id, 'box'));
    expect((await learner.end(sandbox.id)).status).toBe(204);
    expect((await get('/')).status).toBe(404);
  });
});
