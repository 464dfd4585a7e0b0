// linux.resources of config.json, as the kernel has them once a container runs.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Config, runtime, Workshop } from './bundle.ts';

const root = process.getuid?.() === 0;
const built = existsSync(runtime);
const unified = existsSync('/sys/fs/cgroup/cgroup.controllers');

describe.skipIf(!root || !built)('cgroup resources (needs root and native/build)', () => {
  let shop: Workshop;
  beforeAll(() => {
    shop = new Workshop();
  });
  afterAll(() => shop.end());

  let count = 0;
  /** Starts a container with these resources, reads the group's files that exist, and ends it. */
  const written = (resources: Record<string, unknown>, files: string[]): Record<string, string> => {
    const id = `r${count++}`;
    let path = '';
    const bundle = shop.bundle('sleep 1000', (config: Config) => {
      Object.assign(config.linux.resources, resources);
      path = config.linux.cgroupsPath;
    });
    shop.detach(id, bundle);
    const found: Record<string, string> = {};
    for (const name of ['', ...readdirSync('/sys/fs/cgroup')])
      for (const file of files) {
        const whole = join('/sys/fs/cgroup', name, path, file);
        if (existsSync(whole)) found[file] = readFileSync(whole, 'utf8').trim();
      }
    shop.run(['delete', '--force', id]);
    return found;
  };
  const refused = (resources: Record<string, unknown>): string =>
    shop.inside('true', (config) => Object.assign(config.linux.resources, resources)).stderr;

  test('processors and memory nodes', () => {
    expect(written({ cpu: { cpus: '0', mems: '0' } }, ['cpuset.cpus', 'cpuset.mems'])).toEqual({
      'cpuset.cpus': '0',
      'cpuset.mems': '0',
    });
    expect(refused({ cpu: { cpus: '4000' } })).toContain('linux.resources.cpu.cpus');
    const { stdout } = shop.inside('grep Cpus_allowed_list /proc/self/status', (config) =>
      Object.assign(config.linux.resources, { cpu: { cpus: '0' } }),
    );
    expect(stdout).toBe('Cpus_allowed_list:\t0\n');
  });

  test('shares, quota, burst', () => {
    const cpu = { shares: 512, quota: 30000, period: 60000, burst: 10000 };
    const files = ['cpu.shares', 'cpu.cfs_quota_us', 'cpu.cfs_period_us', 'cpu.cfs_burst_us', 'cpu.max'];
    const found = written({ cpu }, files);
    if (unified) expect(found['cpu.max']).toBe('30000 60000');
    else
      expect(found).toMatchObject({
        'cpu.cfs_quota_us': '30000',
        'cpu.cfs_period_us': '60000',
        'cpu.cfs_burst_us': '10000',
      });
  });

  test.skipIf(unified)('memory: reservation, swappiness and the OOM killer (needs cgroup v1)', () => {
    const memory = { limit: 67108864, reservation: 33554432, swappiness: 10, disableOOMKiller: true };
    const found = written({ memory }, [
      'memory.soft_limit_in_bytes',
      'memory.swappiness',
      'memory.oom_control',
    ]);
    expect(found['memory.soft_limit_in_bytes']).toBe('33554432');
    expect(found['memory.swappiness']).toBe('10');
    expect(found['memory.oom_control']).toMatch(/^oom_kill_disable 1$/m);
  });

  test('a disk’s throughput', () => {
    const device = readdirSync('/sys/block')
      .map((name) => readFileSync(`/sys/block/${name}/dev`, 'utf8').trim())
      .find((number) => !number.startsWith('1:'));
    if (!device) throw new Error('this host has no block device');
    const [major, minor] = device.split(':').map(Number);
    const blockIO = { throttleReadBpsDevice: [{ major, minor, rate: 1048576 }] };
    const found = written({ blockIO }, ['blkio.throttle.read_bps_device', 'io.max']);
    expect(found['io.max'] ?? found['blkio.throttle.read_bps_device']).toMatch(
      new RegExp(`^${device} (rbps=)?1048576`),
    );
    expect(refused({ blockIO: { throttleReadBpsDevice: [{ major: 4000, minor: 1, rate: 5 }] } })).toContain(
      'linux.resources.blockIO.throttleReadBpsDevice[0]',
    );
  });

  test('devices: what the rules deny cannot be opened, what they allow can', () => {
    const open = (devices: unknown[]): string =>
      shop.inside('head -c0 /dev/null && echo null; head -c0 /dev/loop0 && echo loop', (config) => {
        Object.assign(config.linux.resources, { devices });
        Object.assign(config.linux, { devices: [{ path: '/dev/loop0', type: 'b', major: 7, minor: 0 }] });
        config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'user');
        delete config.linux.uidMappings;
        delete config.linux.gidMappings;
        // A tmpfs of the host's user namespace: the kernel opens no node on one of another's.
        for (const mount of config.mounts)
          mount.options = mount.options.filter((option) => option !== 'nodev');
      }).stdout;
    expect(open([{ allow: false, access: 'rwm' }])).toBe('null\n');
    const allowed = { allow: true, type: 'b', major: 7, minor: 0, access: 'rwm' };
    expect(open([{ allow: false, access: 'rwm' }, allowed])).toBe('null\nloop\n');
  });

  test.skipIf(unified)('what only v2 has is refused on v1 (needs cgroup v1)', () => {
    expect(refused({ unified: { 'memory.high': '1000' } })).toContain(
      'linux.resources.unified needs a host with cgroup v2',
    );
  });

  test.skipIf(unified)('kernelTCP, on top of what limit brings along (needs cgroup v1)', () => {
    const file = 'memory.kmem.tcp.limit_in_bytes';
    expect(written({ memory: { limit: 67108864 } }, [file])[file]).toBe('8388608');
    expect(written({ memory: { limit: 67108864, kernelTCP: 4194304 } }, [file])[file]).toBe('4194304');
  });

  test('real-time processor time, or the reason why not', () => {
    const cpu = { realtimePeriod: 500000, realtimeRuntime: 0 };
    if (unified)
      expect(refused({ cpu })).toContain('linux.resources.cpu.realtimePeriod is not supported on cgroup v2');
    else if (existsSync('/sys/fs/cgroup/cpu/cpu.rt_period_us'))
      expect(written({ cpu }, ['cpu.rt_period_us'])['cpu.rt_period_us']).toBe('500000');
    else expect(refused({ cpu })).toContain('linux.resources.cpu.realtimePeriod');
  });

  test('idle', () => {
    expect(written({ cpu: { idle: 1 } }, ['cpu.idle'])['cpu.idle']).toBe('1');
  });

  // In a mount namespace of its own, in which the hierarchy is mounted where nobody else sees it.
  for (const [controller, resources, file, value] of [
    ['net_cls', { network: { classID: 1048577 } }, 'net_cls.classid', '1048577'],
    ['net_prio', { network: { priorities: [{ name: 'lo', priority: 5 }] } }, 'net_prio.ifpriomap', 'lo 5'],
    [
      'hugetlb',
      { hugepageLimits: [{ pageSize: '2MB', limit: 4194304 }] },
      'hugetlb.2MB.rsvd.limit_in_bytes',
      '4194304',
    ],
  ] as const) {
    const free =
      existsSync('/proc/cgroups') &&
      new RegExp(`^${controller}\\s+0\\s`, 'm').test(readFileSync('/proc/cgroups', 'utf8'));
    test.skipIf(unified || !free)(`${controller} on v1 (needs it mounted nowhere)`, () => {
      let group = '';
      const bundle = shop.bundle('sleep 1000', (config) => {
        Object.assign(config.linux.resources, resources);
        group = config.linux.cgroupsPath;
      });
      const place = join(shop.directory, controller);
      const bulkhead = `${runtime} --root ${shop.state}`;
      const { stdout, stderr } = shop.shell(`exec unshare --mount sh -ec '
        mkdir -p ${place}; mount -t cgroup -o ${controller} none ${place}
        ${bulkhead} run --detach --bundle ${bundle} ${controller} > /dev/null 2>&1
        cat ${place}/${group}/${file}
        wc -l < ${place}/${group}/tasks
        ${bulkhead} exec ${controller} cut -d: -f2,3 /proc/self/cgroup | grep ${controller}
        ${bulkhead} delete --force ${controller}
        ls -d ${place}/${group} 2> /dev/null || echo gone
        rmdir ${place}/${shop.cgroup}; umount ${place}
        # A hierarchy whose groups are not quite gone when it is unmounted stays; mounted and unmounted again it goes, in a
        # moment.
        for try in $(seq 100); do
          grep -Eq "^${controller}[[:space:]]+0[[:space:]]" /proc/cgroups && break
          sleep 0.05
          [ $((try % 25)) -ne 5 ] || { mount -t cgroup -o ${controller} none ${place}; umount ${place}; }
        done'`);
      expect(stderr).toBe('');
      expect(stdout).toMatch(new RegExp(`^(.*\\n)*${value}\\n(.*\\n)*1\\n${controller}:/.*\\ngone\\n$`));
    });
    test.skipIf(unified || !free)(`${controller}: a host without it says where it would be`, () => {
      expect(refused(resources)).toMatch(new RegExp(`linux.resources.*no ${file}: this host has`));
    });
  }

  test('RDMA', () => {
    expect(refused({ rdma: { mlx5_1: { hcaHandles: 3 } } })).toContain('linux.resources.rdma.mlx5_1');
    expect(refused({ rdma: { mlx5_1: {} } })).toContain('needs hcaHandles or hcaObjects');
  });

  test('checkBeforeUpdate: update refuses what is less than is used', () => {
    shop.detach(
      'checked',
      shop.bundle('head -c 20000000 /dev/zero > /tmp/f; sleep 1000', (config) => {
        for (const mount of config.mounts)
          mount.options = mount.options.map((option) => option.replace('size=16777216', 'size=50000000'));
      }),
    );
    const update = (memory: unknown) =>
      shop.run(['update', '--resources=-', 'checked'], { input: JSON.stringify({ memory }) });
    const used = (): number =>
      JSON.parse(shop.run(['events', '--stats', 'checked']).stdout).data.memory.usage.usage;
    const deadline = Date.now() + 10_000;
    while (used() < 20_000_000 && Date.now() < deadline);
    expect(update({ limit: 10_000_000, checkBeforeUpdate: true }).stderr).toMatch(
      /resources.memory.limit is 10000000, and \d+ bytes are used/,
    );
    expect(update({ limit: 100_000_000, checkBeforeUpdate: true }).stderr).toBe('');
    shop.run(['delete', '--force', 'checked']);
  });

  test('limits without a cgroupsPath get a group by the container’s name, for exec too', () => {
    const bundle = shop.bundle('sleep 1000', (config) => Reflect.deleteProperty(config.linux, 'cgroupsPath'));
    const id = `unnamed-${process.pid}`;
    shop.detach(id, bundle);
    shop.shell(`exec ${runtime} --root ${shop.state} exec --detach ${id} sleep 500`, true);
    const pids = JSON.parse(shop.run(['ps', '--format', 'json', id]).stdout);
    expect(pids).toHaveLength(2);
    expect(readFileSync(`/proc/${pids[0]}/cgroup`, 'utf8')).toContain(`/bulkhead-containers/${id}\n`);
    const limit = shop.shell(
      `cat /sys/fs/cgroup/pids/bulkhead-containers/${id}/pids.max /sys/fs/cgroup/bulkhead-containers/${id}/pids.max 2>/dev/null`,
    );
    expect(limit.stdout).toBe('128\n');
    expect(shop.run(['delete', '--force', id])).toEqual({ status: 0, stdout: '', stderr: '' });
    // The parent is whoever else's too: gone if it is empty.
    shop.shell('rmdir /sys/fs/cgroup/bulkhead-containers /sys/fs/cgroup/*/bulkhead-containers 2>/dev/null');
  });

  test('what is not supported is refused by its path, with the reason', () => {
    for (const [resources, reason] of [
      [
        { memory: { kernel: 5 } },
        'linux.resources.memory.kernel is not supported: Linux has no such limit since 5.16',
      ],
      [{ memory: { useHierarchy: false } }, 'linux.resources.memory.useHierarchy'],
      [
        { blockIO: { leafWeight: 10 } },
        'linux.resources.blockIO.leafWeight is not supported: it was for CFQ',
      ],
      [
        { blockIO: { weightDevice: [{ major: 8, minor: 0, leafWeight: 10 }] } },
        'linux.resources.blockIO.weightDevice[0].leafWeight is not supported',
      ],
    ] as const)
      expect(refused(resources)).toContain(reason);
  });
});
