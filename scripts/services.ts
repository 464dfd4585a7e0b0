// Starting, watching and ending the two services: the broker (root) and the server (an unprivileged user that sees the
// project read-only).
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Options, readFile } from './options.ts';
import { run, start } from './privilege.ts';
import { PlainError } from './progress.ts';
import { PROGRAMS, ROOT, SERVER_USER } from './setup.ts';

/** Throws PlainError when `port` cannot be listened on at `address`. */
export const checkPort = (address: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const why: Record<string, string> = {
        EADDRINUSE: `port ${port} is in use at ${address}; end what uses it (ss -ltnp 'sport = :${port}' names it), or choose another: npm start -- --port ${port + 1}`,
        EADDRNOTAVAIL: `${address} is not an address of this machine; see \`ip addr\`, or leave --address out`,
        EACCES: `port ${port} needs root; choose one above 1023 with --port`,
      };
      reject(
        new PlainError(why[error.code ?? ''] ?? `cannot listen on ${address}:${port}: ${error.message}`),
      );
    });
    probe.listen(port, address, () => probe.close(() => resolve()));
  });

const userIds = async (): Promise<{ uid: string; gid: string }> => {
  const [uid, gid] = await Promise.all([run('id', ['-u', SERVER_USER]), run('id', ['-g', SERVER_USER])]);
  return { uid: uid.stdout.trim(), gid: gid.stdout.trim() };
};

/** The state directory that needs no name of its own. */
const DEFAULT_STATE = '/var/lib/bulkhead';
const IDS_PER_INSTANCE = 0x1000_0000;

/**
 * The cgroup's name and the first user id for containers: derived from the state directory, so that two Bulkheads on one
 * machine (a running one and one under test) share neither.
 */
export const instance = (state: string): { cgroup: string; idBase: number } => {
  const first = 0x5000_0000;
  if (state === DEFAULT_STATE) return { cgroup: 'bulkhead', idBase: first };
  const hash = createHash('sha256').update(state).digest();
  const slot = 1 + ((hash[0] ?? 0) % 7);
  return { cgroup: `bulkhead-${hash.toString('hex').slice(0, 8)}`, idBase: first + slot * IDS_PER_INSTANCE };
};

const startBroker = async (options: Options): Promise<ChildProcess> => {
  const { uid, gid } = await userIds();
  const args = ['--state', options.state, '--allow-uid', uid, '--server-gid', gid, '--accel', options.accel];
  const { cgroup, idBase } = instance(options.state);
  args.push('--cgroup', cgroup, '--id-base', String(idBase));
  args.push(
    '--max-machines',
    options['max-machines'],
    '--nesting',
    options.nesting,
    '--log-level',
    options['log-level'],
    '--stop-on-eof',
  );
  return start(join(PROGRAMS, 'bulkheadd'), args, { root: true });
};

/**
 * The command that runs the server in a mount namespace of its own where the project is mounted read-only at `app`: so it
 * can be read by a user who may not enter the directory it is in (a checkout in /root), and cannot be changed by a server
 * that was taken over. `exec` all the way, so nothing of root is left in the end and the pid is the server's.
 */
export const serverCommand = (app: string, user: string, options: readonly string[]): [string, string[]] => {
  const intoView = `
    set -e
    mount --bind "$1" "$2"
    mount -o remount,bind,ro,nosuid "$2"
    cd "$2"
    shift 2
    exec setpriv --reuid ${user} --regid ${user} --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs -- "$@"`;
  const server = [
    join(app, 'node_modules/node/bin/node'),
    join(app, 'sandbox-server/src/main.ts'),
    ...options,
  ];
  return [
    'unshare',
    ['--mount', '--propagation', 'private', '--', 'sh', '-c', intoView, 'sh', ROOT, app, ...server],
  ];
};

const startServer = (options: Options): ChildProcess => {
  const app = join(options.state, 'app');
  // What the file says beyond our options: the server's user may not be allowed to read it.
  const further = Object.entries(readFile(options.config)).filter(([name]) => !(name in options));
  const flags = further.flatMap(([name, value]) => [`--${name}`, value]);
  flags.push('--address', options.address, '--port', options.port);
  flags.push('--state', join(options.state, 'server'), '--site', join(app, 'site/dist'));
  flags.push('--linux', join(options.state, 'images/tab'));
  flags.push('--broker', join(options.state, 'run/control.sock'), '--stop-on-eof');
  flags.push('--log-level', options['log-level']);
  if (options['public-url'] !== '') flags.push('--public-url', options['public-url']);
  const [program, args] = serverCommand(app, SERVER_USER, flags);
  return start(program, args, { root: true, env: { PATH: process.env.PATH, NODE_ENV: 'production' } });
};

/** Resolves when the child has ended, at once if it already has. */
const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', () => resolve()));

/** Closing its standard input is how a service is asked to stop: it works through sudo, where a signal would not. */
const stop = async (child: ChildProcess): Promise<void> => {
  child.stdin?.destroy();
  await ended(child);
};

const lastLines = (child: ChildProcess): (() => string) => {
  let text = '';
  child.stderr?.setEncoding('utf8');
  child.stderr?.on('data', (chunk: string) => {
    process.stderr.write(chunk);
    text = (text + chunk).slice(-2000);
  });
  return () => text.trim().split('\n').at(-1) ?? '';
};

/** Waits until the server answers for itself and the broker. Throws PlainError with the last thing a service said if one ends before. */
const untilReady = async (
  url: string,
  services: { name: string; child: ChildProcess; last: () => string }[],
): Promise<void> => {
  const deadline = performance.now() + 20_000;
  while (performance.now() < deadline) {
    const dead = services.find(({ child }) => child.exitCode !== null || child.signalCode !== null);
    if (dead)
      throw new PlainError(dead.last().replace(/^bulkhead[a-z-]*: /, '') || `the ${dead.name} ended at once`);
    const status = await fetch(`${url}/api/status`, { signal: AbortSignal.timeout(2000) })
      .then((response) => response.json() as Promise<{ host: unknown }>)
      .catch(() => undefined);
    if (status?.host) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new PlainError(
    'the server did not answer within 20 s; start again with --log-level debug to see why',
  );
};

/** Broker and server, running; each is started again when it dies unasked (what learners have open survives that). */
export class Services {
  readonly url: string;
  readonly #options: Options;
  #broker: ChildProcess | undefined;
  #server: ChildProcess | undefined;
  #stopping = false;

  constructor(options: Options) {
    this.#options = options;
    const host = options.address === '0.0.0.0' || options.address === '::' ? 'localhost' : options.address;
    this.url = `http://${host.includes(':') ? `[${host}]` : host}:${options.port}`;
  }

  get running(): boolean {
    return this.#broker !== undefined;
  }

  async start(): Promise<void> {
    const broker = await startBroker(this.#options);
    this.#broker = broker;
    const server = startServer(this.#options);
    this.#server = server;
    const services = [
      { name: 'broker', child: broker, last: lastLines(broker) },
      { name: 'server', child: server, last: lastLines(server) },
    ];
    await untilReady(this.url, services);
    this.#keep('broker', () => startBroker(this.#options));
    this.#keep('server', async () => startServer(this.#options));
  }

  /** Ends the server, then every machine, then the broker. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#server) await stop(this.#server);
    if (this.#broker) await stop(this.#broker);
  }

  #keep(which: 'broker' | 'server', again: () => Promise<ChildProcess>): void {
    const child = which === 'broker' ? this.#broker : this.#server;
    child?.once('exit', async (status, signal) => {
      if (this.#stopping) return;
      console.error(`bulkhead: the ${which} ended (${signal ?? `status ${status}`}); starting it again`);
      // A service that cannot live must not be started hundreds of times a second.
      await new Promise((resolve) => setTimeout(resolve, 500));
      if (this.#stopping) return;
      const next = await again();
      lastLines(next);
      if (which === 'broker') this.#broker = next;
      else this.#server = next;
      this.#keep(which, again);
    });
  }
}
