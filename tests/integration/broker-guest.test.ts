// The same broker as the init of a VM: a host of its own, with cgroup v2, where nested containers own their group.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LinkHost } from '../../sandbox-server/src/broker/link.ts';
import type { BrokerParams, BrokerResult } from '../../sandbox-server/src/protocol/broker.ts';
import { patiently } from '../patience.ts';
import { LIMITS, MIB, TestBroker } from './broker.ts';
import { BOOTS_LIMIT_MS, bootGuest } from './guest.ts';

describe('a broker in a VM', () => {
  let broker: TestBroker;
  let guest: LinkHost;

  const shell = async (machine: string, command: string, more: Partial<BrokerParams<'exec'>> = {}) => {
    const params = {
      machine,
      command: ['/bin/sh', '-c', command],
      timeout_ms: 30_000,
      max_output_bytes: 65_536,
    };
    return guest.request('exec', { ...params, ...more }, { timeoutMs: 40_000 });
  };
  const create = (machine: string, profile: 'hardened' | 'nested') => {
    const limits = { ...LIMITS, memory_bytes: 64 * MIB };
    const what = { machine, image: 'base', profile, hostname: machine, limits, labels: {} };
    return guest.request('container.create', what, { timeoutMs: 40_000 });
  };

  beforeAll(async () => {
    broker = await TestBroker.start();
    const directory = join(broker.state, 'run/machines/guest');
    ({ link: guest } = await bootGuest(broker.control, 'guest', directory, 320 * MIB));
  }, BOOTS_LIMIT_MS);
  afterAll(async () => {
    guest.close('the test is over');
    await broker.dispose();
  });

  it('knows itself as the machine `host`, which cannot be deleted from inside', async () => {
    const { machines } = await guest.request('machine.list', {});
    expect(machines).toMatchObject([
      { machine: 'host', kind: 'vm', state: 'running', pid: 1, terminals: [] },
    ]);
    await expect(guest.request('machine.delete', { machine: 'host' })).rejects.toMatchObject({
      code: 'denied',
    });
    const stats = await guest.request('machine.stats', { machine: 'host' });
    expect(stats.memory_bytes).toBeGreaterThan(0);
    expect(stats.pids).toBeGreaterThan(0);
    expect(stats.host).toBeNull();
  });

  it('ends a command of the guest itself that takes too long, with what it started', async () => {
    const result = await shell('host', '(setsid sleep 4711 &); sleep 4712', { timeout_ms: 500 });
    expect(result).toMatchObject({ timed_out: true });
    expect((await shell('host', 'pgrep -c sleep')).stdout.trim()).toBe('0');
    expect((await shell('host', 'ls -d /sys/fs/cgroup/bulkhead/exec-* | wc -l')).stdout.trim()).toBe('1');
  });

  it('shows a hardened container its limits, and lets it change none', async () => {
    await create('box', 'hardened');
    expect((await shell('box', 'cat /sys/fs/cgroup/memory.max')).stdout.trim()).toBe(`${64 * MIB}`);
    expect((await shell('box', 'mkdir /sys/fs/cgroup/mine; echo $?')).stdout.trim()).not.toBe('0');
    expect((await shell('box', 'echo max > /sys/fs/cgroup/memory.max; echo $?')).stdout.trim()).not.toBe('0');
    await guest.request('machine.delete', { machine: 'box' });
  });

  it('gives a nested container a group to build in, and checks still run when it has', async () => {
    await create('nest', 'nested');
    // What a learner does: a leaf for what runs, then controllers for the groups below. No process may be in the
    // container's own group then, and none can join it.
    const build = `cd /sys/fs/cgroup && mkdir leaf small &&
      for pid in $(cat cgroup.procs); do echo $pid > leaf/cgroup.procs; done
      echo +memory +pids > cgroup.subtree_control && echo 5 > small/pids.max && cat small/pids.max small/memory.max`;
    const built = await shell('nest', build);
    expect(`${built.stdout}${built.stderr}`.trim().split('\n')).toEqual(['5', 'max']);
    expect((await shell('nest', 'echo a check')).stdout).toBe('a check\n');
    const late = await shell('nest', '(setsid sleep 4711 &); sleep 4712', { timeout_ms: 500 });
    expect(late.timed_out).toBe(true);
    expect((await shell('nest', 'pgrep -c sleep')).stdout.trim()).toBe('0');
    const { terminal } = await guest.request('terminal.open', { machine: 'nest', columns: 80, rows: 24 });
    expect(terminal).toMatch(/^[a-z0-9]+$/);
    // Its own group's limits stay the host's to set, and there is no more of the tree to be seen.
    const raise = `cd /sys/fs/cgroup; for file in memory.max pids.max cpu.max cpu.weight cgroup.max.descendants; do
      echo max > $file && echo raised $file; done 2>/dev/null; cat /proc/1/cgroup memory.max; mkdir /tmp/all
      mount -t cgroup2 none /tmp/all && ls -d /tmp/all/leaf /tmp/all/bulkhead 2>/dev/null`;
    expect((await shell('nest', raise)).stdout.trim().split('\n')).toEqual([
      '0::/leaf',
      `${64 * MIB}`,
      '/tmp/all/leaf',
    ]);
    const stats = await guest.request('machine.stats', { machine: 'nest' });
    expect(stats.pids).toBeGreaterThanOrEqual(2);
    expect(stats.host).toBeNull();
    await guest.request('machine.delete', { machine: 'nest' });
    expect((await shell('host', 'ls /run/bulkhead/run/machines')).stdout.trim()).toBe('host');
    expect((await shell('host', 'ls -d /sys/fs/cgroup/bulkhead/nest')).status).not.toBe(0);
  });

  /** Looks again and again until something is counted. */
  const counted = async (
    machine: string,
    fits: (counts: BrokerResult<'machine.stats'>) => boolean,
  ): Promise<BrokerResult<'machine.stats'>> => {
    const look = () => guest.request('machine.stats', { machine });
    await expect
      .poll(async () => fits(await look()), { timeout: patiently(60_000), interval: 200 })
      .toBe(true);
    return look();
  };

  it('counts by the files of cgroup v2 what a container met', async () => {
    const limits = { memory_bytes: 20 * MIB, pids: 12, cpu_millis: 700, disk_bytes: 8 * MIB };
    const what = {
      machine: 'met',
      image: 'base',
      profile: 'hardened',
      hostname: 'met',
      limits,
      labels: {},
    } as const;
    await guest.request('container.create', what, { timeoutMs: patiently(40_000) });
    await shell('met', 'head -c 26M /dev/zero | tail');
    await shell('met', 'while :; do :; done', { timeout_ms: 1_000 });
    await shell('met', 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do sleep 1000 & done');
    const stats = await counted(
      'met',
      ({ oom_kills, pids_refusals, throttled_periods }) =>
        !!oom_kills && !!pids_refusals && !!throttled_periods,
    );
    expect(stats).toMatchObject({ memory_total_bytes: 20 * MIB, pids_limit: 12 });
    expect(stats.periods).toBeGreaterThanOrEqual(stats.throttled_periods ?? Number.POSITIVE_INFINITY);
    expect(stats.throttled_usec).toBeGreaterThan(0);
    expect(stats.memory_anon_bytes).toBeGreaterThan(0);
    expect(stats.memory_kernel_bytes).toBeGreaterThan(0);
    // As the kernel tells it to whoever is root in the VM.
    const { stdout } = await shell(
      'host',
      'cd /sys/fs/cgroup/bulkhead/met; cat memory.events pids.events; cat cpu.pressure',
    );
    expect(stdout).toContain(`oom_kill ${stats.oom_kills}`);
    expect(stdout.includes('some avg10=')).toBe(stats.pressure !== null);
    expect(stats.pressure === null).toBe(stats.pressure_missing !== null);
    await guest.request('machine.delete', { machine: 'met' }, { timeoutMs: patiently(40_000) });
  });

  it("counts what is read from the VM's disk", async () => {
    await create('reader', 'hardened');
    const before = await guest.request('machine.stats', { machine: 'reader' });
    await shell('host', 'sync; echo 3 > /proc/sys/vm/drop_caches');
    await shell('reader', 'head -c 1M /usr/bin/python3 > /dev/null');
    const after = await counted('reader', ({ read_bytes }) => read_bytes !== before.read_bytes);
    expect((after.read_bytes ?? 0) - (before.read_bytes ?? 0)).toBeGreaterThanOrEqual(131_072); // packed, on that disk
    expect(after.reads).toBeGreaterThan(before.reads ?? Number.POSITIVE_INFINITY);
    const whole = await guest.request('machine.stats', { machine: 'host' });
    expect(whole.read_bytes).toBeGreaterThanOrEqual(131_072);
    await guest.request('machine.delete', { machine: 'reader' }, { timeoutMs: patiently(40_000) });
  });

  it('is seen from three sides: by its host, by itself, and its container by both it and itself', async () => {
    const outside = await broker.control.request('machine.view', { machine: 'guest' });
    const qemu = outside.processes.find(({ name }) => name.startsWith('qemu'));
    const { machines } = await broker.control.request('machine.list', {});
    expect(qemu?.pids).toEqual([machines[0]?.pid]);
    expect(qemu?.threads).toBeGreaterThan(1); // a processor of the guest's is one
    expect(qemu?.thread_names?.map(({ tid }) => tid)).toContain(machines[0]?.pid);
    // Neither where the host keeps things, nor how its broker was started.
    const keeper = outside.processes.find(({ name }) => name === 'console-log');
    expect(keeper?.command).toBe('');
    expect(JSON.stringify(outside.processes)).not.toContain(broker.state);
    expect(outside.processes.every(({ cgroup }) => cgroup?.includes(`/${broker.cgroup}/guest`))).toBe(true);

    await create('seen', 'hardened');
    const { processes } = await guest.request('machine.view', { machine: 'seen' });
    const init = processes.find(({ pids }) => pids.at(-1) === 1);
    expect(init?.cgroup).toBe('/bulkhead/seen/box');
    const own = await shell(
      'seen',
      'readlink /proc/1/ns/pid; grep CapEff /proc/1/status; cat /proc/1/uid_map',
    );
    expect(own.stdout).toContain(`pid:[${init?.namespaces.pid}]`);
    expect(own.stdout).toContain(`CapEff:\t${init?.capabilities.effective}`);
    expect(own.stdout).toContain(`${init?.uid_map?.[0]?.outside}`);

    const all = await guest.request('machine.view', { machine: 'host' });
    expect(all.processes.find(({ pids }) => pids[0] === init?.pids[0])).toEqual({
      ...init,
      parent: expect.any(Number),
    });
    expect(all.processes[0]).toMatchObject({ pids: [1], name: 'bulkheadd' });
    expect(all.processes.some(({ name }) => name === 'kthreadd')).toBe(false);
    await guest.request('machine.delete', { machine: 'seen' }, { timeoutMs: patiently(40_000) });
  });
});
