// Taking all there is: whoever does is stopped with a word it can read, a neighbour does not notice, and all of it can be
// deleted. What is counted for a user or the host as a whole (attempts/floods.c) is held while others ask for theirs.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MIB } from '../integration/broker.ts';
import { patiently } from '../patience.ts';
import { Arena, PROFILES } from './arena.ts';

/** From a key press to its echo, on a machine that is busy with the attack. */
const ECHO_BUDGET_MS = patiently(1_000);

let arena: Arena;
beforeAll(async () => {
  arena = await Arena.open();
  await arena.machine('neighbour', 'hardened');
});
afterAll(() => arena.close());

/** Runs an attack in a terminal of its own and resolves with what it says first; `end` lets go of what it holds. */
const attack = async (machine: string, command: string[]) => {
  const terminal = await arena.broker.open(machine, command);
  const viewer = await arena.broker.attach(machine, terminal);
  return { viewer, end: () => arena.broker.control.request('terminal.close', { machine, terminal }) };
};

/** Milliseconds until a neighbour's shell has answered a line. */
const echo = async (): Promise<number> => {
  const terminal = await arena.broker.open('neighbour');
  const viewer = await arena.broker.attach('neighbour', terminal);
  await viewer.untilText('#');
  const begun = performance.now();
  viewer.type('echo still h""ere\n');
  await viewer.untilText('still here');
  const took = performance.now() - begun;
  await arena.broker.control.request('terminal.close', { machine: 'neighbour', terminal });
  return took;
};

describe('what the kernel counts for a user', () => {
  const floods = [
    { what: 'inotify instances', hold: 'hold_inotify', one: 'inotify', ends: 'EMFILE' },
    { what: 'pending signals', hold: 'hold_signals', one: 'signals', ends: 'EAGAIN' },
    { what: 'message queues', hold: 'hold_queues', one: 'queue', ends: 'EMFILE' },
    { what: 'ptys', hold: 'hold_ptys', one: 'pty', ends: 'ENOSPC' },
  ];
  for (const { what, hold, one, ends } of floods) {
    it(`${what}: one machine can use up its own, and no other’s nor the host’s`, async () => {
      for (const profile of PROFILES) {
        const { viewer, end } = await attack(profile, ['/root/attempts', hold]);
        await viewer.untilText('HELD');
        expect(viewer.text()).toMatch(new RegExp(`HELD [1-9]\\d* ${what}: ${ends}`));
        expect(await arena.inside(profile, one)).toMatch(/^STOPPED/);
        expect(await arena.inside('neighbour', one)).toMatch(/^GOT/);
        expect(arena.onHost(one)).toMatch(/^GOT/);
        await end();
      }
    });
  }

  it('what waits in sockets: a part of the memory that the machine may have', async () => {
    const held = (said: string) => Number(/HELD (\d+)/.exec(said)?.[1]);
    expect(held(arena.onHost('hold_datagrams'))).toBeGreaterThan(64 * MIB);
    for (const profile of PROFILES)
      expect(held(await arena.inside(profile, 'hold_datagrams'))).toBeLessThan(24 * MIB);
  });
});

describe('what a machine has of its own', () => {
  const attacks = [
    {
      what: 'processes',
      command: 'bomb() { bomb | bomb & }; bomb; bomb; sleep 1; bomb',
      says: /fork: (retry: )?Resource temporarily unavailable/,
    },
    {
      what: 'memory',
      command: 'python3 -c "a = bytearray(1 << 30)"; sleep 0.1',
      says: /Killed|MemoryError/,
    },
    { what: 'disk', command: 'cat /dev/zero > /root/all', says: /No space left on device/ },
    {
      what: 'files',
      command: 'cd /root; python3 -c "for i in range(100000): open(str(i), \'w\')"',
      says: /No space left on device/,
    },
    {
      what: 'shared memory',
      command: 'cat /dev/zero > /dev/shm/all; cat /dev/zero > /dev/all',
      says: /No space left on device/,
    },
  ];
  for (const { what, command, says } of attacks) {
    it(`${what}: who takes all is told so, and a neighbour’s shell answers as ever`, async () => {
      for (const profile of PROFILES) {
        const machine = `${profile}-2`;
        await arena.broker.create(machine, { profile });
        const { viewer } = await attack(machine, ['/bin/bash', '-c', `${command}; echo`]);
        expect(await echo()).toBeLessThan(ECHO_BUDGET_MS);
        await viewer.until(() => says.test(viewer.text()));
        expect(await echo()).toBeLessThan(ECHO_BUDGET_MS);
        await arena.broker.control.request('machine.delete', { machine });
      }
    });
  }

  it('the terminal: endless output leaves the broker and the neighbour alone', async () => {
    const { viewer, end } = await attack('hardened', ['yes', 'all of it']);
    await viewer.untilText('all of it');
    expect(await echo()).toBeLessThan(ECHO_BUDGET_MS);
    await end();
  });

  it('its own children, left to a process of the host: gone with the machine', async () => {
    await arena.machine('orphans', 'nested');
    const children = 'for i in 1 2 3 4 5 6; do (exec /root/attempts children_of_another 8); done';
    const leave = `${children}; exec /root/attempts children_of_another 8`;
    const { viewer } = await attack('orphans', ['/bin/bash', '-c', leave]);
    await viewer.untilText('GOT');
    await expect
      .poll(async () => (await arena.broker.control.request('machine.stats', { machine: 'orphans' })).pids)
      .toBe(1);
    await arena.broker.control.request('machine.delete', { machine: 'orphans' });
  });
});

it('leaves nothing of all this', async () => {
  for (const machine of [...PROFILES, 'neighbour'])
    await arena.broker.control.request('machine.delete', { machine });
  const left = arena.broker.census();
  expect(left.processes.map((line) => Number.parseInt(line, 10))).toEqual([arena.broker.pid]);
  expect(left.namespaces).toEqual([]);
  expect(left.mounts).toEqual([]);
});
