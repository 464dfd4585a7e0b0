// The runtime where there is one tree for all controllers, cgroup v2: in a VM of ours, for most machines that build this
// have either version. What both versions have in common is tested on the host too (oci-resources, oci-verbs).
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Config, runtime } from './bundle.ts';
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
    during = '',
  ): Promise<Record<string, string>> => {
    const id = `r${count++}`;
    let group = '';
    const bundle = shop.bundle('exec sleep 1000', (config) => {
      withResources(resources)(config);
      group = config.linux.cgroupsPath;
    });
    const { stdout, stderr } = await shop.shell(`${shop.starting(id, bundle)} || exit
      ${during.replaceAll('ID', id)}
      cd ${TREE}/${group}
      for file in ${files.join(' ')}; do echo $file: $(cat $file); done
      ${shop.runtime} delete --force ${id}`);
    expect(stderr).toBe('');
    return Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(': ', 2)),
    );
  };
  /** The errors of containers with these resources, each of which must fail. */
  const refused = async (...list: Record<string, unknown>[]): Promise<string[]> => {
    const runs = list.map((resources) => {
      const bundle = shop.bundle('true', withResources(resources));
      return `${shop.runtime} run --bundle ${bundle} x${count++} 2>&1 && echo it ran`;
    });
    return (await shop.shell(runs.join('\n'))).stdout.trim().split('\n');
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
    expect(await written({ cpu: { idle: 1 } }, ['cpu.idle'])).toEqual({ 'cpu.idle': '1' });
  });

  test('processes, a disk’s throughput and weight', async () => {
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
    await shop.shell(`echo 254:0 enable=1 > ${TREE}/io.cost.qos`);
    expect(await written({ pids: { limit: 33 }, blockIO }, ['pids.max', 'io.max', 'io.weight'])).toEqual({
      'pids.max': '33',
      'io.max': '254:0 rbps=1048576 wbps=2097152 riops=300 wiops=400',
      'io.weight': 'default 5000 254:0 1',
    });
  });
});
