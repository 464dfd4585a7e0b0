// A guest's root against everything that the guest can reach of the host: the devices that QEMU makes for it, and the link,
// on which it speaks as its own broker. Meanwhile somebody else types into a container and into a VM.
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SocketHost } from '../../sandbox-server/src/broker/socket.ts';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import { Learner, type RemoteTerminal } from '../integration/learner.ts';
import { type Stack, startStack } from '../integration/stack.ts';
import { processStatus } from '../integration/vm.ts';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { buildAttempts } from './arena.ts';
import { Copies } from './copies.ts';

/** From a key press to its echo, on a machine that is busy with the attack. */
const ECHO_BUDGET_MS = patiently(1_000);

const directory = temporaryFolder('escape');
const program = join(directory, 'attempts');
const vm = { name: 'vm', kind: 'vm', start: 'template', columns: 80, rows: 24 } as const;
let stack: Stack;
let broker: SocketHost;
let copies: Copies;
let neighbour: { learner: Learner; id: string; screens: RemoteTerminal[] };

beforeAll(async () => {
  buildAttempts(program);
  stack = await startStack();
  broker = new SocketHost(join(stack.state, 'run/control.sock'));
  await broker.start();
  copies = new Copies(broker, stack.state, program);
  const learner = await Learner.arrive(stack.url);
  const box = { name: 'box', kind: 'container', columns: 80, rows: 24 } as const;
  const { id } = await learner.create([box, vm]);
  const screens: RemoteTerminal[] = [];
  for (const { name } of [box, vm]) {
    const sandbox = await learner.waitFor(id, name, 'running');
    const view = sandbox.machines.find((one) => one.name === name);
    const screen = learner.terminal(id, name, view?.terminals[0]?.terminal ?? '');
    await screen.attach();
    await screen.see(/[#$] $/);
    screens.push(screen);
  }
  neighbour = { learner, id, screens };
}, patiently(180_000));
afterAll(async () => {
  copies.close();
  broker.close();
  await stack.stop();
  rmSync(directory, { recursive: true });
});

/** Milliseconds until each of the neighbour's terminals has echoed a key. */
const echoes = (): Promise<number[]> =>
  Promise.all(
    neighbour.screens.map(async (screen) => {
      const [began, length] = [performance.now(), screen.length];
      screen.type('x');
      await screen.seeBytes(length + 1, patiently(20_000));
      return performance.now() - began;
    }),
  );

/** Types beside an attack until it is over, and gives all times to an echo. */
const beside = async <T>(attack: Promise<T>): Promise<{ said: T; times: number[] }> => {
  let over = false;
  const done = attack.finally(() => {
    over = true;
  });
  const times: number[] = [];
  while (!over) times.push(...(await echoes()));
  return { said: await done, times: times.sort((a, b) => a - b) };
};

const expectUnharmed = (what: string, times: number[]) => {
  const at = (part: number) => Math.round(times[Math.floor((times.length - 1) * part)] ?? 0);
  console.info(`${what}: echo median ${at(0.5)} ms, 95 % ${at(0.95)} ms, worst ${at(1)} ms`);
  expect(at(0.95)).toBeLessThan(ECHO_BUDGET_MS);
};

/** What the host's disk holds for a machine, in bytes. */
const onDisk = (machine: string): number =>
  readdirSync(join(stack.state, 'run/machines', machine), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);

/** Dead, or as confined as it was. */
const confinedOrDead = async (machine: string): Promise<string> => {
  const record = await copies.record(machine);
  if (record?.state !== 'running') return `dead: ${record?.exit}`;
  try {
    expect(processStatus(record.pid ?? 0, 'Seccomp')).toBe('2');
    expect(processStatus(record.pid ?? 0, 'CapEff')).toMatch(/^0+$/);
    return 'confined';
  } catch (error) {
    if (existsSync(`/proc/${record.pid}`)) throw error;
    await expect
      .poll(async () => (await copies.record(machine))?.state, { timeout: patiently(10_000) })
      .toBe('exited');
    return confinedOrDead(machine);
  }
};

describe('a guest’s root at its devices', () => {
  const ATTACKS = [
    // After a line that cannot be cut just anywhere.
    ['garbage to I/O ports', "printf 'é%.0s' $(seq 200) > /dev/ttyS0; /root/attempts poke_ports"],
    ['garbage to configuration space', '/root/attempts poke_pci'],
    ['garbage to registers', '/root/attempts poke_windows'],
    ['orders to the firmware’s DMA, to write anywhere', '/root/attempts fw_cfg_dma'],
    ['queues of the disk, out of memory and in circles', '/root/attempts wild_queues 1'],
    ['queues of the serial ports, those included that nobody opened', '/root/attempts wild_queues 3'],
    ['the serial console, flooded', '/root/attempts flood_serial'],
    [
      'its disk and its memory, filled',
      'cat /dev/zero 2>&1 > /root/fill; sh -c "cat /dev/zero > /dev/vda" 2>&1; echo GOT $(df --output=pcent / | tail -n 1)',
    ],
  ] as const;
  /** What answers at all does so after a second; filling a disk takes what it takes. */
  const limitOf = (command: string) => (command.includes('/root/attempts') ? 2_500 : 60_000);
  type Outcome = { said: string; state: string; grown: number; memory: number };
  const outcomes = new Map<string, Outcome>();

  /** One attack in a VM of its own, which is deleted afterwards, whatever has become of it. */
  const attack = async (at: number, command: string): Promise<Outcome> => {
    const machine = `attacker-${at}`;
    const copy = await copies.make(machine);
    await copies.arm(copy);
    const before = onDisk(machine);
    const said = await copies.run(copy, command, limitOf(command));
    const { memory_bytes } = await broker.request('machine.stats', { machine });
    const state = await confinedOrDead(machine);
    const grown = onDisk(machine) - before;
    await broker.request('machine.delete', { machine }, { timeoutMs: 60_000 });
    return { said, state, grown, memory: memory_bytes ?? 0 };
  };

  it(
    'three at a time: others’ terminals echo as they should',
    async () => {
      const left = [...ATTACKS.entries()];
      const attackers = [0, 1, 2].map(async () => {
        for (let next = left.shift(); next; next = left.shift()) {
          const [at, [what, command]] = next;
          outcomes.set(what, await attack(at, command));
        }
      });
      const { times } = await beside(Promise.all(attackers));
      expectUnharmed('three attackers', times);
    },
    patiently(180_000),
  );

  it.each(ATTACKS)('%s: QEMU is confined or dead, and the host has lost nothing', (what) => {
    const { said, state, grown, memory } = outcomes.get(what) ?? expect.fail('it was not tried');
    console.info(`${what}: ${state}; the guest said: ${said.replaceAll('\n', ' / ')}`);
    // What it did to itself may have kept it from telling.
    expect(said).toMatch(/GOT|^NO ANSWER/);
    if (what.includes('filled')) expect(said).toMatch(/No space left[\s\S]*(not permitted|denied|Read-only)/);
    expect(state).toMatch(/^(confined|dead: (QEMU was killed by signal 6|the guest|its kernel))/);
    expect(grown).toBeLessThan(65_536 + 8_192); // the console’s log, full
    expect(memory).toBeLessThan((256 + 256) * 2 ** 20); // what its control group lets it have
  });
});

describe('a guest whose broker is a stranger’s', () => {
  const WAYS = 'zeros noise tiny events closes deep long hellos ids absurd crowds channels deaf'.split(' ');
  const SECONDS = 0.5;

  it(
    'may say what it likes, and not listen: other terminals echo, and the server stays as it was',
    async () => {
      const learner = await Learner.arrive(stack.url);
      const { id } = await learner.create([vm]);
      await learner.waitFor(id, 'vm', 'running');
      const script = readFileSync(join(import.meta.dirname, 'attempts/hostile-broker.pl'), 'utf8');
      // Out of the way of exec, which ends what it has started.
      const start = `setsid perl /root/broker.pl ${SECONDS} ${WAYS.join(' ')} > /root/said 2>&1 < /dev/null &`;
      const bring = `echo ${gzipSync(script).toString('base64')} | base64 -d | gunzip > /root/broker.pl`;
      const command = ['/bin/sh', '-c', `${bring}; ${start}`];
      const started = await learner.ask('POST', apiPaths.exec(id, 'vm'), { command });
      expect(started).toMatchObject({ status: 200, body: { status: 0, stderr: '' } });
      const rss = () => Number(/\d+/.exec(processStatus(stack.serverPid, 'VmRSS'))?.[0]) * 1_024;
      const before = rss();
      let most = 0;
      // The stranger's own page meanwhile: it asks for a terminal, and is answered something in the end.
      const asking = async () => {
        const end = performance.now() + WAYS.length * SECONDS * 1_000;
        while (performance.now() < end) {
          const size = { columns: 80, rows: 24 };
          const { status } = await learner.ask('POST', apiPaths.terminals(id, 'vm'), size);
          expect(status).not.toBe(404);
          most = Math.max(most, rss());
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      };
      // And has it moved and saved, while it speaks: neither asks the guest.
      const moving = async () => {
        expect((await learner.ask('POST', apiPaths.migration(id, 'vm'))).status).toBe(200);
        expect((await learner.ask('PUT', apiPaths.snapshot(id, 'vm', 'noisy'))).status).toBe(201);
      };
      const { times } = await beside(Promise.all([asking(), moving()]));
      expectUnharmed('a hostile broker', times);
      expect(most - before).toBeLessThan(128 * 2 ** 20);
      const { said } = await beside(learner.end(id));
      expect(said.status).toBe(204);
      expect(stack.said).not.toMatch(/unhandled|uncaught|"level":60/i);
      expect((await broker.request('probe', {})).depth).toBe('host');
    },
    patiently(120_000),
  );
});
