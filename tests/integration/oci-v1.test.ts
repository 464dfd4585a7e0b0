// cgroup v1 as hosts have it: hierarchies mounted one by one, any of them missing, beside a v2 tree or not. Each is tried in
// a mount namespace of its own, where mounts can be taken away without the host noticing.
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asNested, type Config, type Outcome, runtime, Workshop } from './bundle.ts';

const KNOWN = ['cpu', 'cpuacct', 'cpuset', 'memory', 'pids', 'devices', 'freezer', 'blkio'];

type Hierarchy = { mount: string; controllers: string[] };

const hierarchies: Hierarchy[] = readFileSync('/proc/self/mountinfo', 'utf8')
  .split('\n')
  .flatMap((line) => {
    const [, mount = '', , options = ''] = /^(?:\S+ ){4}(\S+) .* - (cgroup) \S+ (\S+)$/.exec(line) ?? [];
    const controllers = options.split(',').filter((name) => KNOWN.includes(name));
    return controllers.length > 0 ? [{ mount, controllers }] : [];
  });
const present = hierarchies.flatMap(({ controllers }) => controllers);
const able = process.getuid?.() === 0 && existsSync(runtime) && hierarchies.length > 0;

/** A field of linux.resources that needs the controller, and how its error begins. */
const NEEDS: Record<string, [Record<string, unknown>, string] | undefined> = {
  memory: [{ memory: { limit: 67108864 } }, 'memory.limit: no memory.limit_in_bytes'],
  pids: [{ pids: { limit: 20 } }, 'pids.limit: no pids.max'],
  cpu: [{ cpu: { quota: 50000 } }, 'cpu.quota: no cpu.cfs_quota_us'],
  cpuset: [{ cpu: { cpus: '0' } }, 'cpu.cpus: no cpuset.cpus'],
  devices: [{ devices: [{ allow: false, access: 'rwm' }] }, 'devices: cgroup '],
  blkio: [
    { blockIO: { throttleReadBpsDevice: [{ major: 7, minor: 0, rate: 1048576 }] } },
    'blockIO.throttleReadBpsDevice[0]: no blkio.throttle.read_bps_device',
  ],
};

describe.skipIf(!able)('cgroup v1 with hierarchies missing (needs root, native/build and cgroup v1)', () => {
  let shop: Workshop;
  beforeAll(() => {
    shop = new Workshop();
  });
  afterAll(() => shop.end());

  const ours = readlinkSync('/proc/self/ns/mnt');
  let count = 0;
  /** Runs a script in a mount namespace that lacks these mounts. */
  const without = (mounts: string[], script: string): Outcome => {
    const file = join(shop.directory, `script-${count++}`);
    const bulkhead = `bulkhead() { ${runtime} --root ${shop.state} "$@"; }`;
    writeFileSync(
      file,
      `[ $(readlink /proc/self/ns/mnt) != '${ours}' ] || exit 99
      ${mounts.map((mount) => `umount ${mount} || exit 98`).join('\n')}
      ${bulkhead}\n${script}`,
    );
    return shop.shell(`exec unshare --mount --propagation private sh ${file}`);
  };
  const bundle = (command: string, resources: Record<string, unknown>, more = (_: Config) => {}): string =>
    shop.bundle(command, (config) => {
      config.linux.resources = resources as Config['linux']['resources'];
      more(config);
    });
  /** All there is to limit, but for what needs one of these controllers. */
  const allBut = (controllers: string[]): Record<string, unknown> => {
    const merged: Record<string, Record<string, unknown>> = {};
    for (const [name, need] of Object.entries(NEEDS))
      if (need && !controllers.includes(name) && present.includes(name))
        for (const [key, value] of Object.entries(need[0]))
          merged[key] = Array.isArray(value)
            ? (value as unknown as Record<string, unknown>)
            : { ...merged[key], ...(value as object) };
    return merged;
  };
  const leftOvers = (): string[] =>
    hierarchies.flatMap(({ mount }) => {
      const group = join(mount, shop.cgroup);
      const { stdout } = shop.shell(`find ${group} -mindepth 1 -type d 2>/dev/null`);
      return stdout.split('\n').filter(Boolean);
    });

  test.each(hierarchies)(
    'without $controllers: what needs it is refused by its path, all else works',
    (lost) => {
      for (const controller of lost.controllers) {
        const [resources, error] = NEEDS[controller] ?? [];
        if (!resources) continue;
        const refused = without(
          [lost.mount],
          `bulkhead run --bundle ${bundle('true', resources)} refused 2>&1`,
        );
        expect(refused.stdout).toContain(`linux.resources.${error}`);
        expect(refused.stdout).toMatch(
          new RegExp(
            `no ${controller} cgroup controller mounted \\(mount -t cgroup -o ${controller} cgroup `,
          ),
        );
      }
      const box = bundle('trap "" TERM; sleep 1000 & wait', allBut(lost.controllers));
      const { stdout, stderr } = without(
        [lost.mount],
        `bulkhead run --detach --bundle ${box} box >/dev/null 2>${box}/errors || cat ${box}/errors
      until bulkhead ps --format json box | grep -q ,; do sleep 0.01; done
      bulkhead events --stats box; bulkhead ps --format json box
      bulkhead exec box echo run
      bulkhead pause box 2>&1; bulkhead state box | grep -o '"paused"'; bulkhead resume box 2>&1
      bulkhead kill --all box KILL; bulkhead delete --force box; bulkhead list --quiet`,
      );
      const [stats = '', pids = '', run, ...pause] = stdout.trim().split('\n');
      const { data } = JSON.parse(stats);
      expect(JSON.parse(pids)).toHaveLength(2);
      expect([data.memory.usage.usage > 0, data.pids.current === 2, data.cpu.usage.total > 0]).toEqual([
        !lost.controllers.includes('memory'),
        !lost.controllers.includes('pids'),
        !lost.controllers.includes('cpuacct'),
      ]);
      expect(run).toBe('run');
      expect(pause[0]).toMatch(
        lost.controllers.includes('freezer')
          ? /^bulkhead: cannot freeze .*mount -t cgroup -o freezer/
          : /^"paused"$/,
      );
      expect(stderr).toBe('');
      expect(leftOvers()).toEqual([]);
    },
  );

  test('one after the other goes, and a container is in exactly those that are left', () => {
    for (let gone = 0; gone <= hierarchies.length; gone++) {
      const lost = hierarchies.slice(0, gone).map(({ mount }) => mount);
      const left = hierarchies.slice(gone).flatMap(({ controllers }) => controllers);
      if (left.length === 0) continue;
      const box = bundle('exec sleep 1000', {});
      const { stdout } = without(
        lost,
        `bulkhead run --detach --bundle ${box} few >/dev/null 2>&1
        cat /proc/$(bulkhead ps --format json few | tr -d '[]')/cgroup; bulkhead delete --force few`,
      );
      const joined = stdout
        .split('\n')
        .filter((line) => line.includes(shop.cgroup))
        .flatMap((line) => line.split(':')[1]?.split(',') ?? []);
      expect(joined.sort()).toEqual(left.sort());
      expect(leftOvers()).toEqual([]);
    }
  });

  test('the first process joins by itself, one thread at a time, which costs no fork on the machine', () => {
    const box = shop.bundle('true');
    const { stdout, stderr } = shop.shell(
      `strace -f -e trace=openat -e signal=none ${runtime} --root ${shop.state} --trace-fd 3 run --bundle ${box} traced 3>&1`,
    );
    expect(stdout).toContain('by writing 0 to tasks');
    const written = stderr.split('\n').filter((line) => /O_WRONLY|O_RDWR/.test(line));
    // A pid written to cgroup.procs waits for every processor to pass (11 ms on an idle machine).
    expect(written.filter((line) => line.includes('cgroup.procs'))).toEqual([]);
    expect(written.filter((line) => line.includes('/tasks"'))).toHaveLength(hierarchies.length);
  });

  test('shares are written as they are, and a period alone too', () => {
    const cpu = hierarchies.find(({ controllers }) => controllers.includes('cpu'));
    if (!cpu) return;
    const box = bundle('exec sleep 1000', { cpu: { shares: 512, period: 50000 } });
    shop.detach('shares', box);
    const { stdout } = shop.shell(
      `cd ${cpu.mount}/${shop.cgroup}/*/ && cat cpu.shares cpu.cfs_period_us cpu.cfs_quota_us
      ${runtime} --root ${shop.state} update --cpu-quota 20000 shares; cat cpu.cfs_period_us cpu.cfs_quota_us`,
    );
    shop.run(['delete', '--force', 'shares']);
    expect(stdout.trim().split('\n')).toEqual(['512', '50000', '-1', '50000', '20000']);
  });

  test('with no v1 in sight it is a v2 host, if one without controllers', () => {
    const mount = `mount -t cgroup2 cgroup2 /sys/fs/cgroup`; // over it, in this namespace
    const hides = `mount -t tmpfs none /sys/fs/cgroup && ${mount}\n`;
    const limited = bundle('true', { memory: { limit: 67108864 } });
    const box = bundle('sleep 1000 & wait', { devices: [{ allow: false, access: 'rwm' }] });
    const nested = bundle('mkdir /sys/fs/cgroup/mine && grep ^0 /proc/self/cgroup', {}, (config) => {
      asNested(config);
      const options = ['nosuid', 'noexec', 'nodev'];
      config.mounts.push({ destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options });
    });
    const { stdout, stderr } = without(
      [],
      `${hides}
      bulkhead run --bundle ${limited} limited 2>&1
      bulkhead --trace-fd 3 run --detach --bundle ${box} box 3>${box}/trace >/dev/null 2>&1
      grep -o 'into its cgroup' ${box}/trace
      bulkhead pause box; bulkhead state box | grep -o '"paused"'; bulkhead kill --all box KILL; bulkhead delete --force box
      bulkhead run --bundle ${nested} nested 2>&1
      find /sys/fs/cgroup/${shop.cgroup} -mindepth 1 -type d; rmdir /sys/fs/cgroup/${shop.cgroup}`,
    );
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toEqual([
      expect.stringMatching(
        /linux\.resources\.memory\.limit: cgroup v2 at \/sys\/fs\/cgroup has no memory controller \(mounted as v1/,
      ),
      'into its cgroup',
      '"paused"',
      '0::/',
    ]);
    expect(leftOvers()).toEqual([]);
  });

  test('with nothing mounted, only a container that asks for no group runs', () => {
    const grouped = bundle('true', {});
    const free = bundle('echo free', {}, (config) => {
      delete (config.linux as Partial<Config['linux']>).cgroupsPath;
    });
    // Covered and not unmounted: mountinfo lists the hierarchies still.
    const { stdout } = without(
      [],
      `mount -t tmpfs none /sys/fs/cgroup
      bulkhead run --bundle ${grouped} grouped 2>&1; bulkhead run --bundle ${free} free 2>&1; find /sys/fs/cgroup -mindepth 1`,
    );
    expect(stdout).toMatch(
      /^bulkhead: cannot find cgroup .*: no cgroup is mounted here, v1 or v2 .*\nfree\n$/,
    );
  });
});
