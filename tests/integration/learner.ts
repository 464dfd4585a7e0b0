// A learner's browser without a browser: cookie, API calls, and terminals over WebSocket that check every offset.
import WebSocket from 'ws';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  INPUT_MAX,
  RING_BYTES,
  type TerminalViewer,
} from '../../sandbox-server/src/protocol/frames.ts';
import { patiently } from '../patience.ts';
import { type Answer, ApiUser } from './api-user.ts';
import { Events } from './events.ts';

/** How a viewer comes to a terminal. */
export interface Visit {
  /** To watch or to type; what is usual for whoever it is unless stated. */
  as?: 'watch' | 'type';
  columns?: number;
  rows?: number;
}

export class Learner extends ApiUser {
  readonly #url: string;
  cookie = '';

  private constructor(url: string) {
    super();
    this.#url = url;
  }

  /** A new learner, who has looked at the site and has a cookie. */
  static async arrive(url: string): Promise<Learner> {
    const learner = new Learner(url);
    const response = await fetch(url + apiPaths.status);
    learner.cookie = response.headers.getSetCookie()[0]?.split(';', 1)[0] ?? '';
    return learner;
  }

  async ask(method: string, path: string, body?: unknown): Promise<Answer> {
    const headers: Record<string, string> = { cookie: this.cookie, origin: this.#url };
    if (body !== undefined) headers['content-type'] = 'application/json';
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const init: RequestInit = body === undefined ? { method, headers } : { method, headers, body: text };
    const response = await fetch(this.#url + path, init);
    const answer = await response.text();
    return { status: response.status, body: answer === '' ? null : JSON.parse(answer) };
  }

  follow(id: string): Promise<Events> {
    return Events.follow(this.#url, this.cookie, id);
  }

  /** This browser is an instructor's too from now on. */
  async logIn(login: string, password: string): Promise<void> {
    const response = await fetch(`${this.#url}/api/instructor/login`, {
      method: 'POST',
      headers: { cookie: this.cookie, origin: this.#url, 'content-type': 'application/json' },
      body: JSON.stringify({ login, password }),
    });
    if (!response.ok) throw new Error(`${login} cannot log in: ${await response.text()}`);
    this.cookie += `; ${response.headers.getSetCookie()[0]?.split(';', 1)[0]}`;
  }

  /** A WebSocket to a terminal, with other headers where a test wants them; undefined leaves one out. */
  socket(
    id: string,
    name: string,
    terminal: string,
    other: Record<string, string | undefined> = {},
    as?: Visit['as'],
  ): WebSocket {
    const all = { origin: this.#url, cookie: this.cookie, ...other };
    const headers = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
    const role = as === undefined ? '' : `?as=${as}`;
    const url = this.#url.replace('http', 'ws') + apiPaths.attach(id, name, terminal) + role;
    return new WebSocket(url, { headers: headers as Record<string, string> });
  }

  terminal(id: string, name: string, terminal: string, visit: Visit = {}): RemoteTerminal {
    return new RemoteTerminal(() => this.socket(id, name, terminal, {}, visit.as), visit);
  }
}

/** A terminal as a page holds it: everything printed so far, whatever happened to the connection. */
export class RemoteTerminal {
  readonly #connect: () => WebSocket;
  readonly #wish: { columns: number; rows: number };
  #socket: WebSocket | null = null;
  #pieces: Buffer[] = [];
  #length = 0;
  #inputCredit = 0;
  #unsent: Buffer[] = [];
  #undrawn = 0;
  readonly frames: Frame[] = [];
  /** The close code of the last connection; null while it lives. */
  closed: number | null = null;
  /** What it was closed with in words. */
  reason = '';
  /** How often output was gone before this viewer could have it. */
  losses = 0;
  #fault: Error | null = null;
  #changed: (() => void)[] = [];
  /** Hears what is printed, as it comes. */
  onoutput: (bytes: Uint8Array) => void = () => {};

  constructor(connect: () => WebSocket, { columns = 80, rows = 24 }: Visit = {}) {
    this.#connect = connect;
    this.#wish = { columns, rows };
  }

  /** Attaches (again), asking for what is missing; resolves when the monitor has said WELCOME. */
  async attach(): Promise<void> {
    const socket = this.#connect();
    socket.binaryType = 'nodebuffer';
    this.#socket = socket;
    this.closed = null;
    socket.on('error', () => {}); // told as `closed`
    socket.on('close', (code, reason) => {
      if (this.#socket === socket) {
        this.closed = code;
        this.reason = reason.toString();
      }
      this.#tell();
    });
    socket.on('message', (data) => this.#receive(decodeFrame(new Uint8Array(data as Buffer))));
    socket.on('open', () =>
      this.#send({
        type: 'attach',
        version: 1,
        offset: this.#length,
        credit: RING_BYTES,
        ...this.#wish,
      }),
    );
    const before = this.frames.length;
    await this.#when(
      () => this.frames.slice(before).some(({ type }) => type === 'welcome') || this.closed !== null,
      patiently(20_000),
      'WELCOME',
    );
    if (this.closed !== null) throw new Error(`the terminal was closed with ${this.closed}`);
  }

  /** Drops the connection as a train in a tunnel does. */
  drop(): void {
    this.#socket?.terminate();
    this.#socket = null;
  }

  type(input: string | Uint8Array): void {
    this.#unsent.push(Buffer.from(input as string));
    this.#sendInput();
  }

  /** Types regardless of what may be typed, as no page does. */
  force(text: string): void {
    this.#send({ type: 'input', bytes: Buffer.from(text) });
  }

  resize(columns: number, rows: number): void {
    this.#send({ type: 'resize', columns, rows });
  }

  /** Who has the terminal open, as it was told last. */
  get company(): readonly TerminalViewer[] {
    const last = this.frames.findLast((frame) => frame.type === 'viewers');
    return last?.type === 'viewers' ? last.viewers : [];
  }

  /** The size in force, as it was told last. */
  get size(): string {
    const told = this.frames.findLast((frame) => frame.type === 'welcome' || frame.type === 'size');
    return told?.type === 'welcome' || told?.type === 'size' ? `${told.columns}x${told.rows}` : '';
  }

  /** Everything printed so far. */
  get output(): Buffer {
    const all = Buffer.concat(this.#pieces);
    this.#pieces = [all];
    return all;
  }

  get length(): number {
    return this.#length;
  }

  get text(): string {
    return this.output.toString();
  }

  /** Waits until the output matches; returns the match. */
  async see(pattern: RegExp, limitMs = patiently(30_000)): Promise<RegExpExecArray> {
    let found: RegExpExecArray | null = null;
    await this.#when(
      () => {
        found = pattern.exec(this.text);
        return found !== null || this.closed !== null;
      },
      limitMs,
      String(pattern),
    );
    if (!found)
      throw new Error(`closed with ${this.closed} before ${pattern}; seen: ${this.text.slice(-500)}`);
    return found;
  }

  /** Waits until this many bytes were printed. */
  async seeBytes(count: number, limitMs: number): Promise<void> {
    await this.#when(() => this.#length >= count || this.closed !== null, limitMs, `${count} bytes`);
  }

  /** Runs a command and gives what it printed, without the command line. */
  async run(command: string, limitMs = patiently(30_000)): Promise<string> {
    const mark = `m${Math.random().toString(36).slice(2, 10)}`;
    // In two halves, so that the marks stand whole only in the output, not where the line is echoed.
    const half = `${mark.slice(0, 4)}''${mark.slice(4)}`;
    const end = command.endsWith('&') ? '' : ';'; // after &, a shell wants no other end of a command
    this.type(`echo ${half}a; ${command}${end} echo ${half}z\n`);
    const [, printed = ''] = await this.see(new RegExp(`${mark}a\\r?\\n([\\s\\S]*?)${mark}z`), limitMs);
    return printed.replaceAll('\r\n', '\n').trim();
  }

  #receive(frame: Frame): void {
    this.frames.push(frame.type === 'output' ? { ...frame, bytes: new Uint8Array(0) } : frame);
    if (frame.type === 'welcome') {
      this.#inputCredit = frame.inputCredit;
      if (frame.lost) this.#lose(frame.start);
      else this.#expectOffset(frame.start);
    } else if (frame.type === 'inputCredit') {
      this.#inputCredit += frame.bytes;
    } else if (frame.type === 'output') {
      this.#expectOffset(frame.offset);
      this.#pieces.push(Buffer.from(frame.bytes));
      this.onoutput(frame.bytes);
      this.#length += frame.bytes.length;
      this.#undrawn += frame.bytes.length;
      if (this.#undrawn >= RING_BYTES / 4) {
        this.#send({ type: 'credit', bytes: this.#undrawn });
        this.#undrawn = 0;
      }
    }
    this.#sendInput();
    this.#tell();
  }

  #expectOffset(offset: number): void {
    if (offset !== this.#length) this.#fault ??= new Error(`${offset} was sent, ${this.#length} is next`);
  }

  /** As a page does: what was on the screen goes, and it begins again at `start`. */
  #lose(start: number): void {
    this.losses++;
    this.#pieces = [];
    this.#length = start;
  }

  #sendInput(): void {
    for (let next = this.#unsent[0]; next && this.#inputCredit > 0; next = this.#unsent[0]) {
      const bytes = next.subarray(0, Math.min(this.#inputCredit, INPUT_MAX));
      this.#inputCredit -= bytes.length;
      this.#send({ type: 'input', bytes });
      if (bytes.length === next.length) this.#unsent.shift();
      else this.#unsent[0] = next.subarray(bytes.length);
    }
  }

  #send(frame: Frame): void {
    this.#socket?.send(encodeFrame(frame));
  }

  #tell(): void {
    for (const changed of this.#changed.splice(0)) changed();
  }

  async #when(so: () => boolean, limitMs: number, what: string): Promise<void> {
    const end = performance.now() + limitMs;
    while (!so()) {
      if (this.#fault) throw this.#fault;
      const left = end - performance.now();
      if (left <= 0) throw new Error(`no ${what} within ${limitMs} ms; seen: ${this.text.slice(-500)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#changed.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }
}
