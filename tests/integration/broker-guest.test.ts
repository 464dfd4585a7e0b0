// The same broker as the init of a VM: a host of its own, with cgroup v2, where nested containers own their group.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LinkHost } from '../../sandbox-server/src/broker/link.ts';
import type { BrokerParams } from '../../sandbox-server/src/protocol/broker.ts';
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
});
