// process of config.json, field by field: scheduling, limits, capabilities, personality, and what exec makes of them.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Config, runtime, Workshop, withoutUser } from './bundle.ts';

const able = process.getuid?.() === 0 && existsSync(runtime);

describe.skipIf(!able)('process (needs root and native/build)', () => {
  let shop: Workshop;
  beforeAll(() => {
    shop = new Workshop();
  });
  afterAll(() => shop.end());

  const set = (fields: Record<string, unknown>) => (config: Config) => Object.assign(config.process, fields);
  const refused = (fields: Record<string, unknown>): string => shop.inside('true', set(fields)).stderr;
  /** A field of /proc/self/stat, counted as proc(5) does. */
  const stat = (n: number): string => `cut -d" " -f${n} /proc/self/stat`;

  describe('scheduler', () => {
    // 41: the policy; 40: the real-time priority; 19: nice.
    for (const [scheduler, policy] of [
      [{ policy: 'SCHED_OTHER', nice: 7 }, '0 0 7'],
      [{ policy: 'SCHED_BATCH', nice: 5 }, '3 0 5'],
      [{ policy: 'SCHED_IDLE' }, '5 0 0'],
    ] as const)
      test(scheduler.policy, () => {
        const { stdout, stderr } = shop.inside(
          `echo $(${stat(41)}) $(${stat(40)}) $(${stat(19)})`,
          set({ scheduler }),
        );
        expect(stderr).toBe('');
        expect(stdout).toBe(`${policy}\n`);
      });

    for (const policy of ['SCHED_FIFO', 'SCHED_RR'])
      test(`${policy}, or the reason why not`, () => {
        const scheduler = { policy, priority: 3, flags: ['SCHED_FLAG_RESET_ON_FORK'] };
        // Without /bin/sh, whose children would be reset. proc(5) writes fields in this order.
        const bundle = shop.bundle('', (config) => {
          set({ scheduler, args: ['/bin/cat', '/proc/self/stat'] })(config);
        });
        const { stdout, stderr } = shop.run(['run', '--bundle', bundle, 'timed']);
        // A kernel with RT_GROUP_SCHED gives a new group no real time.
        if (stderr) expect(stderr).toContain('cannot set process.scheduler');
        else expect(stdout.split(' ').slice(39, 41)).toEqual(['3', policy === 'SCHED_FIFO' ? '1' : '2']);
      });

    test('SCHED_DEADLINE, with its three times', () => {
      const times = { runtime: 1_000_000, deadline: 10_000_000, period: 10_000_000 };
      const bundle = shop.bundle('', (config) => {
        set({
          scheduler: { policy: 'SCHED_DEADLINE', ...times },
          args: ['/bin/cat', '/proc/self/stat'],
        })(config);
      });
      const { stdout, stderr } = shop.run(['run', '--bundle', bundle, 'deadline']);
      if (stderr) expect(stderr).toContain('cannot set process.scheduler');
      else expect(stdout.split(' ')[40]).toBe('6');
    });

    test('what is none is refused by its path', () => {
      for (const [scheduler, path] of [
        [{ policy: 'SCHED_ISO' }, 'process.scheduler.policy "SCHED_ISO"'],
        [{ nice: 3 }, 'process.scheduler.policy is missing'],
        [{ policy: 'SCHED_OTHER', nice: 30 }, 'process.scheduler.nice is 30'],
        [{ policy: 'SCHED_OTHER', flags: ['SCHED_FLAG_X'] }, 'process.scheduler.flags: "SCHED_FLAG_X"'],
      ] as const)
        expect(refused({ scheduler })).toContain(path);
    });
  });

  test('I/O priority', () => {
    const of = (ioPriority: unknown): string => shop.inside('ionice -p $$', set({ ioPriority })).stdout;
    expect(of({ class: 'IOPRIO_CLASS_BE', priority: 2 })).toBe('best-effort: prio 2\n');
    expect(of({ class: 'IOPRIO_CLASS_RT', priority: 5 })).toBe('realtime: prio 5\n');
    expect(of({ class: 'IOPRIO_CLASS_IDLE' })).toBe('idle\n');
    expect(refused({ ioPriority: { class: 'IOPRIO_CLASS_X' } })).toContain('process.ioPriority.class');
    expect(refused({ ioPriority: { class: 'IOPRIO_CLASS_BE', priority: 9 } })).toContain(
      'process.ioPriority.priority is 9',
    );
    expect(refused({ ioPriority: { priority: 1 } })).toContain('process.ioPriority.class is missing');
  });

  test('where exec runs, before and after it is in the container’s group; its first process anywhere', () => {
    const allowed = 'grep Cpus_allowed_list /proc/self/status | cut -f2';
    const all = execFileSync('sh', ['-c', allowed], { encoding: 'utf8' });
    const exec = (execCPUAffinity: unknown): string => {
      const bundle = shop.bundle(`${allowed} > /tmp/first; sleep 1000`, set({ execCPUAffinity }));
      shop.detach('pinned', bundle);
      const done = shop.run(['exec', 'pinned', 'sh', '-c', `${allowed}; cat /tmp/first`]);
      shop.run(['delete', '--force', 'pinned']);
      return done.stderr + done.stdout;
    };
    expect(exec({ final: '0' })).toBe(`0\n${all}`);
    expect(exec({ initial: '0' })).toBe(`0\n${all}`);
    expect(exec({ initial: '0', final: all.trim() })).toBe(`${all}${all}`);
    expect(refused({ execCPUAffinity: { final: '3-1' } })).toContain(
      'process.execCPUAffinity.final is "3-1"',
    );
    expect(refused({ execCPUAffinity: { initial: 'all' } })).toContain('process.execCPUAffinity.initial');
  });

  describe('rlimits', () => {
    // As /proc/<pid>/limits names them; each below what a container's root has.
    const names: Record<string, string> = {
      RLIMIT_AS: 'Max address space',
      RLIMIT_CORE: 'Max core file size',
      RLIMIT_CPU: 'Max cpu time',
      RLIMIT_DATA: 'Max data size',
      RLIMIT_FSIZE: 'Max file size',
      RLIMIT_LOCKS: 'Max file locks',
      RLIMIT_MEMLOCK: 'Max locked memory',
      RLIMIT_MSGQUEUE: 'Max msgqueue size',
      RLIMIT_NICE: 'Max nice priority',
      RLIMIT_NOFILE: 'Max open files',
      RLIMIT_NPROC: 'Max processes',
      RLIMIT_RSS: 'Max resident set',
      RLIMIT_RTPRIO: 'Max realtime priority',
      RLIMIT_RTTIME: 'Max realtime timeout',
      RLIMIT_SIGPENDING: 'Max pending signals',
      RLIMIT_STACK: 'Max stack size',
    };
    const low = new Set(['RLIMIT_NICE', 'RLIMIT_RTPRIO']); // 0 is all that most hosts' root has
    test('each of the sixteen', () => {
      const value = (type: string) =>
        low.has(type)
          ? { soft: 0, hard: 0 }
          : /AS|DATA|FSIZE|STACK|RSS/.test(type)
            ? { soft: 33554432, hard: 67108864 }
            : { soft: 300, hard: 400 };
      const rlimits = Object.keys(names).map((type) => ({ type, ...value(type) }));
      const { stdout, stderr } = shop.inside('cat /proc/self/limits', set({ rlimits }));
      expect(stderr).toBe('');
      for (const { type, soft, hard } of rlimits)
        expect(stdout).toMatch(new RegExp(`^${names[type]} +${soft} +${hard}`, 'm'));
    });

    test('twice, half, or unknown is refused', () => {
      const one = { type: 'RLIMIT_CORE', soft: 1, hard: 1 };
      expect(refused({ rlimits: [one, one] })).toContain(
        'process.rlimits[1].type: RLIMIT_CORE is listed twice',
      );
      expect(refused({ rlimits: [{ type: 'RLIMIT_CORE', soft: 1 }] })).toContain(
        'process.rlimits[0] needs type, soft and hard',
      );
      expect(refused({ rlimits: [{ ...one, type: 'RLIMIT_X' }] })).toContain('process.rlimits[0].type');
    });
  });

  describe('capabilities', () => {
    const sets = ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'];
    const caps = (change: (config: Config) => void) =>
      shop.inside(`for s in ${sets.join(' ')}; do grep Cap$s /proc/self/status | cut -f2; done`, change);
    const bits = (...numbers: number[]): string =>
      numbers
        .reduce((sum, n) => sum | (1n << BigInt(n)), 0n)
        .toString(16)
        .padStart(16, '0');

    test('the five sets, each with what it lists, for a user that is not root', () => {
      const { stdout, stderr } = caps((config) => {
        Object.assign(config.process.user, { uid: 1000 });
        config.process.capabilities = {
          bounding: ['CAP_CHOWN', 'CAP_KILL', 'CAP_NET_RAW', 'CAP_SYS_ADMIN'],
          permitted: ['CAP_CHOWN', 'CAP_KILL', 'CAP_NET_RAW'],
          effective: ['CAP_CHOWN'],
          inheritable: ['CAP_KILL', 'CAP_NET_RAW'],
          ambient: ['CAP_KILL'],
        };
      });
      expect(stderr).toBe('');
      // After the exec of a program without file capabilities the ambient set is all that is left of three.
      expect(stdout.trim().split('\n')).toEqual([bits(5, 13), bits(5), bits(5), bits(0, 5, 13, 21), bits(5)]);
    });

    test('what the runtime has not got itself, or nobody knows, is left out with a warning', () => {
      const all = JSON.parse(shop.run(['features']).stdout).linux.capabilities as string[];
      const own = BigInt(`0x${/CapPrm:\s+(\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]}`);
      const missing = all.filter((_, number) => !(own & (1n << BigInt(number))));
      const { stdout, stderr } = caps((config) => {
        withoutUser(config);
        for (const set of ['bounding', 'permitted', 'effective'])
          config.process.capabilities[set] = [...all, 'CAP_OF_TOMORROW'];
      });
      expect(stdout.trim().split('\n')[1]).toBe(own.toString(16).padStart(16, '0'));
      expect(stderr).toContain(
        'warning: process.capabilities.bounding: there is no capability CAP_OF_TOMORROW',
      );
      for (const name of missing)
        expect(stderr).toContain(`warning: process.capabilities: ${name} is left out`);
    });
  });

  test('a bundle as `runc spec` and `crun spec` write it runs', () => {
    for (const program of ['runc', 'crun']) {
      if (!existsSync(`/usr/bin/${program}`) && !existsSync(`/usr/sbin/${program}`)) continue;
      const bundle = shop.bundle('true');
      const file = join(bundle, 'config.json');
      writeFileSync(file, '');
      execFileSync('sh', ['-c', `rm ${file} && cd ${bundle} && ${program} spec`]);
      const spec = JSON.parse(readFileSync(file, 'utf8'));
      spec.root.path = shop.image;
      Object.assign(spec.process, {
        terminal: false,
        args: ['sh', '-c', 'id -u; cat /proc/self/cgroup; hostname'],
      });
      writeFileSync(file, JSON.stringify(spec));
      const id = `spec-${process.pid}`;
      const { stdout, status } = shop.run(['run', '--bundle', bundle, id]);
      expect({ program, status }).toEqual({ program, status: 0 });
      expect(stdout).toMatch(new RegExp(`^0\n(.*\n)*${spec.hostname}\n$`));
      shop.shell('rmdir /sys/fs/cgroup/bulkhead-containers /sys/fs/cgroup/*/bulkhead-containers 2>/dev/null');
    }
  });

  test('AppArmor: unconfined is what there is without it, a profile is refused', () => {
    const enabled = '/sys/module/apparmor/parameters/enabled';
    if (existsSync(enabled) && readFileSync(enabled, 'utf8').startsWith('Y')) {
      expect(refused({ apparmorProfile: 'no-such-profile' })).toContain('process.apparmorProfile');
      return;
    }
    expect(refused({ apparmorProfile: 'unconfined' })).toBe('');
    expect(refused({ apparmorProfile: 'some-profile' })).toContain(
      'process.apparmorProfile is some-profile, and this kernel runs without AppArmor',
    );
  });

  test('personality: what uname calls the machine', () => {
    const machine = (personality: unknown) =>
      shop.inside('uname -m', (config) => Object.assign(config.linux, { personality }));
    const here = execFileSync('uname', ['-m'], { encoding: 'utf8' });
    expect(machine({ domain: 'LINUX' }).stdout).toBe(here);
    expect(machine({ domain: 'LINUX32' }).stdout).toMatch(/^(i.86|armv\d+l)\n$/);
    expect(machine({ domain: 'SVR4' }).stderr).toContain('linux.personality.domain');
    expect(machine({ domain: 'LINUX', flags: ['ADDR_NO_RANDOMIZE'] }).stderr).toContain(
      'linux.personality.flags',
    );
    expect(machine({ flags: [] }).stderr).toContain('linux.personality.domain');
  });

  test('clocks that started elsewhere', () => {
    const clocks = (timeOffsets: unknown) =>
      shop.inside('cut -d. -f1 /proc/uptime', (config) => Object.assign(config.linux, { timeOffsets }));
    const { stdout, stderr } = clocks({
      boottime: { secs: 1_000_000, nanosecs: 5 },
      monotonic: { secs: -1, nanosecs: 7 },
    });
    expect(stderr).toBe('');
    const uptime = Number(readFileSync('/proc/uptime', 'utf8').split('.')[0]);
    expect(Math.abs(Number(stdout) - uptime - 1_000_000)).toBeLessThan(5);
    expect(clocks({ realtime: { secs: 1 } }).stderr).toContain(
      'linux.timeOffsets: there is no clock realtime',
    );
    expect(clocks({ boottime: { secs: 'x' } }).stderr).toContain('linux.timeOffsets.boottime.secs');
    expect(clocks({ boottime: { nanosecs: 1e9 } }).stderr).toContain('linux.timeOffsets.boottime.nanosecs');
  });

  describe('what the specification does not have', () => {
    const odd = (config: Config): void => {
      Object.assign(config, { colour: 'red', hooks: { midway: [] } });
      Object.assign(config.process.user, { shoe: 44 });
      Object.assign(config.linux.resources, { luck: { limit: 1 } });
    };
    const warnings = [
      'colour is ignored: runtime-spec 1.2.1 has no such property',
      'process.user.shoe is ignored: runtime-spec 1.2.1 has no such property',
      'linux.resources.luck is ignored: runtime-spec 1.2.1 has no such property',
      'hooks.midway is ignored: there is no such moment',
    ];
    test('is ignored, as it must be, and told', () => {
      const { status, stderr } = shop.inside('true', odd);
      expect(status).toBe(0);
      expect(stderr.trim().split('\n').sort()).toEqual(
        warnings.map((text) => `bulkhead: warning: ${text}`).sort(),
      );
    });

    test('is told in --log and not to the container’s terminal', () => {
      const log = join(shop.directory, 'odd.log');
      const done = shop.run([
        '--log',
        log,
        '--log-format',
        'json',
        'run',
        '--bundle',
        shop.bundle('true', odd),
        'odd',
      ]);
      expect(done).toEqual({ status: 0, stdout: '', stderr: '' });
      const lines = readFileSync(log, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(lines.map(({ msg }) => msg).sort()).toEqual([...warnings].sort());
      for (const { level, time } of lines) {
        expect(level).toBe('warning');
        expect(new Date(time).toISOString()).toBe(time.replace('Z', '.000Z'));
      }
    });

    test('is no excuse for values that are wrong', () => {
      const bundle = shop.bundle('true');
      const file = join(bundle, 'config.json');
      const version = (ociVersion: unknown): string => {
        const config = JSON.parse(readFileSync(file, 'utf8'));
        writeFileSync(file, JSON.stringify({ ...config, ociVersion }));
        return shop.run(['run', '--bundle', bundle, 'versioned']).stderr;
      };
      for (const good of ['1.0.0', '1.0.0-rc5-dev', '1.0.2', '1.1.0+dev', '1.2.1', '1.3.0'])
        expect(version(good)).toBe('');
      for (const bad of ['2.0.0', '0.9.0'])
        expect(version(bad)).toContain(`ociVersion is ${bad}; this runtime knows`);
      for (const bad of ['1', '1.2', '1.2.x', '', 'one']) expect(version(bad)).toContain('is not a version');
      expect(version(undefined)).toContain('ociVersion is missing');
      expect(version(1)).toContain('ociVersion must be a string');
    });
  });
});
