// What a VM costs, booted and copied from a template: `npm run bench -- vm`. Times from the request to the answer of a first
// command and to the prompt of a first shell, moves and snapshots, and what 1, 20, 100 and 200 idle VMs cost the host
// together: memory, processor, and how long a key takes to come back.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { LinkHost } from '../../sandbox-server/src/broker/link.ts';
import { MIB, TestBroker } from '../integration/broker.ts';
import { Screen } from '../integration/vm.ts';
import { describeEnvironment, environment } from './environment.ts';
import { type Summary, summary } from './summary.ts';

const { values: options } = parseArgs({
  options: {
    boots: { type: 'string', default: '5' },
    copies: { type: 'string', default: '20' },
    moves: { type: 'string', default: '5' },
    live: { type: 'string', default: '1,20,100,200' },
    out: { type: 'string', default: join(import.meta.dirname, '../results/vm.json') },
  },
});
const levels = options.live.split(',').map(Number);
/** An idle VM has settled when its first shell has been started and its kernel's own work after that is done. */
const SETTLE_MS = 5_000;
const WATCH_MS = 10_000;
/** Key presses that are timed at each level, each in another VM. */
const KEYS = 20;
const PATIENCE_MS = 60_000;
const limits = { memory_bytes: 256 * MIB, cpu_millis: 1_000 };

interface Vm {
  name: string;
  pid: number;
  link: LinkHost;
  screen: Screen;
}
/** Milliseconds from the request. */
interface Start {
  created: number;
  command: number;
  prompt: number;
}

const broker = await TestBroker.start(['--max-machines', '400']);
const before = environment();
let count = 0;

const start = async (how: 'boot' | 'template'): Promise<{ vm: Vm; times: Start }> => {
  const name = `v${++count}`;
  const began = performance.now();
  const { machine } = await broker.control.request('vm.create', {
    ...{ machine: name, image: 'vm', hostname: name, limits, labels: {}, start: how },
  });
  const created = performance.now() - began;
  const link = new LinkHost(join(broker.state, 'run/machines', name, 'link.sock'));
  await link.greeted(PATIENCE_MS);
  await link.request('exec', {
    ...{ machine: 'host', command: ['/bin/true'], timeout_ms: PATIENCE_MS, max_output_bytes: 0 },
  });
  const command = performance.now() - began;
  const { terminal } = await link.request('terminal.open', { machine: 'host', columns: 80, rows: 24 });
  const screen = new Screen(await link.attach('host', terminal), 80, 24);
  await screen.shows(/# $/);
  const times = { created, command, prompt: performance.now() - began };
  return { vm: { name, pid: machine.pid ?? 0, link, screen }, times };
};

const end = async ({ name, link }: Vm): Promise<void> => {
  link.close('the benchmark is done with it');
  await broker.control.request('machine.delete', { machine: name });
};

const many = async (times: number, measure: () => Promise<Start>): Promise<Record<keyof Start, Summary>> => {
  const all: Start[] = [];
  for (let i = 0; i < times; i++) all.push(await measure());
  const of = (key: keyof Start) => summary(all.map((one) => one[key]));
  return { created: of('created'), command: of('command'), prompt: of('prompt') };
};
const startAndEnd = (how: 'boot' | 'template') => async (): Promise<Start> => {
  const { vm, times } = await start(how);
  await end(vm);
  return times;
};

/** Moves, a snapshot and a return to it, of one VM whose terminal prints all the time. */
const measureMoves = async (times: number) => {
  const { vm } = await start('boot');
  vm.screen.type('while sleep 0.02; do echo tick; done\r');
  const totals: number[] = [];
  const pauses: number[] = [];
  const megabytes: number[] = [];
  for (let i = 0; i < times; i++) {
    const { figures } = await broker.control.request('vm.migrate', { machine: vm.name });
    totals.push(figures.elapsed_ms ?? Number.NaN);
    pauses.push(figures.pause_ms ?? Number.NaN);
    megabytes.push((figures.transferred_bytes ?? Number.NaN) / MIB);
  }
  const timed = async (method: 'vm.snapshot.save' | 'vm.snapshot.restore'): Promise<number> => {
    const began = performance.now();
    await broker.control.request(method, { machine: vm.name, snapshot: 'bench' });
    return performance.now() - began;
  };
  const moves = { total: summary(totals), pause: summary(pauses), megabytes: summary(megabytes) };
  const snapshot = { saveMs: await timed('vm.snapshot.save'), restoreMs: await timed('vm.snapshot.restore') };
  await end(vm);
  return { moves, snapshot };
};

const field = (path: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(path, 'utf8'))?.[1] ?? Number.NaN);
/** Processor time of a process so far, in milliseconds. */
const cpuMs = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
};
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What the VMs that are there cost, all together. */
const measureIdle = async (vms: readonly Vm[], availableAtFirst: number) => {
  await pause(SETTLE_MS);
  const cpuBefore = vms.reduce((sum, { pid }) => sum + cpuMs(pid), 0);
  await pause(WATCH_MS);
  const cores = (vms.reduce((sum, { pid }) => sum + cpuMs(pid), 0) - cpuBefore) / WATCH_MS;
  const echoes: number[] = [];
  for (let i = 0; i < KEYS; i++) {
    const vm = vms[Math.floor((i * vms.length) / KEYS)];
    if (!vm) continue;
    const began = performance.now();
    vm.screen.type(`echo key-$((${i} + 1000))\r`);
    await vm.screen.shows(new RegExp(`key-${i + 1000}`));
    echoes.push(performance.now() - began);
  }
  const pss = vms.reduce((sum, { pid }) => sum + field(`/proc/${pid}/smaps_rollup`, 'Pss'), 0) / 1_024;
  const used = (availableAtFirst - field('/proc/meminfo', 'MemAvailable')) / 1_024;
  return {
    vms: vms.length,
    pssMbEach: pss / vms.length,
    hostMbEach: used / vms.length,
    idleCores: cores,
    echo: summary(echoes),
  };
};

const measureLevels = async () => {
  const found: Awaited<ReturnType<typeof measureIdle>>[] = [];
  const vms: Vm[] = [];
  // The template is there before, as its memory is there once for all.
  await end((await start('template')).vm);
  const available = field('/proc/meminfo', 'MemAvailable');
  for (const level of levels) {
    while (vms.length < level) vms.push((await start('template')).vm);
    found.push(await measureIdle(vms, available));
  }
  for (const vm of vms) await end(vm);
  return found;
};

const round = (value: number): number => Math.round(value * 10) / 10;
const row = ({ median, p90, max, runs }: Summary) => ({
  median: round(median),
  p90: round(p90),
  max: round(max),
  runs,
});

try {
  const boots = await many(Number(options.boots), startAndEnd('boot'));
  const first = await startAndEnd('template')();
  const copies = await many(Number(options.copies), startAndEnd('template'));
  const { moves, snapshot } = await measureMoves(Number(options.moves));
  const idle = await measureLevels();
  const after = environment();

  console.log('\nVMs of 256 MiB under emulation; milliseconds unless stated');
  console.log(describeEnvironment(before, after));
  console.table({
    'boot: first command answered': row(boots.command),
    'boot: prompt': row(boots.prompt),
    'copy: vm.create answered': row(copies.created),
    'copy: first command answered': row(copies.command),
    'copy: prompt': row(copies.prompt),
    'move: in all': row(moves.total),
    'move: the VM stands still': row(moves.pause),
    'move: MB sent': row(moves.megabytes),
  });
  console.log(
    `The first copy, which waits for its template: prompt after ${round(first.prompt)} ms. ` +
      `A snapshot: saved in ${round(snapshot.saveMs)} ms, returned to in ${round(snapshot.restoreMs)} ms.`,
  );
  console.table(
    idle.map((one) => ({
      'idle VMs': one.vms,
      'PSS of QEMU, MB each': round(one.pssMbEach),
      'host memory, MB each': round(one.hostMbEach),
      'cores, all': Math.round(one.idleCores * 100) / 100,
      'echo median, ms': round(one.echo.median),
      'echo max, ms': round(one.echo.max),
    })),
  );
  mkdirSync(dirname(options.out), { recursive: true });
  writeFileSync(
    options.out,
    JSON.stringify({ before, after, boots, first, copies, moves, snapshot, idle }, null, 2),
  );
} finally {
  await broker.dispose();
}
