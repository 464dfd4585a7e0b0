// What the broker counts of a machine, with each count provoked: by the kernel of this host, whichever control groups it
// has. cgroup v2 has its turn in instruments-guest.test.ts.
import { readdirSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BrokerResult } from '../../sandbox-server/src/protocol/broker.ts';
import type { NamespaceKind } from '../../sandbox-server/src/protocol/view.ts';
import { patiently } from '../patience.ts';
import { LIMITS, MIB, TestBroker } from './broker.ts';

describe('machine.stats', () => {
  let broker: TestBroker;
  beforeAll(async () => {
    broker = await TestBroker.start();
  });
  afterAll(() => broker.dispose());

  const stats = (machine: string) => broker.control.request('machine.stats', { machine, host: false });
  /** Looks again and again until something is counted. */
  const counted = async (machine: string, fits: (counts: BrokerResult<'machine.stats'>) => boolean) => {
    await expect.poll(async () => fits(await stats(machine)), { timeout: patiently(30_000) }).toBe(true);
    return stats(machine);
  };
  const endOf = (machine: string, terminal: string) =>
    broker.control.event(
      (event) =>
        event.event === 'terminal.exited' && event.machine === machine && event.terminal === terminal,
    );
  /** The broker's open files that are of a group of this machine. */
  const openFiles = (machine: string) =>
    readdirSync(`/proc/${broker.pid}/fd`).filter((fd) => {
      try {
        return readlinkSync(`/proc/${broker.pid}/fd/${fd}`).includes(`${broker.cgroup}/${machine}/`);
      } catch {
        return false; // closed meanwhile
      }
    });

  it('counts processes that the kernel ended for memory, in a terminal and in a command', async () => {
    await broker.create('hog', { limits: { ...LIMITS, memory_bytes: 48 * MIB } });
    expect(await stats('hog')).toMatchObject({ oom_kills: 0, memory_total_bytes: 48 * MIB });
    const hog = ['python3', '-c', 'a = bytearray(400 << 20)'];
    const terminal = await broker.open('hog', hog);
    expect(await endOf('hog', terminal)).toMatchObject({ kind: 1, status: 9 });
    expect((await counted('hog', ({ oom_kills }) => oom_kills === 1)).memory_peak_bytes).toBeGreaterThan(
      40 * MIB,
    );
    await broker.exec('hog', hog);
    expect(await stats('hog')).toMatchObject({ oom_kills: 2 });
  });

  it("tells programs' memory from files'", async () => {
    await broker.create('mix');
    await broker.shell('mix', 'head -c 20M /dev/zero > /root/file');
    await broker.open('mix', ['python3', '-c', 'a = b"x" * (30 << 20); import time; time.sleep(1000)']);
    const { memory_anon_bytes, memory_file_bytes } = await counted(
      'mix',
      (counts) => (counts.memory_anon_bytes ?? 0) >= 30 * MIB,
    );
    expect(memory_file_bytes).toBeGreaterThanOrEqual(20 * MIB);
    expect(memory_anon_bytes).toBeLessThan(60 * MIB);
  });

  it('counts the periods in which a limit on CPU time held a program back', async () => {
    await broker.create('slow', { limits: { ...LIMITS, cpu_millis: 100 } });
    await broker.open('slow', ['sh', '-c', 'while :; do :; done']);
    const { periods, throttled_periods, throttled_usec } = await counted(
      'slow',
      (counts) => (counts.throttled_periods ?? 0) >= 3,
    );
    expect(periods).toBeGreaterThanOrEqual(throttled_periods ?? Number.POSITIVE_INFINITY);
    expect(throttled_usec).toBeGreaterThan(0);
    await broker.create('calm');
    expect(await stats('calm')).toMatchObject({ throttled_periods: expect.any(Number) });
  });

  it('counts the processes that were refused, in a terminal and in a command', async () => {
    await broker.create('many', { limits: { ...LIMITS, pids: 16 } });
    const script = `import os, time
left = 0
for i in range(40):
    try:
        if os.fork() == 0:
            time.sleep(1000)
    except OSError:
        left += 1
print("refused", left, flush=True)
os.kill(0, 9)`;
    const terminal = await broker.open('many', ['python3', '-c', script]);
    await endOf('many', terminal);
    const { pids_refusals, pids_limit } = await counted('many', (counts) => (counts.pids_refusals ?? 0) > 0);
    expect(pids_limit).toBe(16);
    const printed = await broker.exec('many', ['setsid', '--wait', 'python3', '-c', script]);
    const [, refused = '0'] = /refused (\d+)/.exec(printed.stdout) ?? [];
    expect(Number(refused)).toBeGreaterThan(0);
    expect((await stats('many')).pids_refusals).toBe((pids_refusals ?? 0) + Number(refused));
  });

  it('tells the pressure on a machine, or why there is none to tell', async () => {
    await broker.create('pressed');
    const { cgroup } = await broker.control.request('probe', {});
    const { pressure, pressure_missing } = await stats('pressed');
    if (cgroup.version === 1) {
      expect(pressure).toBeNull();
      expect(pressure_missing).toContain('v1');
    } else {
      expect(pressure === null).toBe(pressure_missing !== null);
    }
  });

  it('counts a machine that was made anew from zero, and holds no file of one that is gone', async () => {
    await broker.create('again');
    await broker.shell('again', 'i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done');
    const before = await stats('again');
    expect(openFiles('again').length).toBeGreaterThan(0);
    await broker.control.request('machine.restart', { machine: 'again' });
    expect((await stats('again')).cpu_usec).toBeLessThan(before.cpu_usec ?? 0);
    expect(openFiles('again').length).toBeGreaterThan(0);
    await broker.control.request('machine.delete', { machine: 'again' });
    expect(openFiles('again')).toEqual([]);
  });
});

describe('machine.view', () => {
  let broker: TestBroker;
  beforeAll(async () => {
    broker = await TestBroker.start();
    await Promise.all([broker.create('box'), broker.create('other')]);
  });
  afterAll(() => broker.dispose());

  const view = (machine: string) => broker.control.request('machine.view', { machine });
  /** Looks again and again until a program is seen with this in its command line. */
  const seen = async (machine: string, program: string, argument: string) => {
    const find = async () =>
      (await view(machine)).processes.find(
        ({ name, command }) => name === program && command.includes(argument),
      );
    await expect.poll(find, { timeout: patiently(20_000) }).toBeDefined();
    return find();
  };

  it('shows the first process of a container as both sides of its walls know it', async () => {
    const { machines } = await broker.control.request('machine.list', {});
    const record = machines.find(({ machine }) => machine === 'box');
    const { processes, total, host_namespaces } = await view('box');
    const init = processes.find(({ pids }) => pids.at(-1) === 1);
    expect(init?.pids).toEqual([record?.pid, 1]);
    expect(init?.parent).toBeNull(); // the broker's, and none of the machine's
    expect(total).toBe(processes.length);
    // What the container reads of itself.
    const own = await broker.shell(
      'box',
      `cd /proc/1; for kind in user mnt pid net ipc uts cgroup; do readlink ns/$kind; done
       grep -E '^(Cap|NoNewPrivs|Seccomp:)' status; cat uid_map; tr '\\0' ' ' <cmdline`,
    );
    const capabilities = init?.capabilities;
    const links: Record<string, string> = { mnt: 'mount', net: 'network' };
    const inside = [...own.matchAll(/^(\w+):\[(\d+)\]$/gm)].map(([, link = '', id]) => [
      links[link] ?? link,
      Number(id),
    ]);
    expect(inside).toHaveLength(7);
    expect(init?.namespaces).toMatchObject(Object.fromEntries(inside));
    expect(own).toContain(`CapEff:\t${capabilities?.effective}`);
    expect(own).toContain(`CapBnd:\t${capabilities?.bounding}`);
    expect(own).toContain(`NoNewPrivs:\t${init?.no_new_privs}`);
    expect(own).toContain(`Seccomp:\t${init?.seccomp}`);
    expect(init?.seccomp).toBe(2);
    expect(own).toContain(init?.command);
    // Its root is nobody on the host, and its maps say who.
    const [first] = init?.uid_map ?? [];
    expect(first?.inside).toBe(0);
    expect(first?.outside).toBe(init?.uid);
    expect(own).toMatch(new RegExp(`0 +${first?.outside} +${first?.count}`));
    expect(init?.uid).toBeGreaterThan(100_000);
    expect(init?.cgroup).toContain(`/${broker.cgroup}/box`);
    // Each is another than the host's, which is told beside it.
    for (const link of ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup', 'time'] as const) {
      const id = readlinkSync(`/proc/self/ns/${link}`);
      expect(own).not.toContain(id);
      const kind = (links[link] ?? link) as NamespaceKind;
      expect(id).toBe(`${link}:[${host_namespaces?.[kind]}]`);
    }
    expect(init?.namespaces.time).not.toBe(host_namespaces?.time);
  });

  it("shows the whole tree of a terminal's programs, and text whatever they call themselves", async () => {
    const name = "$'\\xff\\e]0;owned\\a\\nsecond'";
    await broker.open('box', ['bash', '-c', `(exec -a ${name} sleep 4711); true`]);
    const sleep = await seen('box', 'sleep', '4711');
    expect(sleep?.command).toBe('\ufffd ]0;owned  second 4711');
    const { processes } = await view('box');
    const shell = processes.find(({ pids }) => pids[0] === sleep?.parent);
    expect(shell?.command).toMatch(/^bash -c/);
    expect(shell?.namespaces).toEqual(sleep?.namespaces);
  });

  it('shows a machine nothing of another, however fast pids are given out there', async () => {
    const churn = await broker.open('other', [
      ...['sh', '-c', 'while :; do /bin/true & /bin/true & wait; done'],
    ]);
    expect(churn).toBeTruthy();
    const outsiders = new Set<string | null>();
    for (let look = 0; look < 20; look++) {
      const [box, other] = await Promise.all([view('box'), view('other')]);
      for (const { cgroup } of box.processes)
        if (!cgroup?.includes(`/${broker.cgroup}/box`)) outsiders.add(cgroup);
      for (const { cgroup } of other.processes)
        if (!cgroup?.includes(`/${broker.cgroup}/other`)) outsiders.add(cgroup);
    }
    expect([...outsiders]).toEqual([]);
    await broker.control.request('machine.delete', { machine: 'other' });
  });

  it('says how many there are when it shows some', async () => {
    await broker.create('crowd', { limits: { ...LIMITS, pids: 128 } });
    await broker.open('crowd', ['sh', '-c', 'for i in $(seq 90); do sleep 1000 & done; wait']);
    await expect
      .poll(async () => (await view('crowd')).total, { timeout: patiently(20_000) })
      .toBeGreaterThan(90);
    const { processes } = await view('crowd');
    expect(processes).toHaveLength(64);
    expect(JSON.stringify(processes).length).toBeLessThan(100_000);
  });
});
