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
/** Whom the others are compared with, by the budgets of launch time. */
const AGAINST = ['crun run', 'runc run', 'floor'] as const;

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
  /** Median start to exit, over that of each of AGAINST in the same rounds; absent where it was skipped. */
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
      AGAINST.flatMap((name) => {
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
  const ms = (value: number): string => (Number.isNaN(value) ? '' : value.toFixed(2));
  console.log(`\n${title}`);
  console.table(
    Object.fromEntries(
      rows.map(({ name, wallMs, payloadMs, cpuMs, ratios }) => [
        name,
        {
          'median ms': ms(wallMs.median),
          p90: ms(wallMs.p90),
          min: ms(wallMs.min),
          'to payload': ms(payloadMs.median),
          processor: ms(cpuMs.median),
          ...Object.fromEntries(
            Object.entries(ratios).map(([other, ratio]) => [`× ${other}`, ratio.toFixed(2)]),
          ),
        },
      ]),
    ),
  );
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
