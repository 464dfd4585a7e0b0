// Starts real monitors in a directory of their own, and looks at them as viewers do.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import {
  ATTACH_VERSION,
  decodeFrame,
  encodeFrame,
  type Frame,
  FrameSplitter,
  prefixFrame,
  RING_BYTES,
} from '../../sandbox-server/src/protocol/frames.ts';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const programs = process.env.BULKHEAD_PROGRAMS ?? join(import.meta.dirname, '../../native/build');
const program = join(programs, 'bulkhead-monitor');

type FrameOf<Type extends Frame['type']> = Extract<Frame, { type: Type }>;

export interface MonitorOptions {
  /** What runs on the terminal; `dir` is the monitor's own directory. */
  command: (dir: string) => string[];
  /** Further options of the monitor's, such as --uid. */
  extra?: (dir: string) => string[];
  /** Start it from a shell in a process group of its own, which stands for the broker. */
  throughShell?: boolean;
}

export interface MonitorStatus {
  pid?: number;
  monitor?: number;
  error?: string;
}

/** A monitor that runs, with the directory that holds its socket. */
export class Monitor {
  readonly dir = temporaryFolder('monitor');
  readonly socket = join(this.dir, 't.sock');
  /** The monitor, or the shell that started it. */
  readonly process: ChildProcess;
  /** What it wrote to its status descriptor, once that is closed. */
  readonly status: Promise<MonitorStatus>;
  readonly #viewers: Viewer[] = [];

  private constructor(options: MonitorOptions) {
    const { command, extra = () => [], throughShell = false } = options;
    const owner = ['--socket-uid', `${process.getuid?.()}`, '--socket-gid', `${process.getgid?.()}`];
    const args = ['--socket', this.socket, ...owner, '--columns', '80', '--rows', '24', '--status-fd', '3'];
    const line = [program, ...args, ...extra(this.dir), '--', ...command(this.dir)];
    if (throughShell) line.unshift('sh', '-c', '"$@" & exec 3>&-; wait', 'sh');
    this.process = spawn(line[0] ?? '', line.slice(1), {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
      env: { PATH: process.env.PATH, TERM: 'xterm-256color', PS1: '$ ' },
      cwd: this.dir,
      detached: throughShell,
    });
    this.status = new Promise((resolve, reject) => {
      let text = '';
      this.process.on('error', reject);
      this.process.stdio[3]?.on('data', (bytes) => {
        text += bytes;
      });
      this.process.stdio[3]?.on('end', () => resolve(JSON.parse(text || '{"error":"it said nothing"}')));
    });
  }

  /** Starts one and waits until it accepts viewers. Throws what it complains about. */
  static async start(options: MonitorOptions): Promise<Monitor> {
    const monitor = new Monitor(options);
    const { error } = await monitor.status;
    if (error === undefined) return monitor;
    await monitor.end();
    throw new Error(error);
  }

  /** The lines of the file beside the socket. */
  statusFile(): unknown[] {
    const lines = readFileSync(`${this.socket}.status`, 'utf8').trim().split('\n');
    return lines.map((line) => JSON.parse(line));
  }

  async attach(options: ViewerOptions = {}): Promise<Viewer> {
    const viewer = new Viewer(this.socket, options);
    this.#viewers.push(viewer);
    await viewer.until(() => viewer.welcomes.length > 0);
    return viewer;
  }

  async end(): Promise<void> {
    for (const viewer of this.#viewers) viewer.close();
    const { monitor } = await this.status;
    if (monitor !== undefined && runs(monitor)) process.kill(monitor, 'SIGTERM');
    while (monitor !== undefined && runs(monitor)) await new Promise((resolve) => setTimeout(resolve, 5));
    rmSync(this.dir, { recursive: true });
  }
}

/** Whether a process runs (a zombie does not). */
export function runs(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

export interface ViewerOptions {
  mayType?: boolean;
  offset?: number;
  credit?: number;
  columns?: number;
  rows?: number;
  /** Whether it grants credit for what it has received, as one that draws does. */
  grants?: boolean;
}

/** A viewer that checks every offset as it goes. */
export class Viewer {
  readonly welcomes: FrameOf<'welcome'>[] = [];
  readonly sizes: FrameOf<'size'>[] = [];
  exit: FrameOf<'exit'> | null = null;
  closed = false;
  /** Bytes that were announced as lost, over its life. */
  lost = 0;
  /** The number of bytes it has: what it would attach with again. */
  offset: number;
  readonly #chunks: Uint8Array[] = [];
  #snapshot: Uint8Array[] = [];
  readonly #socket: Socket;
  readonly #grants: boolean;
  #inputCredit = 0;
  #waiting: Buffer = Buffer.alloc(0);
  readonly #checks = new Set<() => void>();

  constructor(path: string, options: ViewerOptions) {
    const { mayType = true, offset = 0, credit = RING_BYTES, columns = 0, rows = 0, grants = true } = options;
    this.offset = offset;
    this.#grants = grants;
    this.#socket = connect(path);
    const splitter = new FrameSplitter();
    this.#socket.on('data', (bytes) => {
      splitter.push(bytes, (frame) => this.#take(decodeFrame(frame)));
      this.#check();
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.closed = true;
      this.#check();
    });
    this.send({ type: 'role', mayType });
    this.send({ type: 'attach', version: ATTACH_VERSION, offset, credit, columns, rows });
  }

  /** Everything received. */
  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** What the last WELCOME that told of lost output was followed by. */
  snapshot(): Buffer {
    return Buffer.concat(this.#snapshot);
  }

  text(): string {
    return this.bytes().toString('utf8');
  }

  send(frame: Frame): void {
    this.#socket.write(prefixFrame(encodeFrame(frame)));
  }

  /** Bytes as they are, for what no honest viewer sends. */
  sendRaw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Types, in pieces no larger than the credit allows. */
  type(input: string | Buffer): void {
    this.#waiting = Buffer.concat([this.#waiting, Buffer.from(input)]);
    this.#typeWhatMayBe();
  }

  resize(columns: number, rows: number): void {
    this.send({ type: 'resize', columns, rows });
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Resolves once `holds` does; it is asked again whenever something arrived. */
  until(holds: () => boolean, limit = patiently(20_000)): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#checks.delete(check);
        reject(
          new Error(
            `waited in vain; the end of what was received: ${JSON.stringify(this.text().slice(-500))}`,
          ),
        );
      }, limit);
      const check = () => {
        if (!holds()) return;
        clearTimeout(late);
        this.#checks.delete(check);
        resolve();
      };
      this.#checks.add(check);
      check();
    });
  }

  untilText(text: string): Promise<void> {
    return this.until(() => this.text().includes(text));
  }

  #check(): void {
    for (const check of [...this.#checks]) check();
  }

  #typeWhatMayBe(): void {
    while (this.#waiting.length > 0 && this.#inputCredit > 0) {
      const piece = this.#waiting.subarray(0, Math.min(this.#inputCredit, 32_768));
      this.#waiting = this.#waiting.subarray(piece.length);
      this.#inputCredit -= piece.length;
      this.send({ type: 'input', bytes: piece });
    }
  }

  #take(frame: Frame): void {
    switch (frame.type) {
      case 'welcome':
        this.welcomes.push(frame);
        this.#snapshot = [];
        this.lost += frame.start - this.offset;
        this.offset = frame.start;
        this.#inputCredit += frame.inputCredit;
        this.#typeWhatMayBe();
        break;
      case 'output':
        if (frame.offset !== this.offset) throw new Error(`byte ${frame.offset} came after ${this.offset}`);
        this.offset += frame.bytes.length;
        this.#chunks.push(frame.bytes.slice());
        if (this.#grants) this.send({ type: 'credit', bytes: frame.bytes.length });
        break;
      case 'snapshot':
        this.#snapshot.push(frame.bytes.slice());
        break;
      case 'inputCredit':
        this.#inputCredit += frame.bytes;
        this.#typeWhatMayBe();
        break;
      case 'size':
        this.sizes.push(frame);
        break;
      case 'exit':
        this.exit = frame;
        break;
      default:
        throw new Error(`a monitor does not send ${frame.type}`);
    }
  }
}
