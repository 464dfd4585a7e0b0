// Containers in VMs written down by CRIU, moved to another VM while their terminal waits, and brought back; and what cannot
// be moved. Two VMs, copies of one template, for all tests: the later ones go on with what the earlier ones left.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LinkHost } from '../../sandbox-server/src/broker/link.ts';
import { moveContainer } from '../../sandbox-server/src/machines/checkpoint.ts';
import type { BrokerMethod, BrokerParams } from '../../sandbox-server/src/protocol/broker.ts';
import { patiently } from '../patience.ts';
import { LIMITS, MIB, TestBroker } from './broker.ts';
import { run, Screen } from './vm.ts';

const VM_LIMITS = { memory_bytes: 320 * MIB, cpu_millis: 1_000 };
const READY_LIMIT_MS = patiently(180_000);
/** Emulated, CRIU takes a second or two; a machine may be ten times as slow. */
const LIMIT_MS = patiently(180_000);
const limits = { ...LIMITS, memory_bytes: 64 * MIB };

let broker: TestBroker;
let a: LinkHost;
let b: LinkHost;
let screen: Screen;
let terminal = '';

/** Prints numbers without end, and ends with 7 when it is asked to. */
const COUNTER = 'trap "exit 7" INT; n=0; while sleep 0.05; do echo tick-$((n++)); done';

const ask = <M extends BrokerMethod>(host: LinkHost, method: M, params: BrokerParams<M>) =>
  host.request(method, params, { timeoutMs: LIMIT_MS });
const create = (host: LinkHost, machine: string, profile: 'hardened' | 'nested') =>
  ask(host, 'container.create', {
    ...{ machine, image: 'base', profile, hostname: `${machine}-name`, limits, labels: { kept: 'yes' } },
  });
const said = async (host: LinkHost, machine: string, command: string) =>
  (await run(host, machine, command)).stdout.trim();
const begin = async (machine: string): Promise<LinkHost> => {
  const wanted = { machine, image: 'vm', hostname: machine, limits: VM_LIMITS, labels: {} };
  await broker.control.request('vm.create', { ...wanted, start: 'template' });
  const link = new LinkHost(join(broker.state, 'run/machines', machine, 'link.sock'));
  await link.greeted(READY_LIMIT_MS);
  return link;
};
const ticksIn = (text: string) => [...text.matchAll(/tick-(\d+)\r/g)].map(([, number]) => Number(number));
const expectNoGap = () => {
  const seen = ticksIn(screen.text);
  expect(seen.length).toBeGreaterThan(0);
  expect(seen).toEqual(seen.map((_, index) => index));
};
const goesOn = async () => {
  const last = ticksIn(screen.text).at(-1) ?? 0;
  await screen.shows(new RegExp(`tick-${last + 5}\\b`));
};
const look = async (host: LinkHost) => {
  screen = new Screen(await host.attach('box', terminal), 91, 27);
  await screen.shows(/tick-\d+\r/);
};
/** Moves `box` as the server does, and clears away what stood still. */
const move = async (from: LinkHost, to: LinkHost) => {
  const before = screen.text;
  const moved = await moveContainer(from, to, 'box', 'passage');
  const until = screen.text;
  await ask(from, 'machine.delete', { machine: 'box' });
  await look(to);
  await goesOn();
  return { ...moved, before, until };
};

beforeAll(async () => {
  broker = await TestBroker.start();
  [a, b] = await Promise.all([begin('a'), begin('b')]);
  await create(a, 'box', 'hardened');
  const command = ['/bin/bash', '-c', COUNTER];
  ({ terminal } = await ask(a, 'terminal.open', { machine: 'box', columns: 91, rows: 27, command }));
  await look(a);
  await screen.shows(/tick-5\b/);
}, READY_LIMIT_MS);
afterAll(async () => {
  for (const link of [a, b]) link?.close('the test is over');
  await broker.dispose();
});

describe('a container that moves to another VM', () => {
  const IDENTITY = `hostname; cat /proc/1/uid_map; cat /sys/fs/cgroup/memory.max; cat /root/note; ls /etc/motd 2>&1
    for name in user mnt pid net ipc uts cgroup time; do test -e /proc/1/ns/$name && echo $name; done
    ps -o pid=,sid=,tty=,args= -p 3; stty -F /dev/pts/0 size; ip -brief link show lo | cut -c 1-30`;

  it(
    'goes on where it was: not one line of its terminal is missing, and none is there twice',
    async () => {
      await run(a, 'box', 'echo mine > /root/note; rm /etc/motd');
      const before = await said(a, 'box', IDENTITY);
      expect(before).toContain('27 91');
      const { record, bytes, until, standstillMs } = await move(a, b);
      // It has passed through the second VM's hands as text, less than the container may have in memory.
      expect(bytes).toBeGreaterThan(100_000);
      expect(bytes).toBeLessThan(limits.memory_bytes);
      expect(standstillMs).toBeGreaterThan(0);
      expect(record).toMatchObject({ machine: 'box', state: 'running', labels: { kept: 'yes' } });
      expect(record.terminals).toEqual([{ terminal, state: 'running' }]);
      // What was seen there is the beginning of what is seen here.
      expect(screen.text.startsWith(until)).toBe(true);
      expectNoGap();
      expect(await said(b, 'box', IDENTITY)).toBe(before);
    },
    LIMIT_MS,
  );

  it(
    'moves on from there as well, and its terminal still tells how its program ends',
    async () => {
      await move(b, a);
      expectNoGap();
      expect(await said(a, 'box', 'cat /root/note')).toBe('mine');
      expect((await ask(b, 'machine.list', {})).machines).toHaveLength(1);
      expect(await said(b, 'host', 'ls /run/bulkhead/checkpoints; mount | grep -c ^layer')).toBe('0');
    },
    LIMIT_MS,
  );

  it(
    'is refused where it cannot be made, and goes on where it was',
    async () => {
      const refused = async (message: RegExp) => {
        const moving = moveContainer(a, b, 'box', 'passage');
        await expect(moving).rejects.toMatchObject({ message: expect.stringMatching(message) });
        await goesOn();
        expectNoGap();
      };
      await create(b, 'box', 'hardened');
      await refused(/there is a machine box already/);
      await ask(b, 'machine.delete', { machine: 'box' });
      // A kernel without a feature, as far as CRIU can tell.
      await run(b, 'host', 'sysctl -q user.max_time_namespaces=0');
      await refused(/makes no time namespace for it \(CRIU: Error .*time namespace: No space left/);
      await run(b, 'host', 'sysctl -q user.max_time_namespaces=1000');
      expect((await ask(b, 'machine.list', {})).machines).toHaveLength(1);
      expect(await said(b, 'host', 'ls /run/bulkhead/checkpoints; mount | grep -c ^layer')).toBe('0');
    },
    LIMIT_MS,
  );
});

describe('a checkpoint', () => {
  beforeAll(async () => {
    await create(a, 'nest', 'nested');
  }, LIMIT_MS);

  it(
    'is made while the container goes on, and brings it back to that moment',
    async () => {
      await run(a, 'box', 'echo early > /root/note');
      await ask(a, 'container.checkpoint', { machine: 'box', checkpoint: 'before' });
      await goesOn();
      expectNoGap();
      const { checkpoints } = await ask(a, 'checkpoint.list', {});
      expect(checkpoints).toMatchObject([{ checkpoint: 'before', machine: 'box' }]);
      expect(checkpoints[0]?.processes).toBeGreaterThanOrEqual(2);
      // Echoed between two ticks, and nobody reads it.
      screen.type('late\r');
      await screen.shows(/late/);
      await run(a, 'box', 'echo late > /root/note');
      await ask(a, 'machine.delete', { machine: 'box' });
      await ask(a, 'container.restore', { checkpoint: 'before' });
      await look(a);
      expect(screen.text).not.toContain('late');
      await goesOn();
      expectNoGap();
      expect(await said(a, 'box', 'cat /root/note')).toBe('early');
      // The program is a child of the container's first process, here too, and its end is heard all the same.
      screen.type('\x03');
      await expect
        .poll(() => screen.exit, { timeout: patiently(60_000) })
        .toMatchObject({ by: 'exited', status: 7 });
      await ask(a, 'machine.delete', { machine: 'box' });
    },
    LIMIT_MS,
  );

  it.each([
    ['a name that is taken', 'container.checkpoint', { machine: 'nest', checkpoint: 'before' }, 'exists'],
    ['a machine that is none', 'container.checkpoint', { machine: 'none', checkpoint: 'x' }, 'not_found'],
    ['the VM itself', 'container.checkpoint', { machine: 'host', checkpoint: 'x' }, 'unsupported'],
    ['a name that is no name', 'container.restore', { checkpoint: '../x' }, 'bad_request'],
    ['one that there is not', 'container.restore', { checkpoint: 'never' }, 'not_found'],
    ['one that runs', 'container.resume', { machine: 'nest' }, 'failed'],
    ['one that is not written down', 'container.checkpoint.cancel', { machine: 'nest' }, 'not_found'],
  ] as const)('%s is refused', async (_what, method, params, code) => {
    await expect(ask(a, method, params)).rejects.toMatchObject({ code });
  });

  it('that arrives in pieces which do not fit, or is another than it says, is refused', async () => {
    const write = (offset: number, data: string) =>
      ask(b, 'checkpoint.write', { checkpoint: 'odd', offset, data });
    await write(0, 'aGVsbG8=');
    await expect(write(3, 'aGVsbG8=')).rejects.toMatchObject({ code: 'bad_request', field: 'offset' });
    await expect(write(5, 'a GVs')).rejects.toMatchObject({ code: 'bad_request', field: 'data' });
    await expect(ask(b, 'container.restore', { checkpoint: 'odd' })).rejects.toMatchObject({
      code: 'bad_request',
      message: expect.stringContaining('does not begin with'),
    });
    await ask(b, 'checkpoint.delete', { checkpoint: 'odd' });
    // One of another image: the same archive, with another digest in its description.
    const { data } = await ask(a, 'checkpoint.read', { checkpoint: 'before', offset: 0, length: 65_536 });
    const altered = Buffer.from(data, 'base64')
      .toString('latin1')
      .replace(/("image_digest":")./, '$1#');
    await ask(b, 'checkpoint.write', {
      ...{ checkpoint: 'odd', offset: 0, data: Buffer.from(altered, 'latin1').toString('base64') },
    });
    await expect(ask(b, 'container.restore', { checkpoint: 'odd' })).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('another image'),
    });
    await ask(b, 'checkpoint.delete', { checkpoint: 'odd' });
    await ask(a, 'checkpoint.delete', { checkpoint: 'before' });
  });

  it('is made in VMs and nowhere else', async () => {
    await expect(broker.control.request('checkpoint.list', {})).rejects.toMatchObject({
      code: 'unsupported',
    });
  });
});

describe('what cannot be moved', () => {
  /** Starts a command that stays, and waits until it has done what `is` sees. */
  const background = (command: string, is: string) =>
    `(${command} </dev/null >/dev/null 2>&1 &); until ${is}; do sleep 0.1; done`;
  const SLEEPER = "$(pgrep -f '^sleep 4711$')";
  const outside = 'nsenter --all --target $(pgrep -o catatonit) sleep 4711';
  it.each([
    [
      'an open TCP connection',
      'nest',
      `${background('nc -l 127.0.0.1 5001', 'ss -Hltn | grep -q :5001')}
${background('sleep 4711 | nc 127.0.0.1 5001', 'ss -Htn state established | grep -q :5001')}`,
      /an open TCP connection .*\(CRIU: Error .*Connected TCP socket/,
    ],
    [
      'a user namespace that was made inside',
      'nest',
      background(
        'unshare --user --pid --fork sleep 4711',
        `readlink /proc/${SLEEPER}/ns/user && [ "$(readlink /proc/${SLEEPER}/ns/user)" != "$(readlink /proc/self/ns/user)" ]`,
      ),
      /a user namespace was made inside it.*\(CRIU: Error .*nested user namespace/,
    ],
    [
      'a program that is being traced',
      'nest',
      background('strace -o /dev/null sleep 4711', `grep -qs 'TracerPid:.[1-9]' /proc/${SLEEPER}/status`),
      /is being traced.*\(CRIU: Error .*Unseizable/,
    ],
    [
      'a large file that is deleted and still open',
      'nest',
      background(
        `python3 -c 'import os, time; f = open("/root/big", "wb"); f.write(b"x" * 8000000); f.flush()
os.unlink("/root/big"); time.sleep(4711)'`,
        "ls -l /proc/[0-9]*/fd | grep -q 'big (deleted)'",
      ),
      /more than 4 MiB was deleted.*\(CRIU: Error .*ghost file/,
    ],
    [
      'a program that was put in from outside',
      'host',
      background(outside, `[ -n "${SLEEPER}" ]`),
      /put into container nest from outside/,
    ],
  ] as const)(
    '%s is told in a sentence, with CRIU’s own words, and the container runs on',
    async (_what, where, command, message) => {
      await run(a, where, command);
      const refused = ask(a, 'container.checkpoint', { machine: 'nest', checkpoint: 'never', hold: true });
      await expect(refused).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringMatching(message),
      });
      // Not frozen, nothing of the attempt left, and what was in the way is alive.
      const alive = 'pkill -9 -c -x "sleep|nc|strace|python3.*"';
      expect(Number(await said(a, where === 'host' ? 'host' : 'nest', alive))).toBeGreaterThan(0);
      expect(await said(a, 'host', 'ls /run/bulkhead/checkpoints')).toBe('');
    },
    LIMIT_MS,
  );

  it(
    'and what takes too long, or is called off, runs on too',
    async () => {
      const late = ask(a, 'container.checkpoint', { machine: 'nest', checkpoint: 'late', timeout_ms: 1 });
      await expect(late).rejects.toMatchObject({ message: expect.stringContaining('longer than the 1 ms') });
      const cancelled = ask(a, 'container.checkpoint', { machine: 'nest', checkpoint: 'late', hold: true });
      const told = expect(cancelled).rejects.toMatchObject({
        message: expect.stringContaining('cancelled'),
      });
      await ask(a, 'container.checkpoint.cancel', { machine: 'nest' });
      await told;
      expect(await said(a, 'nest', 'echo runs on')).toBe('runs on');
      expect((await ask(a, 'checkpoint.list', {})).checkpoints).toEqual([]);
    },
    LIMIT_MS,
  );
});
