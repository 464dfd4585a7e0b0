// Somebody with a cookie and a sandbox of their own who sends anything at all: to every route there is, and over WebSockets.
// What comes back is judged here: a refusal is told by a status or a close code with a reason, and tells nothing else.
import { type IncomingMessage, request } from 'node:http';
import { createConnection, type Socket } from 'node:net';
import WebSocket from 'ws';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import { encodeFrame, FRAME_MAX } from '../../sandbox-server/src/protocol/frames.ts';
import { patiently } from '../patience.ts';
import type { Route } from './routes.ts';
import { schemas, type Values } from './values.ts';

const PATIENCE_MS = patiently(30_000);
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'];
/** Statuses above 499 that say what to do: not offered here, not now, not in time. */
const HONEST = new Set([501, 503, 504]);
/** What gives away how the server is made or where it is: stacks, its folders, its modules. */
const INSIDE =
  /\bat [^\n]*\.(?:ts|js|mjs|cjs):\d+|node_modules|node:internal|\/sandbox-server\/|SQLITE|ENOENT|EACCES/;
/** Close codes that mean something: of WebSocket, where the peer broke its rules, and the server's own. */
const CODES = new Set([1000, 1001, 1002, 1003, 1007, 1008, 1009, 4000, 4400, 4403, 4404, 4409, 4413, 4429]);

interface Sent {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: Uint8Array | string | null;
}

interface Answer {
  status: number;
  type: string;
  text: string;
}

/** A promise that was broken, with what was sent. */
export class Finding extends Error {
  override name = 'Finding';
}

/** The connection under a WebSocket. */
const below = (socket: WebSocket): Socket => (socket as unknown as { _socket: Socket })._socket;

export class Attacker {
  readonly #url: URL;
  readonly #values: Values;
  readonly #routes: readonly Route[];
  /** What else must not be told: where the server keeps its files. */
  readonly #secret: string;
  #cookie = '';
  #sandbox = 'a'.repeat(20);
  #terminal = 't1';
  /** Schemas of bodies that a route took lately. */
  readonly #fitting = new Map<Route, number[]>();
  /** Somebody else's sandbox. */
  readonly #victim: string;

  constructor(
    url: string,
    values: Values,
    routes: readonly Route[],
    others: { victim: string; secret: string },
  ) {
    this.#url = new URL(url);
    this.#values = values;
    this.#routes = routes;
    this.#victim = others.victim;
    this.#secret = others.secret;
  }

  /** Has a cookie and a container again, whatever was done to them. */
  async arrive(): Promise<void> {
    const looked = await this.#send({ ...this.#plain('GET', apiPaths.sandboxes) });
    const [mine] = looked.status === 200 ? (JSON.parse(looked.text).sandboxes as { id: string }[]) : [];
    if (mine) {
      const here = await this.#send(
        this.#plain('POST', apiPaths.terminals(mine.id, 'box'), { columns: 80, rows: 24 }),
      );
      if (here.status === 201) {
        this.#sandbox = mine.id;
        this.#terminal = JSON.parse(here.text).terminal;
        return;
      }
      await this.#send(this.#plain('DELETE', apiPaths.sandbox(mine.id)));
    }
    this.#cookie = '';
    await this.#send(this.#plain('GET', apiPaths.status));
    const machines = [{ name: 'box', kind: 'container', columns: 80, rows: 24 }];
    const made = await this.#send(this.#plain('POST', apiPaths.sandboxes, { machines }));
    if (made.status !== 201) return; // the host is full: the next round finds room
    const { id, machines: views } = JSON.parse(made.text);
    this.#sandbox = id;
    this.#terminal = views[0].terminals[0].terminal;
  }

  /** Goes home: nothing of it is left. */
  async leave(): Promise<void> {
    const looked = await this.#send(this.#plain('GET', apiPaths.sandboxes));
    if (looked.status !== 200) return;
    for (const { id } of JSON.parse(looked.text).sandboxes as { id: string }[])
      await this.#send(this.#plain('DELETE', apiPaths.sandbox(id)));
  }

  /** Sends one request. */
  async ask(): Promise<void> {
    const values = this.#values;
    const route = values.one(this.#routes);
    const method = values.chance(0.9) ? route.method : values.one(METHODS);
    const sent = this.#plain(method, this.#fill(route.path, values.chance(0.7)));
    let schema = -1;
    if (method !== 'GET' && method !== 'HEAD' && values.chance(0.9)) {
      schema = this.#schemaFor(route);
      sent.body = this.#body(schema);
      sent.headers['content-type'] = values.chance(0.9)
        ? 'application/json'
        : values.text().replace(/[^ -~]/g, '');
    }
    if (values.chance(0.1)) this.#spoil(sent);
    if (values.chance(0.05)) return this.#sendRaw(sent);
    const { status } = await this.#send(sent);
    // Whatever was wrong with it, it was read: this is the route's own schema, or like it.
    if (schema >= 0 && method === route.method && status !== 400 && status !== 403)
      this.#fitting.set(route, [...(this.#fitting.get(route) ?? []), schema].slice(-8));
  }

  /** Opens a WebSocket and says something; resolves when it is closed, by either side. */
  async converse(): Promise<number> {
    const values = this.#values;
    const path = values.chance(0.8)
      ? apiPaths.attach(this.#sandbox, 'box', this.#terminal)
      : this.#fill(values.one(this.#routes).path, true);
    const headers: Record<string, string> = { origin: this.#url.origin, cookie: this.#cookie };
    if (values.chance(0.1)) headers.origin = values.one(['https://evil.example', 'null', '']);
    if (values.chance(0.1)) headers.cookie = values.one(['', 'bulkhead=x', `${this.#cookie}x`]);
    const options = { headers, localAddress: this.#address(), perMessageDeflate: values.chance(0.2) };
    const socket = new WebSocket(`${this.#url.origin.replace('http', 'ws')}${path}`, options);

    const closed = new Promise<[number, Buffer]>((resolve) => socket.on('close', (...how) => resolve(how)));
    let refused: IncomingMessage | null = null;
    let garbage = false;
    socket.on('error', () => {});
    socket.on('unexpected-response', (_request, answer) => {
      refused = answer;
      answer.resume();
      socket.terminate();
    });
    let frames = 0;
    socket.on('open', () => {
      if (values.chance(0.8))
        socket.send(
          encodeFrame({
            type: 'attach',
            version: 1,
            offset: 0,
            credit: values.below(300_000),
            columns: 80,
            rows: 24,
          }),
        );
      for (const more = values.below(8); frames < more && socket.readyState === socket.OPEN; frames++) {
        garbage ||= this.#say(socket);
      }
      // What the server has to say to it is said before this is answered; but nothing is, after half a frame.
      if (garbage) below(socket).end();
      else socket.ping();
    });
    socket.on('pong', () => socket.close(1000));
    const late = setTimeout(() => socket.terminate(), PATIENCE_MS);
    const [code, reason] = await closed;
    clearTimeout(late);
    if (refused) this.#judgeStatus((refused as IncomingMessage).statusCode ?? 0, `an upgrade of ${path}`);
    else if (!garbage && code !== 1006 && code !== 1005 && !CODES.has(code))
      throw new Finding(`a WebSocket to ${path} was closed with ${code} ${reason}`);
    else if (code >= 4000 && reason.length === 0)
      throw new Finding(`a WebSocket to ${path} was closed with ${code} and no reason`);
    this.#judgeText(reason.toString(), `the reason of ${code}`);
    return frames;
  }

  /** One message. Returns whether it was none: bytes under the frames. */
  #say(socket: WebSocket): boolean {
    const values = this.#values;
    const luck = values.random();
    if (luck < 0.25) socket.send(Buffer.concat([Uint8Array.of(values.below(8)), values.bytes(30)]));
    else if (luck < 0.45) socket.send(encodeFrame({ type: 'input', bytes: values.bytes(200) }));
    else if (luck < 0.6)
      socket.send(encodeFrame({ type: 'resize', columns: values.below(65_536), rows: values.below(65_536) }));
    else if (luck < 0.7) socket.send(values.bytes(100));
    else if (luck < 0.76) socket.send(values.text());
    else if (luck < 0.8) socket.send(new Uint8Array(FRAME_MAX - 1 + values.below(3)).fill(2));
    else if (luck < 0.9) socket.send(encodeFrame({ type: 'credit', bytes: values.below(2 ** 32) }));
    else if (luck < 0.95) socket.ping(values.bytes(120));
    else {
      below(socket).write(values.bytes(60));
      return true;
    }
    return false;
  }

  #schemaFor(route: Route): number {
    const fitting = this.#fitting.get(route);
    return fitting && this.#values.chance(0.7)
      ? this.#values.one(fitting)
      : this.#values.below(schemas.length);
  }

  #body(schema: number): string | Uint8Array {
    const values = this.#values;
    let value = values.of(schemas[schema] ?? {});
    for (let steps = values.below(3); steps > 0; steps--) value = values.changed(value);
    const text = JSON.stringify(value) ?? '';
    const luck = values.random();
    if (luck < 0.85) return text;
    if (luck < 0.9) return text.slice(0, values.below(text.length + 1));
    if (luck < 0.94) return values.bytes(2_000);
    if (luck < 0.97) return values.one(['[', '{"a":', '"']).repeat(values.below(9_000));
    return text + ' '.repeat(values.below(400_000));
  }

  /** The path with its parameters: of what is this attacker's own, or of anything. */
  #fill(path: string, own: boolean): string {
    const values = this.#values;
    const usual: Record<string, string> = { id: this.#sandbox, name: 'box', terminal: this.#terminal };
    const filled = path.replace(/:(\w+)/g, (_, name: string) => {
      if (own && usual[name]) return usual[name];
      if (!own && name === 'id' && values.chance(0.3)) return this.#victim;
      return encodeURI(values.text().toWellFormed()).replaceAll('/', values.one(['%2f', '/'])) || 'x';
    });
    if (!values.chance(0.3)) return filled;
    const query = Array.from({ length: 1 + values.below(3) }, () => {
      const name = values.one(['path', 'offset', 'as', 'x', '__proto__']);
      return `${name}=${encodeURIComponent((values.chance(0.5) ? '/root' : values.text()).toWellFormed())}`;
    });
    return `${filled}?${query.join('&')}`;
  }

  #spoil({ headers }: Sent): void {
    const values = this.#values;
    const name = values.one(['origin', 'cookie', 'host', 'content-type', 'expect', 'accept']);
    if (values.chance(0.4)) delete headers[name];
    else headers[name] = values.text().replace(/[^ -~]/g, '');
  }

  #plain(method: string, path: string, body?: unknown): Sent {
    const headers: Record<string, string> = {
      host: this.#url.host,
      origin: this.#url.origin,
      cookie: this.#cookie,
    };
    if (body === undefined) return { method, path, headers, body: null };
    return {
      method,
      path,
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    };
  }

  /** One of many, or how often an address may ask would be all that is tested. */
  #address(): string {
    return `127.77.0.${1 + this.#values.below(250)}`;
  }

  #send(sent: Sent): Promise<Answer> {
    const { method, path, headers, body } = sent;
    const what = `${method} ${path.slice(0, 200)} ${String(body).slice(0, 300)}`;
    return new Promise((resolve, reject) => {
      const place = { hostname: this.#url.hostname, port: this.#url.port, localAddress: this.#address() };
      const asked = request({ ...place, method, path, headers, agent: false }, (answer) => {
        const type = answer.headers['content-type'] ?? '';
        const status = answer.statusCode ?? 0;
        let text = '';
        const done = () => {
          clearTimeout(late);
          const given = answer.headers['set-cookie']?.find((one) => one.startsWith('bulkhead='));
          if (given) this.#cookie = given.split(';', 1)[0] ?? '';
          try {
            this.#judge({ status, type, text }, what, method);
            resolve({ status, type, text });
          } catch (error) {
            reject(error);
          }
        };
        answer.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
          if (!type.startsWith('text/event-stream')) return;
          done(); // goes on for ever
          asked.destroy();
        });
        answer.on('end', done).on('error', () => {});
      });
      const late = setTimeout(() => {
        asked.destroy();
        reject(new Finding(`no answer to ${what}`));
      }, PATIENCE_MS);
      asked.on('upgrade', (_answer, socket) => {
        clearTimeout(late);
        socket.destroy();
        resolve({ status: 101, type: '', text: '' });
      });
      asked.on('error', () => {}); // told as its close
      // Without an answer: cut off while it was still sent, as a body that is too long is.
      asked.on('close', () => {
        clearTimeout(late);
        resolve({ status: 0, type: '', text: '' });
      });
      asked.end(body ?? undefined);
    });
  }

  /** The bytes of a request, some of them others, on a connection that is then half closed. */
  async #sendRaw({ method, path, headers, body }: Sent): Promise<void> {
    const values = this.#values;
    if (values.chance(0.3)) headers['content-length'] = `${values.below(50)}`;
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const bytes = Buffer.from(`${method} ${path} HTTP/1.1\r\n${head.join('')}\r\n${body ?? ''}`);
    for (let steps = values.below(6); steps > 0; steps--)
      bytes[values.below(bytes.length)] = values.below(256);
    const socket = createConnection({
      ...{ host: this.#url.hostname, port: Number(this.#url.port), localAddress: this.#address() },
    });
    let said = '';
    socket.on('error', () => {});
    socket.setEncoding('utf8').on('data', (text) => {
      said = (said + text).slice(0, 10_000);
      if (/^HTTP\/1.1 200[\s\S]*event-stream/.test(said)) socket.destroy();
    });
    const late = setTimeout(() => socket.destroy(new Error('late')), PATIENCE_MS);

    socket.end(bytes.subarray(0, values.chance(0.7) ? bytes.length : values.below(bytes.length)));
    await new Promise((resolve) => socket.on('close', resolve));
    clearTimeout(late);
    const status = /^HTTP\/1.1 (\d+)/.exec(said)?.[1];
    if (status === undefined || Number(status) < 400) return;
    this.#judgeStatus(Number(status), `raw ${method} ${path}`);
    this.#judgeText(said, `raw ${method} ${path}`);
  }

  #judge({ status, type, text }: Answer, what: string, method: string): void {
    this.#judgeStatus(status, `${what}: ${text.slice(0, 300)}`);
    if (status >= 400) this.#judgeText(text, what);
    if (status < 400 || method === 'HEAD' || !type.startsWith('application/json')) return;
    const { error } = JSON.parse(text) as { error?: { code?: unknown; message?: unknown } };
    if (typeof error?.code !== 'string' || typeof error.message !== 'string' || error.message === '')
      throw new Finding(`${what} was refused with ${status} and no reason: ${text.slice(0, 200)}`);
  }

  #judgeStatus(status: number, what: string): void {
    if (status >= 500 && !HONEST.has(status)) throw new Finding(`${status}: ${what}`);
  }

  #judgeText(text: string, what: string): void {
    if (INSIDE.test(text) || text.includes(this.#secret))
      throw new Finding(`${what} was told of the inside: ${text.slice(0, 500)}`);
  }
}
