// What a VM costs, booted and copied from a template: `npm run bench -- vm`. Times from the request to the first prompt and
// to the answer of a first command, moves and snapshots, and what 1, 20, 100 and 200 idle VMs cost the host together, at
// last with 200 containers beside them: memory, processor, and how long each terminal takes to answer.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { MIB, TestBroker } from '../integration/broker.ts';
import { describeEnvironment, environment } from './environment.ts';
import { type Idle, measureLevels } from './idle.ts';
import { firstCommand, startVm, type Times } from './machines.ts';
import { type Summary, summary } from './summary.ts';

const { values: options } = parseArgs({
  options: {
    boots: { type: 'string', default: '5' },
    copies: { type: 'string', default: '40' },
    moves: { type: 'string', default: '5' },
    live: { type: 'string', default: '1,20,100,200' },
    containers: { type: 'string', default: '200' },
    out: { type: 'string', default: join(import.meta.dirname, '../results/vm.json') },
  },
});
const levels = options.live.split(',').map(Number);
/** Before each start: somebody's click is the cold case. */
const GAP_MS = 150;
/** Beyond the machines: the template's, and the one that is measured. */
const SPARE = 8;

const most = Math.max(...levels) + Number(options.containers) + SPARE;
const broker = await TestBroker.start(['--max-machines', `${most}`]);
const before = environment();

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const repeat = async <T>(times: number, measure: () => Promise<T>): Promise<T[]> => {
  const all: T[] = [];
  for (let i = 0; i < times; i++) {
    await pause(GAP_MS);
    all.push(await measure());
  }
  return all;
};
const startAndEnd = (how: 'boot' | 'template') => async (): Promise<Times> => {
  const [vm, times] = await startVm(broker, how);
  await vm.end();
  return times;
};
const measureStarts = async (how: 'boot' | 'template', times: number) => {
  const starts = await repeat(times, startAndEnd(how));
  // As many, but for booting, of which the shell is a small part.
  const commands = await repeat(how === 'boot' ? 1 : times, () => firstCommand(broker, how));
  return {
    created: summary(starts.map(({ created }) => created)),
    prompt: summary(starts.map(({ prompt }) => prompt)),
    command: summary(commands),
  };
};

/** Moves, a snapshot and a return to it, of one VM whose terminal prints all the time. */
const measureMoves = async (times: number) => {
  const [vm] = await startVm(broker, 'boot');
  vm.screen.type('while sleep 0.02; do echo tick; done\r');
  const moved = await repeat(times, () => broker.control.request('vm.migrate', { machine: vm.name }));
  const all = (read: (figures: (typeof moved)[number]['figures']) => number | undefined): Summary =>
    summary(moved.map(({ figures }) => read(figures) ?? Number.NaN));
  const timed = async (method: 'vm.snapshot.save' | 'vm.snapshot.restore'): Promise<number> => {
    const began = performance.now();
    await broker.control.request(method, { machine: vm.name, snapshot: 'bench' });
    return performance.now() - began;
  };
  const moves = {
    total: all(({ elapsed_ms }) => elapsed_ms),
    pause: all(({ pause_ms }) => pause_ms),
    megabytes: all(({ transferred_bytes }) => (transferred_bytes ?? Number.NaN) / MIB),
  };
  const snapshot = { saveMs: await timed('vm.snapshot.save'), restoreMs: await timed('vm.snapshot.restore') };
  await vm.end();
  return { moves, snapshot };
};

const round = (value: number, digits = 1): number | '' =>
  Number.isNaN(value) ? '' : Number(value.toFixed(digits));
const row = ({ median, p90, p99, max, runs }: Summary) => ({
  median: round(median),
  p90: round(p90),
  p99: round(p99),
  max: round(max),
  runs,
});
const idleRow = (one: Idle) => ({
  VMs: one.vms,
  containers: one.containers,
  'PSS a QEMU, MB': round(one.pssMbEach),
  'host memory, MB': round(one.hostMb, 0),
  'cores: QEMU': round(one.qemuCores, 2),
  'cores: host': round(one.hostCores, 2),
  'VM echo p50': round(one.echoVm.median),
  p99: round(one.echoVm.p99),
  max: round(one.echoVm.max),
  'container echo p50': round(one.echoContainer.median),
  'its p99': round(one.echoContainer.p99),
  'its max': round(one.echoContainer.max),
});

try {
  const boots = await measureStarts('boot', Number(options.boots));
  const first = await startAndEnd('template')();
  const copies = await measureStarts('template', Number(options.copies));
  const { moves, snapshot } = await measureMoves(Number(options.moves));
  const idle = await measureLevels(broker, levels, Number(options.containers));
  const after = environment();

  console.log('\nVMs of 256 MiB under emulation; milliseconds unless stated');
  console.log(describeEnvironment(before, after));
  console.table({
    'boot: prompt': row(boots.prompt),
    'boot: first command answered': row(boots.command),
    'copy: vm.create answered': row(copies.created),
    'copy: prompt': row(copies.prompt),
    'copy: first command answered': row(copies.command),
    'move: in all': row(moves.total),
    'move: the VM stands still': row(moves.pause),
    'move: MB sent': row(moves.megabytes),
  });
  console.log(
    `The first copy, which waits for its template: prompt after ${round(first.prompt)} ms. ` +
      `A snapshot: saved in ${round(snapshot.saveMs)} ms, returned to in ${round(snapshot.restoreMs)} ms.`,
  );
  console.table(idle.map(idleRow));
  mkdirSync(dirname(options.out), { recursive: true });
  writeFileSync(
    options.out,
    JSON.stringify({ before, after, boots, first, copies, moves, snapshot, idle }, null, 2),
  );
} finally {
  await broker.dispose();
}
