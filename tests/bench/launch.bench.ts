// How fast a container starts, against its peers and against the least that the kernel takes: `npm run bench -- launch`.
// Rounds are interleaved, so that a busy second meets everybody, and each start is timed twice: after 80 ms of idleness,
// for an interactive start is the cold case, and back to back.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Workshop } from '../integration/bundle.ts';
import {
  buildPrograms,
  type Contender,
  contenders,
  hardened,
  keepStateInMemory,
  type Programs,
  prepareImage,
} from './contenders.ts';
import { describeEnvironment, environment } from './environment.ts';
import { Live, type MemoryPerContainer } from './live.ts';
import { type Summary, summary } from './summary.ts';
import { type Step, type Timing, time } from './timer.ts';

const GAP_MS = 80;
/** Whom the others are compared with, and what share of their time `bulkhead run` may take at most. */
const AT_MOST: Readonly<Record<string, number>> = { 'crun run': 0.3, 'runc run': 0.2, floor: 2 };

type Measured = {
  name: string;
  live: number;
  gapMs: number;
  /** Start to exit. */
  wallMs: Summary;
  /** Start to the payload's first instruction. */
  payloadMs: Summary;
  /** Processor time of everything that was waited for. */
  cpuMs: Summary;
  /** Median start to exit, over that of each of AT_MOST in the same rounds; absent where it was skipped. */
  ratios: Record<string, number>;
};

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '40' },
    live: { type: 'string', default: '0,100,500' },
    crun: { type: 'string', default: 'crun' },
    out: { type: 'string', default: join(import.meta.dirname, '../results/launch.json') },
  },
});
const rounds = Number(options.rounds);
const levels = options.live.split(',').map(Number);
if (!(rounds > 0) || levels.some((live) => !(live >= 0)))
  throw new Error(
    'usage: npm run bench -- launch [--rounds=40] [--live=0,100,500] [--crun=PROGRAM] [--out=FILE]',
  );

const summarise = (
  names: readonly string[],
  timings: readonly Timing[],
  live: number,
  gapMs: number,
): Measured[] => {
  const measured = names.map((name) => {
    const own = timings.filter((timing) => timing.name === name);
    const payload = own.flatMap(({ payloadMs }) => (payloadMs === undefined ? [] : [payloadMs]));
    const wallMs = summary(own.map((timing) => timing.wallMs));
    const cpuMs = summary(own.map((timing) => timing.cpuMs));
    return { name, live, gapMs, wallMs, payloadMs: summary(payload), cpuMs, ratios: {} };
  });
  return measured.map((one) => ({
    ...one,
    ratios: Object.fromEntries(
      Object.keys(AT_MOST).flatMap((name) => {
        const other = measured.find((it) => it.name === name);
        return other ? [[name, one.wallMs.median / other.wallMs.median]] : [];
      }),
    ),
  }));
};

/** create, start, exec and delete of one container, each timed for itself, after a gap. */
const verbs = (shop: Workshop, programs: Programs): Measured[] => {
  const bundle = hardened(shop, 'verbs', 0, ['/bin/payload', 'stay']);
  const step = (name: string, ...args: string[]): Step => ({
    group: 'verbs',
    name,
    command: [programs.bulkhead, '--root', shop.state, ...args],
  });
  const steps = [
    step('create', 'create', '--bundle', bundle, 'bench-verbs'),
    step('start', 'start', 'bench-verbs'),
    step('exec', 'exec', 'bench-verbs', '/bin/payload'),
    step('delete --force', 'delete', '--force', 'bench-verbs'),
  ];
  const names = steps.map(({ name }) => name);
  return summarise(names, time(programs.timer, steps, rounds, GAP_MS), 0, GAP_MS);
};

const print = (title: string, rows: readonly Measured[]): void => {
  // A number with two places; NaN, of what has none, as an empty cell.
  const short = (value: number): number | string =>
    Number.isNaN(value) ? '' : Math.round(value * 100) / 100;
  console.log(`\n${title}`);
  console.table(
    Object.fromEntries(
      rows.map(({ name, wallMs, payloadMs, cpuMs, ratios }) => [
        name,
        {
          'median ms': short(wallMs.median),
          p90: short(wallMs.p90),
          min: short(wallMs.min),
          'to payload': short(payloadMs.median),
          processor: short(cpuMs.median),
          ...Object.fromEntries(Object.entries(ratios).map(([other, ratio]) => [`× ${other}`, short(ratio)])),
        },
      ]),
    ),
  );
};

/** How the cold medians of bulkhead stand to what they may be at most. */
const printBudgets = (launches: readonly Measured[]): void => {
  const cold = launches.filter(({ name, gapMs }) => name === 'bulkhead run' && gapMs > 0);
  console.log('\nBudgets of `bulkhead run` after a gap:');
  for (const [other, most] of Object.entries(AT_MOST)) {
    const found = cold.map(({ live, ratios }) => {
      const ratio = ratios[other];
      return `${ratio === undefined ? 'not measured' : ratio.toFixed(2)} at ${live} live`;
    });
    console.log(`  at most ${most} × ${other}: ${found.join(', ')}`);
  }
  const [first, last] = [cold[0], cold.at(-1)];
  if (first && last && last.live > first.live) {
    const growth = last.wallMs.median / first.wallMs.median;
    console.log(
      `  flat: with ${last.live} live containers ${growth.toFixed(2)} of the time with ${first.live}`,
    );
  }
};

const run = (shop: Workshop): void => {
  const before = environment();
  const programs = buildPrograms(shop.directory);
  prepareImage(shop, programs);
  const { able, skipped } = contenders(shop, programs, options.crun);
  const live = new Live(shop, programs);
  const launches: Measured[] = [];
  const memory: MemoryPerContainer[] = [];
  let lifecycle: Measured[] = [];
  const asStep = ({ name, command }: Contender): Step => ({ group: name, name, command });
  try {
    lifecycle = verbs(shop, programs);
    for (const count of [...levels].sort((a, b) => a - b)) {
      const cost = live.grow(count);
      if (cost) memory.push(cost);
      for (const gapMs of [GAP_MS, 0]) {
        const timings = time(programs.timer, able.map(asStep), rounds, gapMs);
        const names = able.map(({ name }) => name);
        launches.push(...summarise(names, timings, count, gapMs));
      }
    }
  } finally {
    live.end();
  }
  const after = environment();
  console.log(`\nStart of a container to its exit, ms, ${rounds} interleaved rounds`);
  console.log(describeEnvironment(before, after));
  for (const { name, what } of able) console.log(`  ${name}: ${what}`);
  for (const { name, reason } of skipped) console.log(`  ${name}: ${reason}`);
  for (const count of levels)
    for (const gapMs of [GAP_MS, 0])
      print(
        `${count} live containers, ${gapMs > 0 ? `a ${gapMs} ms gap before each start` : 'back to back'}`,
        launches.filter((one) => one.live === count && one.gapMs === gapMs),
      );
  printBudgets(launches);
  print(
    `bulkhead's other verbs, a ${GAP_MS} ms gap before each`,
    lifecycle.map((one) => ({ ...one, ratios: {} })),
  );
  if (memory.length > 0) {
    console.log('\nMemory for each live container, KiB');
    console.table(memory);
  }
  mkdirSync(dirname(options.out), { recursive: true });
  writeFileSync(
    options.out,
    JSON.stringify(
      { before, after, rounds, contenders: able, skipped, launches, verbs: lifecycle, memory },
      null,
      2,
    ),
  );
};

const shop = new Workshop();
const memory = keepStateInMemory(shop);
try {
  run(shop);
} finally {
  try {
    shop.end();
  } finally {
    rmSync(memory, { recursive: true, force: true });
  }
}
