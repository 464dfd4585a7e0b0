// A whole stack of its own for a test: the real broker and the real server on a state directory, a control group and a
// port that nobody else uses. Everything ends with `stop`, or when the test's process dies.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { serverCommand } from '../../scripts/services.ts';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const ROOT = join(import.meta.dirname, '../..');
export const PROGRAMS = process.env.BULKHEAD_PROGRAMS ?? join(ROOT, 'native/build');
export const IMAGES = process.env.BULKHEAD_IMAGES ?? '/var/lib/bulkhead/images';
/** A user and group that own nothing on any machine, so that what the server may do is what anybody may do. */
const SERVER_ID = 61_999;
const START_LIMIT_MS = patiently(60_000);

export interface StackOptions {
  /** Further options of the server, such as --idle. */
  server?: readonly string[];
  /** Further options of the broker, such as --nesting. */
  broker?: readonly string[];
  /** Directory of the programs to start with; the built ones unless stated. */
  programs?: string;
  /** Options of the server's Node, such as --inspect. */
  node?: readonly string[];
  /** Directory of the site; the built one unless stated. */
  site?: string;
  /** Directory of the images; all of them unless stated. */
  images?: string;
}

/** A new directory of images from which containers can be made, and no VMs. The caller removes it. */
export function containerImages(): string {
  const directory = temporaryFolder('images');
  chmodSync(directory, 0o755);
  symlinkSync(join(IMAGES, 'base'), join(directory, 'base'));
  return directory;
}

/** Starts broker and server and waits until sandboxes can be made. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const stack = new Stack(options, await freePort());
  try {
    await stack.startBroker();
    await stack.startServer();
  } catch (error) {
    await stack.stop();
    throw error;
  }
  return stack;
}

export class Stack {
  readonly url: string;
  /** The broker's state directory. */
  readonly state: string;
  /** Name of the control group above all machines. */
  readonly cgroup: string;
  /** Directory of the broker's programs; another one from the next start on is an upgrade in place. */
  programs = PROGRAMS;
  readonly #options: StackOptions;
  readonly #port: number;
  #broker: ChildProcess | null = null;
  #server: ChildProcess | null = null;
  #said = '';

  constructor(options: StackOptions, port: number) {
    this.#options = options;
    this.#port = port;
    if (options.programs !== undefined) this.programs = options.programs;
    this.url = `http://127.0.0.1:${port}`;
    this.state = temporaryFolder('stack');
    this.cgroup = `bulkhead-test-${this.state.slice(-6)}`;
    chmodSync(this.state, 0o755); // the server passes through it to the sockets
    for (const name of ['server', 'app']) mkdirSync(join(this.state, name));
    chownSync(join(this.state, 'server'), SERVER_ID, SERVER_ID);
  }

  get brokerPid(): number {
    return this.#broker?.pid ?? 0;
  }

  get serverPid(): number {
    return this.#server?.pid ?? 0;
  }

  /** What broker and server wrote on standard error, the last 64 KiB of it. */
  get said(): string {
    return this.#said;
  }

  /** What helps to see why a test failed: what the services said, and the last words of each VM that is there. */
  report(): string {
    const machines = join(this.state, 'run/machines');
    const consoles = existsSync(machines)
      ? readdirSync(machines).map((id) => join(machines, id, 'console.log'))
      : [];
    const words = consoles
      .filter((path) => existsSync(path))
      .map((path) => `${path}:\n${readFileSync(path, 'utf8').slice(-2_000)}`);
    return [`broker and server:\n${this.#said.slice(-8_000)}`, ...words].join('\n');
  }

  async startBroker(): Promise<void> {
    const images = this.#options.images ?? IMAGES;
    const args = ['--state', this.state, '--images', images];
    args.push('--programs', this.programs, '--cgroup', this.cgroup);
    args.push(
      '--allow-uid',
      `${SERVER_ID}`,
      '--server-gid',
      `${SERVER_ID}`,
      '--accel',
      'tcg',
      '--stop-on-eof',
    );
    args.push(...(this.#options.broker ?? []));
    this.#broker = this.#start(join(this.programs, 'bulkheadd'), args);
    const socket = join(this.state, 'run/control.sock');
    await this.#until(this.#broker, () => existsSync(socket), 'the broker does not listen');
  }

  /** As `npm start` does it. */
  async startServer(): Promise<void> {
    const app = join(this.state, 'app');
    const flags = ['--port', `${this.#port}`, '--state', join(this.state, 'server'), '--log-level', 'info'];
    flags.push('--broker', join(this.state, 'run/control.sock'), '--stop-on-eof');
    flags.push('--site', this.#options.site ?? join(app, 'site/dist'));
    // What is on the host shall be what the test asked for.
    flags.push('--pool', '0', '--pool-vms', '0', ...(this.#options.server ?? []));
    const [program, args] = serverCommand(app, `${SERVER_ID}`, flags);
    this.#server = this.#start(program, args, { NODE_OPTIONS: (this.#options.node ?? []).join(' ') });
    await this.#until(this.#server, () => this.#isReady(), 'the server does not answer');
  }

  /** Ends the server without a chance to say anything: SIGKILL. */
  async killServer(): Promise<void> {
    await kill(this.#server);
  }

  /** Ends the broker the same way; machines live on. */
  async killBroker(): Promise<void> {
    await kill(this.#broker);
  }

  /** Ends the server, then the broker with every machine, and removes the state directory. */
  async stop(): Promise<void> {
    await stopped(this.#server);
    // A broker that is dead has machines that only a broker can end.
    if (this.#broker && hasEnded(this.#broker)) await this.startBroker();
    await stopped(this.#broker);
    rmSync(this.state, { recursive: true, force: true });
  }

  async #isReady(): Promise<boolean> {
    try {
      const response = await fetch(`${this.url}/api/status`, { signal: AbortSignal.timeout(2_000) });
      const status = (await response.json()) as { host: unknown };
      return status.host !== null;
    } catch {
      return false; // not listening yet
    }
  }

  #start(program: string, args: readonly string[], more: Record<string, string> = {}): ChildProcess {
    const env = { PATH: process.env.PATH, ...more };
    const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'pipe'], env });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-65_536);
    });
    child.on('error', (error) => {
      this.#said += `cannot start ${program}: ${error.message}\n`;
    });
    child.stdin?.on('error', () => {}); // it died first; whoever waits for it sees that
    return child;
  }

  async #until(child: ChildProcess, ready: () => boolean | Promise<boolean>, what: string): Promise<void> {
    const end = performance.now() + START_LIMIT_MS;
    while (!(await ready())) {
      if (hasEnded(child) || child.pid === undefined || performance.now() > end) {
        throw new Error(`${what}; what was said:\n${this.#said}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function kill(child: ChildProcess | null): Promise<void> {
  if (!child || hasEnded(child)) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

async function stopped(child: ChildProcess | null): Promise<void> {
  if (!child || child.pid === undefined || hasEnded(child)) return;
  const exit = once(child, 'exit');
  child.stdin?.end();
  await exit;
}

/** Below what Linux gives to outgoing connections (ip_local_port_range), or one of those might have a server's port just when
 * that is started again. */
const PORTS = { first: 15_000, count: 8_000 };

/** A port of this machine's own address that nobody listens on now, nor on the one after it, where previews are served. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = PORTS.first + 2 * Math.floor(Math.random() * PORTS.count);
    if ((await isFree(port)) && (await isFree(port + 1))) return port;
  }
  throw new Error(`no port from ${PORTS.first} on is free`);
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  const listens = new Promise<boolean>((resolve) => {
    probe.on('listening', () => resolve(true)).on('error', () => resolve(false));
  });
  probe.listen(port, '127.0.0.1');
  const free = await listens;
  if (free) {
    probe.close();
    await once(probe, 'close');
  }
  return free;
}
