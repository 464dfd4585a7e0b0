// Starts real brokers, each with a state directory and a cgroup of its own, and talks to them.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { BrokerClient } from '../../sandbox-server/src/broker/client.ts';
import { connectUnix } from '../../sandbox-server/src/broker/streams.ts';
import type {
  BrokerEvent,
  BrokerMethod,
  BrokerParams,
  BrokerResult,
} from '../../sandbox-server/src/protocol/broker.ts';
import type { ByteDuplex } from '../../sandbox-server/src/protocol/bytes.ts';
import { LINE_MAX, LineSplitter } from '../../sandbox-server/src/protocol/lines.ts';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { type Census, census } from './census.ts';
import { Viewer, type ViewerOptions } from './monitor.ts';

const PROGRAMS = process.env.BULKHEAD_PROGRAMS ?? join(import.meta.dirname, '../../native/build');
export const IMAGES = process.env.BULKHEAD_IMAGES ?? '/var/lib/bulkhead/images';

/** A user that is neither root nor the server, in the server's group: its peer credentials alone are against it. */
export const SERVER_UID = 64_001;
export const SERVER_GID = 64_001;
/** Far above the ranges that `npm start` and other tests use. */
const ID_BASE = 0xd000_0000;

export const MIB = 1024 * 1024;
export const LIMITS = { memory_bytes: 128 * MIB, pids: 64, cpu_millis: 1000, disk_bytes: 32 * MIB };

/** One control connection. */
export class Control {
  readonly events: BrokerEvent[] = [];
  readonly #client: BrokerClient;
  readonly #stream: ByteDuplex;
  readonly #checks = new Set<() => void>();

  private constructor(stream: ByteDuplex) {
    const lines = new LineSplitter(LINE_MAX);
    this.#stream = stream;
    this.#client = new BrokerClient((line) => stream.write(new TextEncoder().encode(`${line}\n`)));
    this.#client.events.add((event) => {
      this.events.push(event);
      for (const check of [...this.#checks]) check();
    });
    stream.open({
      data: (bytes) => lines.push(bytes, (line) => this.#client.receive(line)),
      closed: (reason) => this.#client.end(reason),
    });
  }

  static async connect(path: string): Promise<Control> {
    return new Control(await connectUnix(path, 'the broker'));
  }

  request<M extends BrokerMethod>(method: M, params: BrokerParams<M>): Promise<BrokerResult<M>> {
    return this.#client.request(method, params, { timeoutMs: patiently(60_000) });
  }

  /** Resolves with the first event that `matches`, past or future. */
  event(matches: (event: BrokerEvent) => boolean): Promise<BrokerEvent> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`no such event; seen: ${JSON.stringify(this.events)}`)),
        patiently(20_000),
      );
      const check = () => {
        const found = this.events.find(matches);
        if (!found) return;
        clearTimeout(late);
        this.#checks.delete(check);
        resolve(found);
      };
      this.#checks.add(check);
      check();
    });
  }

  close(): void {
    this.#stream.close('the test is done');
  }
}

/** What is around a broker that starts where something is wrong. */
export interface Surroundings {
  /** Does something to its state directory before it starts. */
  prepare(state: string): void;
  /** Shell text that is run in a mount namespace of its own. */
  mounts: string;
}

/** A broker in a state directory and a cgroup of its own. */
export class TestBroker {
  readonly state = temporaryFolder('broker');
  readonly cgroup = `bulkhead-h3-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  readonly socket = join(this.state, 'run/control.sock');
  readonly #options: string[];
  readonly #around: Surroundings | null;
  readonly #viewers: Viewer[] = [];
  #process: ChildProcess | null = null;
  #log = '';
  #control: Control | null = null;

  private constructor(options: string[], around: Surroundings | null) {
    this.#options = options;
    this.#around = around;
    around?.prepare(this.state);
  }

  static async start(options: string[] = [], around: Surroundings | null = null): Promise<TestBroker> {
    const broker = new TestBroker(options, around);
    await broker.start();
    return broker;
  }

  arguments(): string[] {
    return [
      ...['--state', this.state, '--images', IMAGES, '--programs', PROGRAMS, '--cgroup', this.cgroup],
      ...['--allow-uid', `${SERVER_UID}`, '--server-gid', `${SERVER_GID}`, '--id-base', `${ID_BASE}`],
      ...['--accel', 'tcg', '--stop-on-eof', ...this.#options],
    ];
  }

  /** Starts it (again) and connects. */
  async start(): Promise<void> {
    const program = join(PROGRAMS, 'bulkheadd');
    const script = `${this.#around?.mounts}\nexec "$0" "$@"`;
    const apart = ['--mount', '--propagation', 'private', 'sh', '-ec', script, program];
    const child = this.#around
      ? spawn('unshare', [...apart, ...this.arguments()], { stdio: ['pipe', 'inherit', 'pipe'] })
      : spawn(program, this.arguments(), { stdio: ['pipe', 'inherit', 'pipe'] });
    this.#process = child;
    await new Promise<void>((resolve, reject) => {
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        this.#log += text;
        if (text.includes('ready: ')) resolve();
      });
      child.once('exit', () => reject(new Error(`the broker ended: ${this.#log}`)));
    });
    this.#control = await Control.connect(this.socket);
    await this.control.request('subscribe', {});
  }

  get control(): Control {
    if (!this.#control) throw new Error('the broker is not running');
    return this.#control;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get log(): string {
    return this.#log;
  }

  async create(
    machine: string,
    more: Partial<BrokerParams<'container.create'>> = {},
  ): Promise<BrokerResult<'container.create'>> {
    return this.control.request('container.create', {
      machine,
      image: 'base',
      profile: 'hardened',
      hostname: machine,
      limits: LIMITS,
      labels: {},
      ...more,
    });
  }

  exec(
    machine: string,
    command: string[],
    more: Partial<BrokerParams<'exec'>> = {},
  ): Promise<BrokerResult<'exec'>> {
    const limits = { timeout_ms: 30_000, max_output_bytes: 65_536 };
    return this.control.request('exec', { machine, command, ...limits, ...more });
  }

  /** Standard output of a shell command in a machine. */
  async shell(machine: string, command: string): Promise<string> {
    const { stdout, stderr } = await this.exec(machine, ['/bin/sh', '-c', command]);
    return `${stdout}${stderr}`.trim();
  }

  async open(machine: string, command?: string[]): Promise<string> {
    const params = { machine, columns: 80, rows: 24 };
    const { terminal } = await this.control.request(
      'terminal.open',
      command ? { ...params, command } : params,
    );
    return terminal;
  }

  async attach(machine: string, terminal: string, options: ViewerOptions = {}): Promise<Viewer> {
    const viewer = new Viewer(
      join(this.state, 'run/machines', machine, 'terminals', `${terminal}.sock`),
      options,
    );
    this.#viewers.push(viewer);
    await viewer.until(() => viewer.welcomes.length > 0);
    return viewer;
  }

  census(): Census {
    return census(this.state, this.cgroup);
  }

  /** As power loss is to it: nothing of its own is run any more. */
  async kill(): Promise<void> {
    await this.#ended((child) => child.kill('SIGKILL'));
  }

  /** The graceful end, of every machine as well. Resolves with its exit status. */
  async stop(how: 'eof' | NodeJS.Signals = 'eof'): Promise<number | null> {
    for (const viewer of this.#viewers) viewer.close();
    return this.#ended((child) => (how === 'eof' ? child.stdin?.end() : child.kill(how)));
  }

  /** Ends it if it runs, and removes its state directory. */
  async dispose(): Promise<void> {
    if (this.#process === null) await this.start();
    await this.stop();
    rmSync(this.state, { recursive: true });
  }

  async #ended(end: (child: ChildProcess) => void): Promise<number | null> {
    const child = this.#process;
    if (!child) return null;
    this.#control?.close();
    this.#control = null;
    this.#process = null;
    const ended = once(child, 'exit');
    end(child);
    const [status] = await ended;
    return status;
  }
}
