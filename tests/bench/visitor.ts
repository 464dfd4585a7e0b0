// A learner as the server sees one from outside: connections of its own, a page with all that it loads, sandboxes, events,
// and terminals of which nothing is kept but how far they have come. Light enough for hundreds in one process.
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import WebSocket from 'ws';
import { apiPaths, attachClose } from '../../sandbox-server/src/protocol/addresses.ts';
import {
  type CreateSandbox,
  type Sandbox,
  type SandboxEvent,
  sandboxSchema,
} from '../../sandbox-server/src/protocol/api.ts';
import { decodeFrame, encodeFrame, INPUT_MAX, RING_BYTES } from '../../sandbox-server/src/protocol/frames.ts';
import type { OpenTerminal } from './typing.ts';

/** As a page does, which waits longer each time. */
const COMEBACKS = 5;
const COME_BACK_MS = 1_000;
/** As many as browsers open to one server. */
const CONNECTIONS = 6;

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

export class Visitor {
  readonly url: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  cookie = '';

  constructor(url: string) {
    this.url = url;
  }

  ask(method: string, path: string, body?: unknown): Promise<Answer> {
    const headers: Record<string, string> = { origin: this.url };
    if (this.cookie) headers.cookie = this.cookie;
    if (body !== undefined) headers['content-type'] = 'application/json';
    return new Promise((resolve, reject) => {
      const asked = request(this.url + path, { method, headers, agent: this.#agent }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
        });
        answer.on('error', reject).on('end', () => {
          const given = answer.headers['set-cookie']?.[0]?.split(';', 1)[0];
          if (given) this.cookie = given;
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text });
        });
      });
      asked.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** Loads a page and what it names of this site, as a browser with an empty cache; then has a cookie. */
  async load(path: string): Promise<void> {
    const page = await this.#expect('GET', path, 200);
    const named = [...page.body.matchAll(/(?:src|href)="(\/[^"]+\.\w+)"/g)].map(([, file = '']) => file);
    await Promise.all([...new Set(named)].map((file) => this.#expect('GET', file, 200)));
    await this.#expect('GET', apiPaths.status, 200);
  }

  async create(machines: CreateSandbox['machines']): Promise<Sandbox> {
    const { body } = await this.#expect('POST', apiPaths.sandboxes, 201, { machines });
    return sandboxSchema.parse(JSON.parse(body));
  }

  async end(id: string): Promise<void> {
    await this.#expect('DELETE', apiPaths.sandbox(id), 204);
  }

  /** Follows the events of a sandbox, as its page does, until `stop` is called or the sandbox ends. */
  follow(id: string, each: (event: SandboxEvent) => void, ended: (why: string) => void): { stop(): void } {
    const headers = { cookie: this.cookie };
    const asked = request(this.url + apiPaths.events(id), { headers, agent: false }, (answer) => {
      if (answer.statusCode !== 200) ended(`the events of a sandbox: ${answer.statusCode}`);
      let text = '';
      answer.setEncoding('utf8').on('data', (piece: string) => {
        const parts = (text + piece).split('\n\n');
        text = parts.pop() ?? '';
        for (const part of parts) {
          const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(part) ?? [];
          if (event && data) each({ event, data: JSON.parse(data) } as SandboxEvent);
        }
      });
      answer.on('error', () => {}).on('close', () => ended('the events of a sandbox ended'));
    });
    asked.on('error', (error) => ended(error.message)).end();
    return { stop: () => asked.destroy() };
  }

  terminal(id: string, machine: string, terminal: string): VisitedTerminal {
    const url = this.url.replace('http', 'ws') + apiPaths.attach(id, machine, terminal);
    return new VisitedTerminal(url, { origin: this.url, cookie: this.cookie });
  }

  leave(): void {
    this.#agent.destroy();
  }

  async #expect(method: string, path: string, status: number, body?: unknown): Promise<Answer> {
    const answer = await this.ask(method, path, body);
    if (answer.status === status) return answer;
    throw new Error(`${method} ${path}: ${answer.status} ${answer.body.slice(0, 200)}`);
  }
}

/** A terminal through the server. Keeps none of its output, and checks that none is missing. */
export class VisitedTerminal implements OpenTerminal {
  readonly #url: string;
  readonly #headers: Record<string, string>;
  #socket: WebSocket | null = null;
  /** Bytes that were printed so far. */
  offset = 0;
  /** How often output had left the ring before this viewer could have it. */
  losses = 0;
  /** How often it was out of reach, and came back by itself. */
  comebacks = 0;
  #undrawn = 0;
  #inputCredit = 0;
  #unsent: Buffer = Buffer.alloc(0);
  onOutput: (bytes: Uint8Array) => void = () => {};
  /** Told when the connection ends although nobody asked for it, and when output is missing. */
  onFault: (why: string) => void = (why) => {
    throw new Error(why);
  };

  constructor(url: string, headers: Record<string, string>) {
    this.#url = url;
    this.#headers = headers;
  }

  /** Attaches (again); resolves when the monitor has said WELCOME. Comes back by itself where a page does: when the server
   * says that the terminal cannot be reached now. */
  async attach(): Promise<void> {
    for (let tries = 1; ; tries++) {
      const why = await this.#attachOnce();
      if (why === null) return;
      if (tries > COMEBACKS || !why.lost) {
        this.onFault(why.text);
        throw new Error(why.text);
      }
      this.comebacks++;
      await new Promise((resolve) => setTimeout(resolve, COME_BACK_MS));
    }
  }

  /** Resolves to null when it is attached, or to why it is not. */
  #attachOnce(): Promise<{ text: string; lost: boolean } | null> {
    const socket = new WebSocket(this.#url, { headers: this.#headers, perMessageDeflate: false });
    this.#socket = socket;
    const hello = { version: 1, offset: this.offset, credit: RING_BYTES, columns: 80, rows: 24 };
    socket.on('open', () => socket.send(encodeFrame({ type: 'attach', ...hello })));
    return new Promise((resolve, reject) => {
      let attached = false;
      socket.on('error', (error) => reject(error));
      socket.on('close', (code, reason) => {
        if (this.#socket !== socket) return;
        const why = { text: `a terminal was closed with ${code} ${reason}`, lost: code === attachClose.lost };
        this.#socket = null;
        if (!attached) return resolve(why);
        if (!why.lost) return this.onFault(why.text);
        this.comebacks++;
        this.attach().catch(() => {}); // it has told onFault
      });
      socket.on('message', (data) =>
        this.#receive(data as Buffer, () => {
          attached = true;
          resolve(null);
        }),
      );
    });
  }

  type(text: string): void {
    this.#unsent = Buffer.concat([this.#unsent, Buffer.from(text)]);
    this.#sendInput();
  }

  /** Drops the connection as a train in a tunnel does; `attach` goes on. */
  drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.terminate();
  }

  close(): void {
    this.drop();
  }

  #receive(data: Buffer, welcome: () => void): void {
    const frame = decodeFrame(data);
    if (frame.type === 'output') {
      if (frame.offset !== this.offset) this.onFault(`byte ${frame.offset} came, ${this.offset} is next`);
      this.offset = frame.offset + frame.bytes.length;
      this.#draw(frame.bytes);
    } else if (frame.type === 'welcome') {
      if (frame.lost) this.losses++;
      this.offset = frame.start;
      this.#inputCredit = frame.inputCredit;
      this.#sendInput();
      welcome();
    } else if (frame.type === 'inputCredit') {
      this.#inputCredit += frame.bytes;
      this.#sendInput();
    }
  }

  #draw(bytes: Uint8Array): void {
    this.#undrawn += bytes.length;
    if (this.#undrawn >= RING_BYTES / 4) {
      this.#socket?.send(encodeFrame({ type: 'credit', bytes: this.#undrawn }));
      this.#undrawn = 0;
    }
    this.onOutput(bytes);
  }

  #sendInput(): void {
    while (this.#unsent.length > 0 && this.#inputCredit > 0 && this.#socket) {
      const bytes = this.#unsent.subarray(0, Math.min(this.#inputCredit, INPUT_MAX));
      this.#unsent = this.#unsent.subarray(bytes.length);
      this.#inputCredit -= bytes.length;
      this.#socket.send(encodeFrame({ type: 'input', bytes }));
    }
  }
}
