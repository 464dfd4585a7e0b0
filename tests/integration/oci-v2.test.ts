// The runtime where there is one tree for all controllers, cgroup v2: in a VM of ours, for most machines that build this
// have either version. What both versions have in common is tested on the host too (oci-resources, oci-verbs).
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asNested, type Config, runtime } from './bundle.ts';
import { GuestWorkshop } from './bundle-guest.ts';
import { BOOTS_LIMIT_MS } from './guest.ts';

const root = process.getuid?.() === 0;
const built = existsSync(runtime);
const TREE = '/sys/fs/cgroup';

describe.skipIf(!root || !built)('cgroup v2 (needs root and native/build)', () => {
  let shop: GuestWorkshop;
  beforeAll(async () => {
    shop = await GuestWorkshop.start();
  }, BOOTS_LIMIT_MS + 60_000);
  afterAll(() => shop?.end());

  let count = 0;
  const withResources =
    (resources: Record<string, unknown>) =>
    (config: Config): void => {
      Object.assign(config.linux.resources, resources);
    };
  /** Starts a container with these resources, reads its group's files, and ends it. */
  const written = async (
    resources: Record<string, unknown>,
    files: string[],
  ): Promise<Record<string, string>> => {
    const id = `r${count++}`;
    let group = '';
    const bundle = shop.bundle('exec sleep 1000', (config) => {
      withResources(resources)(config);
      group = config.linux.cgroupsPath;
    });
    const { stdout, stderr } = await shop.shell(`${shop.starting(id, bundle)} || exit
      cd ${TREE}/${group} && grep -H '' ${files.join(' ')}
      ${shop.runtime} delete --force ${id}`);
    expect(stderr).toBe('');
    const found: Record<string, string> = {};
    for (const [, file = '', line = ''] of stdout.matchAll(/^([^:]+):(.*)$/gm))
      found[file] = file in found ? `${found[file]} ${line}` : line;
    return found;
  };
  /** The errors of containers with these resources, each of which must fail. */
  const refused = async (...list: Record<string, unknown>[]): Promise<string[]> => {
    const runs = list.map((resources) => {
      const bundle = shop.bundle('true', withResources(resources));
      return `${shop.runtime} run --bundle ${bundle} x${count++} 2>&1 && echo it ran`;
    });
    return (await shop.shell(runs.join('\n'))).stdout.trim().split('\n');
  };
  /** The start of a script: the runtime as `bulkhead`, and a way to wait. */
  const prelude = (): string => `bulkhead() { ${shop.runtime} "$@"; }
    wait_until() { tries=0; until eval "$1"; do tries=$((tries + 1)); [ $tries = 300 ] && echo never: "$1" && exit; sleep 0.05; done; }
    `;
  const ownsItsGroup = (config: Config): void => {
    asNested(config);
    config.mounts.push({
      ...{ destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup' },
      options: ['nosuid', 'noexec', 'nodev'],
    });
  };

  test('memory: limit, reservation, and swap, which v2 counts apart', async () => {
    const files = ['memory.max', 'memory.low', 'memory.swap.max'];
    const memory = { limit: 67108864, reservation: 33554432, swap: 100663296 };
    expect(await written({ memory }, files)).toEqual({
      'memory.max': '67108864',
      'memory.low': '33554432',
      'memory.swap.max': '33554432',
    });
    expect(await written({ memory: { limit: 67108864 } }, files)).toMatchObject({ 'memory.swap.max': '0' });
  });

  test('processors: quota, period, burst, idle, shares as a weight, which ones; and memory nodes', async () => {
    const cpu = { quota: 30000, period: 60000, burst: 10000, shares: 512, cpus: '0', mems: '0' };
    const files = ['cpu.max', 'cpu.max.burst', 'cpu.weight', 'cpuset.cpus', 'cpuset.mems'];
    expect(await written({ cpu }, files)).toEqual({
      'cpu.max': '30000 60000',
      'cpu.max.burst': '10000',
      'cpu.weight': '20',
      'cpuset.cpus': '0',
      'cpuset.mems': '0',
    });
    const files2 = ['cpu.idle', 'cpu.max'];
    expect(await written({ cpu: { idle: 1, period: 50000 } }, files2)).toEqual({
      'cpu.idle': '1',
      'cpu.max': 'max 50000',
    });
  });

  test('processes, a disk’s throughput and weight, and files by their names', async () => {
    const disk = { major: 254, minor: 0 };
    const blockIO = {
      weight: 505,
      weightDevice: [{ ...disk, weight: 10 }],
      throttleReadBpsDevice: [{ ...disk, rate: 1048576 }],
      throttleWriteBpsDevice: [{ ...disk, rate: 2097152 }],
      throttleReadIOPSDevice: [{ ...disk, rate: 300 }],
      throttleWriteIOPSDevice: [{ ...disk, rate: 400 }],
    };
    // Until something weighs this disk (BFQ, or this cost model) the kernel takes no weight for it.
    expect((await refused({ blockIO: { weightDevice: [{ ...disk, weight: 10 }] } }))[0]).toMatch(
      /linux\.resources\.blockIO\.weightDevice\[0\]: nothing weighs this disk/,
    );
    await shop.shell(`echo 254:0 enable=1 > ${TREE}/io.cost.qos`);
    const unified = { 'memory.high': '50331648', 'memory.oom.group': '1', 'hugetlb.2MB.max': '2097152' };
    const hugepageLimits = [{ pageSize: '2MB', limit: 4194304 }];
    const files = ['pids.max', 'io.max', 'io.weight', 'hugetlb.2MB.rsvd.max', ...Object.keys(unified)];
    expect(await written({ pids: { limit: 33 }, blockIO, hugepageLimits, unified }, files)).toEqual({
      'hugetlb.2MB.rsvd.max': '4194304',
      'pids.max': '33',
      'io.max': '254:0 rbps=1048576 wbps=2097152 riops=300 wiops=400',
      'io.weight': 'default 5000 254:0 1',
      ...unified,
    });
  });

  test('what v2 has not, or the kernel does not take, is refused by its path', async () => {
    const cases: [Record<string, unknown>, string][] = [
      [{ memory: { swappiness: 10 } }, 'memory.swappiness is not supported on cgroup v2'],
      [{ memory: { disableOOMKiller: true } }, 'memory.disableOOMKiller is not supported on cgroup v2'],
      [{ memory: { kernelTCP: 1 } }, 'memory.kernelTCP is not supported'],
      [{ memory: { swap: 5 } }, 'memory.swap needs a limit'],
      [{ cpu: { realtimeRuntime: 1 } }, 'cpu.realtimeRuntime is not supported on cgroup v2'],
      [{ cpu: { quota: 10000, burst: 20000 } }, 'cpu.burst: cannot write "20000" to'],
      [{ cpu: { cpus: '4000' } }, 'cpu.cpus: cannot write "4000" to'],
      [{ network: { classID: 5 } }, 'network'],
      [{ rdma: { mlx5_1: { hcaHandles: 3 } } }, 'rdma.mlx5_1: cannot write'],
      [{ hugepageLimits: [{ pageSize: '3MB', limit: 0 }] }, 'hugepageLimits[0]'],
      [
        { blockIO: { throttleReadBpsDevice: [{ major: 4000, minor: 1, rate: 5 }] } },
        'blockIO.throttleReadBpsDevice[0]: cannot write',
      ],
      [{ unified: { '../memory.max': '1' } }, 'unified.../memory.max is not the name of a controller’s file'],
      [{ unified: { 'cgroup.freeze': '1' } }, 'unified.cgroup.freeze is not the name of a controller’s file'],
      [
        { unified: { 'memory.nonsense': '1' } },
        'unified.memory.nonsense: this kernel’s memory controller has no',
      ],
      [
        { unified: { 'magic.max': '1' } },
        'unified.magic.max: cgroup v2 at /sys/fs/cgroup has no magic controller',
      ],
    ];
    const errors = await refused(...cases.map(([resources]) => resources));
    for (const [at, [, message]] of cases.entries())
      expect(errors[at]).toContain(`linux.resources.${message.replaceAll('’', "'")}`);
    expect(errors).toHaveLength(cases.length);
    expect((await shop.shell(`find ${TREE}/${shop.cgroup} -mindepth 1 -type d`)).stdout).toBe('');
  });

  test('devices: the rules decide, as a program on the group, what really opens', async () => {
    const open = (devices: unknown[]): string => {
      const command = `exec 2>/dev/null; true </dev/vda && echo disk; true </dev/kmsg && echo log; true >/dev/kmsg && echo write
        mknod /tmp/part b 254 1 && echo make; true </dev/ptmx && echo ptmx`;
      const bundle = shop.bundle(command, (config) => {
        Object.assign(config.linux.resources, { devices });
        const made = [
          { path: '/dev/vda', type: 'b', major: 254, minor: 0 },
          { path: '/dev/kmsg', type: 'c', major: 1, minor: 11 },
        ];
        Object.assign(config.linux, { devices: made });
        // As the host's root, or the user namespace would forbid more than the rules do.
        config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'user');
        for (const key of ['uidMappings', 'gidMappings']) delete config.linux[key];
        for (const set of ['bounding', 'effective', 'permitted'])
          config.process.capabilities[set] = ['CAP_MKNOD', 'CAP_SYSLOG'];
        for (const mount of config.mounts)
          mount.options = mount.options.filter((option) => option !== 'nodev');
      });
      return `${shop.runtime} run --bundle ${bundle} d${count++} 2>&1 | xargs\n`;
    };
    const nothing = { allow: false, access: 'rwm' };
    const disk = { type: 'b', major: 254, minor: 0 };
    const log = { type: 'c', major: 1, minor: 11 };
    const { stdout } = await shop.shell(
      open([]) +
        open([nothing]) +
        open([nothing, { ...disk, allow: true, access: 'r' }, { ...log, allow: true, access: 'w' }]) +
        open([
          { type: 'b', major: 254, allow: false, access: 'rwm' },
          { ...log, allow: false, access: 'w' },
          { ...disk, allow: true, access: 'r' },
        ]),
    );
    expect(stdout.split('\n')).toEqual([
      'disk log write make ptmx',
      'ptmx',
      'disk write ptmx',
      'disk log ptmx',
      '',
    ]);
  });

  test('the first process is born in its group, and the group is the root of what it sees', async () => {
    const bundle = shop.bundle(
      'cat /proc/self/cgroup; cat /sys/fs/cgroup/memory.max; ls -d /sys/fs/cgroup/workshop',
      (config) => {
        config.mounts.push({
          destination: '/sys/fs/cgroup',
          type: 'cgroup',
          source: 'cgroup',
          options: ['ro'],
        });
      },
    );
    const { stdout } = await shop.shell(
      `${shop.runtime} --trace-fd 3 run --bundle ${bundle} born 3>${shop.directory}/trace 2>/dev/null
      cat ${shop.directory}/trace`,
    );
    const [group, limit, ...trace] = stdout.trim().split('\n');
    expect(group).toBe('0::/');
    expect(limit).toBe('268435456');
    const steps: { step: string; detail: string }[] = trace.map((line) => JSON.parse(line));
    // clone3(CLONE_INTO_CGROUP): no process is ever moved, which would stop every fork on the machine for 11 ms.
    expect(steps.find(({ step }) => step === 'clone3')?.detail).toMatch(/, into its cgroup$/);
    expect(steps.map(({ step }) => step)).not.toContain('join cgroup');
    expect(steps.find(({ step }) => step === 'cgroup')?.detail).toMatch(/^v2 workshop\//);
  });

  test('update changes limits of a running container one by one, and lifts them', async () => {
    const bundle = shop.bundle('exec sleep 1000');
    const wider = { memory: { limit: 268435456, swap: 268435456 }, pids: { limit: -1 }, cpu: { quota: -1 } };
    const { stdout, stderr } = await shop.shell(`${prelude()} ${shop.starting('upd', bundle)}
      show() { cd ${TREE}/$(sed s/0::// /proc/$(bulkhead state upd | sed -n 's/.*"pid": //p' | tr -d ,)/cgroup); echo $(cat "$@"); }
      bulkhead update --memory 134217728 --memory-swap 150994944 --pids-limit 33 --cpu-quota 20000 --cpu-share 2048 upd
      show memory.max memory.swap.max pids.max cpu.max cpu.weight
      bulkhead update --cpu-period 40000 upd && show cpu.max
      bulkhead update --cpu-quota 30000 upd && show cpu.max
      bulkhead update --cpuset-cpus 0 --memory-reservation 4194304 upd && show cpuset.cpus memory.low
      bulkhead update --resources - upd <<'END' && show memory.max memory.swap.max pids.max cpu.max
${JSON.stringify(wider)}
END
      bulkhead update --memory -1 upd && show memory.max memory.swap.max
      echo '{"memory":{"swappiness":1}}' | bulkhead update -r - upd
      bulkhead delete --force upd`);
    expect(stdout.trim().split('\n')).toEqual([
      '134217728 16777216 33 20000 100000 79',
      '20000 40000',
      '30000 40000',
      '0 4194304',
      '268435456 0 max max 40000',
      'max max',
    ]);
    expect(stderr.trim()).toMatch(
      /^bulkhead: resources\.memory\.swappiness is not supported on cgroup v2[^\n]*$/,
    );
  });

  test('pause stops every process, and a paused container can be killed and deleted', async () => {
    const beats = shop.bundle('while :; do echo >> /tmp/beat; sleep 0.1; done');
    const sleeps = shop.bundle('trap "" TERM; sleep 1000 & wait');
    const { stdout } =
      await shop.shell(`${prelude()} ${shop.starting('beat', beats)}; ${shop.starting('z', sleeps)}
      pid=$(bulkhead state beat | sed -n 's/.*"pid": //p' | tr -d ,)
      beats() { wc -c < /proc/$pid/root/tmp/beat; }
      wait_until '[ $(beats) -gt 0 ]' 2>/dev/null
      bulkhead pause beat; before=$(beats); sleep 0.3; [ $(beats) = $before ] && echo stopped
      bulkhead state beat | grep -o '"paused"'; bulkhead pause beat 2>&1
      bulkhead resume beat; wait_until '[ $(beats) -gt $before ]'; bulkhead state beat | grep -o '"running"'
      bulkhead ps --format json beat | grep -c "\\b$pid\\b"
      bulkhead pause beat; bulkhead kill beat KILL; wait_until '! [ -e /proc/$pid ]'; bulkhead delete beat
      bulkhead exec --detach --pid-file ${shop.directory}/pid z sleep 500 >/dev/null
      bulkhead kill --all z TERM; wait_until '! [ -e /proc/$(cat ${shop.directory}/pid) ]'; bulkhead state z | grep -o '"running"'
      bulkhead pause z; bulkhead delete --force z
      find ${TREE}/${shop.cgroup} -mindepth 1 -type d`);
    expect(stdout.trim().split('\n')).toEqual([
      'stopped',
      '"paused"',
      'bulkhead: container beat is paused already',
      '"running"',
      '1',
      '"running"',
    ]);
  });

  test('events tells what is used, and that the kernel killed for memory', async () => {
    const hungry = shop.bundle(
      'until [ -e /tmp/go ]; do sleep 0.1; done; tail /dev/zero',
      withResources({ memory: { limit: 25165824 } }),
    );
    const { stdout } = await shop.shell(`${prelude()} ${shop.starting('hungry', hungry)}
      bulkhead events --stats hungry
      bulkhead events --interval 60 hungry > ${shop.directory}/events & watching=$!
      wait_until '[ -s ${shop.directory}/events ]'
      bulkhead exec hungry touch /tmp/go; wait $watching
      cat ${shop.directory}/events; bulkhead delete --force hungry`);
    const [once, first, ...rest] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    for (const { type, id, data } of [once, first]) {
      expect([type, id]).toEqual(['stats', 'hungry']);
      expect(data.cpu.usage.total).toBeGreaterThan(0);
      expect(data.memory.usage.max).toBeGreaterThanOrEqual(data.memory.usage.usage);
      expect(data.memory.kernel.usage).toBeGreaterThan(0);
      expect(data.pids.current).toBeGreaterThanOrEqual(1);
    }
    expect(rest).toEqual([{ type: 'oom', id: 'hungry' }]);
  });

  test('a container that owns its group builds below it, and its own limits stay', async () => {
    const build = `cd /sys/fs/cgroup
      mkdir leaf small; for pid in $(cat cgroup.procs); do echo $pid > leaf/cgroup.procs; done
      echo "+memory +pids +cpu +cpuset" > cgroup.subtree_control; echo 5 > small/pids.max
      echo 100000000000 > small/memory.max; cat cgroup.subtree_control small/pids.max
      for file in memory.max memory.swap.max pids.max cpu.max cpu.weight cgroup.max.depth cgroup.freeze; do
        echo max 2>/dev/null > $file && echo raised $file; done
      sh -c 'echo $$ > small/cgroup.procs; cat /proc/self/cgroup; for one in 1 2 3 4 5 6; do sleep 9 >/dev/null 2>&1 & done' 2>&1 | grep -o -e fork -e 0::/small
      echo root > small/cpuset.cpus.partition; grep -c invalid small/cpuset.cpus.partition
      cat cgroup.max.depth cgroup.max.descendants; (mkdir -p d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d) 2>&1 | grep -c temporarily
      mkdir /tmp/tree; mount -t cgroup2 none /tmp/tree && ls -d /tmp/tree/small; ls -d /tmp/tree/workshop 2>/dev/null
      echo done`;
    const nested = shop.bundle(`(${build}) > /tmp/said 2>/dev/null; exec sleep 1000`, ownsItsGroup);
    const { stdout, stderr } = await shop.shell(`${prelude()} ${shop.starting('own', nested)}
      said=/proc/$(bulkhead state own | sed -n 's/.*"pid": //p' | tr -d ,)/root/tmp/said
      wait_until 'grep -q done $said'; cat $said
      bulkhead exec own cat /proc/self/cgroup
      bulkhead exec own sh -c 'cd /sys/fs/cgroup/leaf; mkdir threads; echo threaded > threads/cgroup.type; echo 1 > threads/cgroup.threads; cat /proc/1/cgroup'
      bulkhead exec own cat /proc/self/cgroup
      bulkhead exec --detach own sh -c 'cd /sys/fs/cgroup; mkdir -p a/b/c; echo $$ > a/b/c/cgroup.procs; echo 1 > a/b/cgroup.freeze; sleep 1000' >/dev/null
      wait_until 'grep -q "frozen 1" ${TREE}/workshop/*/a/b/cgroup.events 2>/dev/null'
      bulkhead delete --force own; find ${TREE}/${shop.cgroup} -mindepth 1 -type d`);
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toEqual([
      'cpuset cpu memory pids',
      '5',
      '0::/small',
      'fork',
      '1',
      '16',
      '256',
      '1',
      '/tmp/tree/small',
      'done',
      '0::/leaf',
      '0::/leaf/threads',
      '0::/leaf',
    ]);
  });

  test('a group that has processes of others is neither limited nor removed', async () => {
    const bundle = shop.bundle('true', (config) => {
      config.linux.cgroupsPath = 'theirs';
    });
    const { stdout } =
      await shop.shell(`cd ${TREE}; mkdir -p theirs/empty; sleep 1000 & pid=$!; echo $pid > theirs/cgroup.procs
      ${shop.runtime} run --bundle ${bundle} guest 2>&1
      cat theirs/memory.max; ls -d theirs/empty; kill $pid; wait $pid; rmdir theirs/empty theirs`);
    expect(stdout).toMatch(
      /^bulkhead: linux\.cgroupsPath theirs already has processes \(first: pid \d+\)\nmax\ntheirs\/empty\n$/,
    );
  });

  test('two that delete one container at once, and one that makes groups to the last, leave nothing', async () => {
    const bundles = Array.from({ length: 2 }, () => shop.bundle('sleep 1000 & sleep 1000 & wait'));
    const builds = shop.bundle(
      `cd /sys/fs/cgroup; at=0; while at=$((at + 1)); do
        mkdir g$at g$at/h; (echo 0 > g$at/h/cgroup.procs; exec sleep 1000) & done 2>/dev/null`,
      (config) => {
        ownsItsGroup(config);
        config.linux.resources.pids.limit = 16;
      },
    );
    const { stdout, stderr } = await shop.shell(`${prelude()} ${shop.starting('builds', builds)}
      ${bundles.map((bundle, at) => `(${shop.starting(`m${at}`, bundle)}) &`).join('\n')}
      wait; wait_until 'ls -d ${TREE}/workshop/*/g4/h' >/dev/null 2>&1
      for at in 0 1; do for twice in 1 2; do bulkhead delete --force m$at & done; done
      bulkhead delete --force builds; wait
      bulkhead list --quiet; find ${TREE}/${shop.cgroup} -mindepth 1 -type d`);
    expect([stdout, stderr]).toEqual(['', '']);
  });

  test('where the runtime itself is in a delegated group, that group must be free of processes', async () => {
    // As in a container, or under systemd with Delegate=yes: what it sees as the root is a group that is not the root.
    const limited = shop.bundle('cat /proc/self/cgroup');
    const direct = shop.bundle('true', (config) => {
      config.linux.cgroupsPath = 'slice/direct';
    });
    const { stdout } = await shop.shell(`mkdir ${TREE}/slice; cat > ${shop.directory}/delegate <<'END'
        echo $$ > ${TREE}/slice/cgroup.procs
        ${shop.runtime} run --bundle ${direct} direct 2>&1
        exec unshare --cgroup --mount --propagation private sh -c '
          mount -t cgroup2 cgroup2 ${TREE}; cd ${TREE}; cat /proc/self/cgroup
          ${shop.runtime} run --bundle ${limited} crowded 2>&1; find workshop -mindepth 1 -type d
          mkdir supervisor; for pid in $(cat cgroup.procs); do echo $pid > supervisor/cgroup.procs; done 2>/dev/null
          ${shop.runtime} run --bundle ${limited} served 2>&1; cat cgroup.subtree_control /proc/self/cgroup
          find workshop -mindepth 1 -type d'
END
      sh ${shop.directory}/delegate 2>&1; rmdir ${TREE}/slice/*/ ${TREE}/slice`);
    expect(stdout.trim().split('\n')).toEqual([
      expect.stringMatching(
        /memory\.limit: cgroup \/sys\/fs\/cgroup\/slice cannot pass the memory controller on/,
      ),
      '0::/',
      expect.stringMatching(
        /^bulkhead: cgroup workshop\/\d+: linux\.resources\.memory\.limit: cgroup \/sys\/fs\/cgroup cannot pass the memory controller on while it has processes itself \(such as pid \d+\): move them into a group below it first: Device or resource busy$/,
      ),
      '0::/',
      'cpuset cpu io memory pids',
      '0::/supervisor',
    ]);
  });

  test('a controller that is held back, and a threaded group, are said so; without limits there is nothing to miss', async () => {
    const place =
      (path: string, resources: Record<string, unknown>) =>
      (config: Config): void => {
        config.linux.cgroupsPath = path;
        config.linux.resources = resources as Config['linux']['resources'];
      };
    const free = shop.bundle('cat /proc/self/cgroup', place('inner', {}));
    const held = shop.bundle('true', place('inner', { pids: { limit: 5 } }));
    const threaded = shop.bundle('true', place('threads/inner', {}));
    const counted = shop.bundle('true', place('threads/inner', { memory: { limit: 67108864 } }));
    const deep = shop.bundle('true', place('full/inner', {}));
    const { stdout } =
      await shop.shell(`cd ${TREE}; mkdir held held/here threads full; echo threaded > threads/cgroup.type
      ${shop.runtime} run --bundle ${threaded} t1 2>&1; ${shop.runtime} run --bundle ${counted} t2 2>&1
      echo 0 > full/cgroup.max.descendants; ${shop.runtime} run --bundle ${deep} d1 2>&1
      cat > ${shop.directory}/held <<'END'
        echo $$ > held/here/cgroup.procs
        exec unshare --cgroup --mount --propagation private sh -c '
          mount -t cgroup2 cgroup2 ${TREE}
          ${shop.runtime} run --bundle ${held} h1 2>&1; ${shop.runtime} run --bundle ${free} h2 2>&1
          mount -o remount,bind,ro ${TREE}; ${shop.runtime} run --bundle ${free} h3 2>&1'
END
      sh ${shop.directory}/held; find held threads -mindepth 2 -type d; rmdir held/here held threads full`);
    expect(stdout.trim().split('\n')).toEqual([
      expect.stringMatching(
        /no process can be made in cgroup \/sys\/fs\/cgroup\/threads\/inner, which is "domain invalid"/,
      ),
      expect.stringMatching(
        /memory\.limit: cgroup \/sys\/fs\/cgroup\/threads is threaded and has no memory controller/,
      ),
      expect.stringMatching(
        /cannot create cgroup \/sys\/fs\/cgroup\/full\/inner \(cgroup\.max\.descendants or /,
      ),
      expect.stringMatching(
        /linux\.resources\.pids\.limit: cgroup v2 at \/sys\/fs\/cgroup has no pids controller \(.*held back by the group above/,
      ),
      '0::/',
      expect.stringMatching(
        /cannot create cgroup \S+ \(is it delegated to us, and mounted writable\?\): Read-only/,
      ),
    ]);
  });

  test('with some controllers on v1 beside v2, v1 is used, and what v2 holds is refused by its path', async () => {
    const only = (resources: Record<string, unknown>) => (config: Config) => {
      config.linux.resources = resources as Config['linux']['resources'];
    };
    const rate = { major: 254, minor: 0, rate: 1048576 };
    const can = {
      pids: { limit: 33 },
      cpu: { quota: 30000, shares: 512 },
      blockIO: { throttleReadBpsDevice: [rate] },
      devices: [{ allow: false, access: 'rwm' }],
      hugepageLimits: [{ pageSize: '2MB', limit: 4194304 }],
      network: { classID: 1048577, priorities: [{ name: 'lo', priority: 5 }] },
    };
    const box = shop.bundle('sleep 1000 & wait', only(can));
    const limited = shop.bundle('true', only({ memory: { limit: 67108864 } }));
    const placed = shop.bundle('true', only({ cpu: { cpus: '0' } }));
    // Debian's kernel has memory and cpuset for v2 alone. The others can be had from v2 once no group uses them there, and
    // go back to it with this mount namespace.
    const { stdout } = await shop.shell(`${prelude()} cat > ${shop.directory}/mixed <<'END'
      ${prelude()}
      rmdir ${TREE}/workshop
      for group in ${TREE}/bulkhead ${TREE}; do echo "-pids -cpu -io -hugetlb" > $group/cgroup.subtree_control; done
      mount -t tmpfs none /mnt
      for list in pids cpu,cpuacct blkio devices freezer hugetlb net_cls net_prio; do
        mkdir /mnt/$list; wait_until "mount -t cgroup -o $list none /mnt/$list 2>/dev/null"; done
      bulkhead run --bundle ${limited} limited 2>&1; bulkhead run --bundle ${placed} placed 2>&1
      bulkhead --trace-fd 3 run --detach --bundle ${box} box 3>${shop.directory}/trace >/dev/null 2>&1 || echo no box
      grep -o 'by writing 0 to tasks' ${shop.directory}/trace
      cat /mnt/pids/workshop/*/pids.max /mnt/cpu,cpuacct/workshop/*/cpu.shares /mnt/blkio/workshop/*/blkio.throttle.read_bps_device
      cat /mnt/hugetlb/workshop/*/hugetlb.2MB.rsvd.limit_in_bytes /mnt/net_cls/workshop/*/net_cls.classid
      grep lo /mnt/net_prio/workshop/*/net_prio.ifpriomap
      bulkhead ps --format json box | tr , '\\n' | wc -l
      bulkhead pause box; bulkhead state box | grep -o '"paused"'; bulkhead kill --all box KILL; bulkhead delete --force box
      find /mnt/*/workshop -mindepth 1 -type d; rmdir /mnt/*/workshop; ls ${TREE} | grep workshop
END
      unshare --mount --propagation private sh ${shop.directory}/mixed
      for group in ${TREE} ${TREE}/bulkhead; do
        wait_until "echo +pids +cpu +io > $group/cgroup.subtree_control" 2>/dev/null; done`);
    expect(stdout.trim().split('\n')).toEqual([
      expect.stringMatching(
        /linux\.resources\.memory\.limit: no memory\.limit_in_bytes: this host has the memory cgroup controller on v2 \(\/sys\/fs\/cgroup\) beside others on v1; boot it with one version/,
      ),
      expect.stringMatching(
        /linux\.resources\.cpu\.cpus: no cpuset\.cpus: this host has the cpuset cgroup controller on v2/,
      ),
      'by writing 0 to tasks',
      '33',
      '512',
      '254:0 1048576',
      '4194304',
      '1048577',
      'lo 5',
      '2',
      '"paused"',
    ]);
  });
});
