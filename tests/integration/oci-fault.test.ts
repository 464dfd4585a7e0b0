// Each step of a launch fails in turn, or is where the runtime is killed: what is left, and what is said.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { patiently } from '../patience.ts';
import { type Config, runtime, Workshop, withoutUser } from './bundle.ts';
import { type Attempt, type Fault, Faults, isAlive, untilUnreached } from './oci-fault.ts';

const able = process.getuid?.() === 0 && existsSync(runtime);

/** Calls of the runtime whose failure may go unnoticed: a cache, a look at what is then done anyhow, one way of two. */
const HARMLESS = [
  'access',
  'getdents64',
  'lseek',
  'newfstatat',
  'openat',
  'read',
  'rmdir',
  'statfs',
  'write',
];

const hook = { path: '/bin/true' };
const KINDS = ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'];

const map = [{ containerID: 0, hostID: 1000, size: 1 }];
const ids = { uidMappings: map, gidMappings: map };

type Launch = {
  readonly name: string;
  readonly change: (config: Config) => void;
  readonly console?: boolean;
};
const LAUNCHES: readonly Launch[] = [
  { name: 'with a user namespace and an overlay', change: () => {} },
  {
    name: 'with the ids of the host, devices, binds and sysctls',
    change: (config) => {
      withoutUser(config);
      delete config.annotations;
      config.mounts.push(
        { destination: '/mnt', type: 'bind', source: '/tmp', options: ['bind', 'ro'], ...ids },
        { destination: '/etc', type: 'tmpfs', source: 'tmpfs', options: ['tmpcopyup'] },
      );
      config.linux.devices = [{ path: '/dev/zwei', type: 'c', major: 1, minor: 5, fileMode: 0o600 }];
      config.linux.sysctl = { 'net.ipv4.ip_forward': '1' };
      config.process.rlimits = [{ type: 'RLIMIT_NOFILE', soft: 64, hard: 64 }];
    },
  },
  {
    name: 'with hooks of every kind',
    change: (config) => {
      config.hooks = Object.fromEntries(
        KINDS.map((kind) => [
          kind,
          [kind === 'startContainer' ? { path: '/bin/busybox', args: ['true'] } : hook],
        ]),
      );
    },
  },
  {
    name: 'with a terminal',
    console: true,
    change: (config) => {
      config.process.terminal = true;
    },
  },
  {
    name: 'in a network namespace that exists',
    change: (config) => {
      withoutUser(config);
      for (const namespace of config.linux.namespaces)
        if (namespace.type === 'network') namespace.path = `/proc/${process.pid}/ns/net`;
    },
  },
];

describe.skipIf(!able)('a launch that fails half-way (needs root and native/build)', () => {
  let shop: Workshop;
  let faults: Faults;
  let server: Server;
  let socket: string;
  beforeAll(async () => {
    shop = new Workshop();
    faults = new Faults(shop);
    socket = join(shop.directory, 'console');
    // Nobody need accept: the connection waits in the kernel, with the terminal in it.
    server = createServer((peer) => peer.destroy());
    await new Promise<void>((resolve) => server.listen(socket, resolve));
  });
  afterAll(() => {
    server.close();
    shop.end();
  });

  const launch = (verb: 'run' | 'create', bundle: string, terminal = false): string[] => [
    ...[verb, '--bundle', bundle, '--pid-file', join(bundle, 'pid')],
    ...(terminal ? ['--console-socket', socket] : []),
    'c',
  ];

  /** One line for a person, naming what could not be done. */
  const expectOneError = (attempt: Attempt, where: string): void => {
    expect(attempt.stderr, where).toMatch(/^bulkhead: .{10,}\n$/);
    expect(attempt.status, where).toBe(1);
  };

  /**
   * A fault that nobody noticed must be one that need not be noticed: of what happens inside the container, only a look
   * at a hierarchy that is then joined, or into a folder of PATH. Warnings are of hooks that stop nothing.
   */
  const expectUnharmed = (attempt: Attempt, fault: Fault, where: string): void => {
    expect(attempt.stderr.replace(/^bulkhead: warning: hooks\.post.*\n/gm, ''), where).toBe('');
    if (attempt.call === null || attempt.stderr !== '') return;
    expect(fault.process === 0 || ['statfs', 'newfstatat'].includes(attempt.call), where).toBe(true);
    expect(HARMLESS, where).toContain(attempt.call);
  };

  /** Tries a fault in `run` and looks at what is said and left. */
  const tryRun = async (bundle: string, fault: Fault, terminal: boolean): Promise<Attempt> => {
    const attempt = faults.run(launch('run', bundle, terminal), fault);
    const where = `${attempt.call}, call ${fault.call} of process ${fault.process}`;
    // By now the program has run; what could not be cleared away then is `delete`'s to clear.
    const ran = attempt.stdout === 'hello\n' || (terminal && existsSync(join(shop.state, 'c')));
    if (attempt.status === 0 || attempt.call === null) expectUnharmed(attempt, fault, where);
    else expectOneError(attempt, where);
    if (ran && attempt.status !== 0) shop.run(['delete', '--force', 'c']);
    if (ran || attempt.status === 0) rmSync(join(bundle, 'pid'), { force: true });
    expect(await faults.leftovers(bundle, attempt.left), where).toEqual([]);
    return attempt;
  };

  test.each(LAUNCHES.map((one, index) => ({ ...one, index })))(
    '$name: one error that names it, and nothing left',
    async ({ change, console: terminal = false, index }) => {
      const bundle = shop.bundle('echo hello', change);
      for (const process of [0, 1, 2]) {
        await untilUnreached(1 + index + process, (call) => tryRun(bundle, { process, call }, terminal));
      }
    },
    600_000,
  );

  test.each([0, 1])(
    'killed with process %i of it, at any call: `delete --force` leaves nothing',
    async (process) => {
      const bundle = shop.bundle('echo hello', (config) => {
        for (const { change } of LAUNCHES.slice(1, 3)) change(config);
      });
      const killed: Fault[] = [];
      await untilUnreached(1, async (call) => {
        const attempt = faults.run(launch('run', bundle), { process, call, kill: true });
        const { status, stderr } = shop.run(['delete', '--force', 'c']);
        const where = `${attempt.call}, call ${call}`;
        expect({ status, stderr }, where).toEqual({ status: 0, stderr: '' });
        // The caller's file, which delete knows nothing of, or what was going to be it.
        for (const name of readdirSync(bundle).filter((one) => /^pid(\.\d+\.new)?$/.test(one)))
          rmSync(join(bundle, name));
        expect(await faults.leftovers(bundle, attempt.left), where).toEqual([]);
        if (attempt.call !== null) killed.push({ process, call });
        return attempt;
      });
      expect(killed.length).toBeGreaterThan(5);
      // And the next one is none the worse for it.
      expect(shop.run(['run', '--bundle', bundle, 'c']).stdout).toBe('hello\n');
    },
    600_000,
  );

  test(
    'create and start: one error, and either a container that can be started or none',
    async () => {
      const bundle = shop.bundle('sleep 100');
      for (const process of [0, 1])
        await untilUnreached(3, async (call) => {
          const attempt = faults.run(launch('create', bundle), { process, call });
          const where = `${attempt.call}, call ${call} of process ${process}`;
          if (attempt.status === 0) {
            const { status } = JSON.parse(shop.run(['state', 'c']).stdout);
            expect(['created', 'stopped'], where).toContain(status); // it ended while it waited
            shop.run(['delete', '--force', 'c']);
            rmSync(join(bundle, 'pid'));
          } else expectOneError(attempt, where);
          expect(await faults.leftovers(bundle, attempt.left), where).toEqual([]);
          return attempt;
        });
      await untilUnreached(2, async (call) => {
        shop.detach('c', bundle, ['create']);
        const attempt = faults.run(['start', 'c'], { process: 0, call });
        if (attempt.status !== 0) expectOneError(attempt, `${attempt.call}, call ${call} of start`);
        expect(shop.run(['delete', '--force', 'c']).status).toBe(0);
        expect(
          await faults.leftovers(bundle, attempt.left),
          `${attempt.call}, call ${call} of start`,
        ).toEqual([]);
        return attempt;
      });
    },
    patiently(600_000),
  );

  test(
    'exec: one error, no process more in the container, which goes on',
    async () => {
      const bundle = shop.bundle('sleep 1000');
      shop.detach('c', bundle);
      const pidFile = join(bundle, 'exec.pid');
      const alone = async ({ left }: Attempt): Promise<boolean> => {
        for (const end = Date.now() + 10_000; Date.now() < end; await new Promise((go) => setTimeout(go, 2)))
          if (
            !left.some(isAlive) &&
            faults
              .groups()
              .every((group) => /^\d+\n$/.test(readFileSync(join(group, 'cgroup.procs'), 'utf8')))
          )
            return true;
        return false;
      };
      for (const process of [0, 1, 2])
        await untilUnreached(5, async (call) => {
          const attempt = faults.run(['exec', '--pid-file', pidFile, 'c', 'echo', 'hello'], {
            process,
            call,
          });
          const where = `${attempt.call}, call ${call} of process ${process}`;
          if (attempt.status === 0) expectUnharmed(attempt, { process, call }, where);
          else expectOneError(attempt, where);
          expect(await alone(attempt), where).toBe(true);
          if (attempt.status === 0 || attempt.stdout !== '') rmSync(pidFile, { force: true });
          expect(existsSync(pidFile), where).toBe(false);
          return attempt;
        });
      expect(JSON.parse(shop.run(['state', 'c']).stdout).status).toBe('running');
      shop.run(['delete', '--force', 'c']);
      expect(await faults.leftovers(bundle)).toEqual([]);
    },
    patiently(600_000),
  );
});
