// `npm test`: sets everything up, runs every check and every test, and closes with `N passed, N failed, N skipped`.
// `npm test -- unit` runs the suites whose names start with `unit` only.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureRoot, interruptRunning, isRoot, run } from './privilege.ts';
import { duration, PlainError } from './progress.ts';
import { IMAGES, PROGRAMS, ROOT, setUp } from './setup.ts';
import { checkDistribution, distribution } from './system-packages.ts';
import { buildTabImage } from './tab-image.ts';
import { type Count, LANES, RESULTS, type Suite } from './test-suites.ts';

const NO_TAB: Count = {
  passed: 0,
  failed: 1,
  skipped: 0,
  names: ['the Linux for the tab could not be built'],
};

/** How many times longer than alone a suite may wait (tests/patience.ts) where it shares the processors with another one, and
 * with what they emulate. */
const PATIENCE = '3';

/** What a suite came to, and how long it took (milliseconds). */
type Outcome = Count & { readonly ms: number };

const runSuite = async (suite: Suite, onLine: (line: string) => void): Promise<Count> => {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    PATH: `${join(ROOT, 'node_modules/node/bin')}:${process.env.PATH}`,
    BULKHEAD_IMAGES: IMAGES,
    BULKHEAD_PROGRAMS: PROGRAMS,
    BULKHEAD_PATIENCE: process.env.BULKHEAD_PATIENCE ?? PATIENCE,
    ASTRO_TELEMETRY_DISABLED: '1',
    ...suite.env,
  };
  // sudo empties the environment; what the tests need of it goes along by name.
  const kept = ['PATH', 'BULKHEAD_IMAGES', 'BULKHEAD_PROGRAMS', 'BULKHEAD_PATIENCE', 'CI'];
  kept.push(...Object.keys(suite.env ?? {}));
  const throughSudo = suite.root && !isRoot;
  const prefix = throughSudo
    ? ['env', ...kept.flatMap((name) => (env[name] ? [`${name}=${env[name]}`] : []))]
    : [];
  const [program = '', ...args] = [
    ...(suite.patient ? ['nice', '-n', '10'] : []),
    ...prefix,
    ...suite.command,
  ];
  const { status, stdout, stderr } = await run(program, args, {
    root: suite.root ?? false,
    cwd: suite.cwd ?? ROOT,
    env,
    onLine,
  });
  if (!suite.count) return { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
  const counted = await Promise.resolve()
    .then(() => suite.count?.(stdout + stderr) ?? { passed: 0, failed: 0, skipped: 0 })
    .catch(() => ({ passed: 0, failed: 0, skipped: 0 }));
  // A runner that died, or found nothing to run, has failed whatever it counted.
  if (counted.failed === 0 && (status !== 0 || counted.passed === 0)) counted.failed = 1;
  return counted;
};

/** One line of the table. */
const row = (name: string, { passed, failed, skipped, ms }: Outcome): string =>
  `${name.padEnd(20)} ${String(passed).padStart(5)} passed ${String(failed).padStart(3)} failed ${String(skipped).padStart(3)} skipped   ${duration(ms)}`;

/** A failure in so many lines that a dozen of them still fit a screen. */
const indented = (text: string): string => text.split('\n').slice(0, 8).join('\n    ');

/** Tells that something goes on, where nobody would know: each second on a terminal, each minute in a log. Returns the end. */
const tellWhatRuns = (running: ReadonlyMap<string, number>): (() => void) => {
  const onTerminal = process.stdout.isTTY === true;
  const tell = (): void => {
    const each = [...running].map(([name, began]) => `${name} ${duration(performance.now() - began)}`);
    const line = `  still running: ${each.join(', ')}`;
    if (onTerminal) process.stdout.write(`\r\x1b[K${line.slice(0, (process.stdout.columns ?? 80) - 1)}`);
    else console.log(line);
  };
  const ticker = setInterval(tell, onTerminal ? 1_000 : 60_000);
  return () => clearInterval(ticker);
};

/** What the lanes have come to, and since when each suite runs that does. */
type Progress = { readonly outcomes: Map<string, Outcome>; readonly running: Map<string, number> };

/** Runs the suites of a lane one after the other. `alone`: whoever asked for one suite wants to see it run; two at once would
 * talk across each other, so each is silent until it ends, and then only a failure says all. */
const runLane = async (
  lane: readonly Suite[],
  { outcomes, running }: Progress,
  tabImage: Promise<boolean>,
  { alone, signal }: { alone: boolean; signal: AbortSignal },
): Promise<void> => {
  for (const suite of lane) {
    // It is not the suite that takes so long to build an image.
    const hasImage = !suite.tab || (await tabImage);
    if (signal.aborted) return;
    const began = performance.now();
    running.set(suite.name, began);
    const said: string[] = [];
    const hear = (line: string): void => {
      said.push(line);
      if (alone) print(`  ${line}`);
    };
    const count = hasImage ? await runSuite(suite, hear).catch(notRun) : NO_TAB;
    running.delete(suite.name);
    const outcome = { ...count, ms: performance.now() - began };
    outcomes.set(suite.name, outcome);
    writeFileSync(join(RESULTS, `${suite.name.replace(/\W+/g, '-')}.log`), `${said.join('\n')}\n`);
    if (outcome.failed > 0 && !alone)
      print([`\n== ${suite.name}`, ...said.map((line) => `  ${line}`), ''].join('\n'));
    print(row(suite.name, outcome));
  }
};

const notRun = (error: Error): Count => ({ passed: 0, failed: 1, skipped: 0, names: [error.message] });

const main = async (): Promise<number> => {
  const wanted = process.argv.slice(2);
  const isWanted = ({ name }: Suite): boolean =>
    wanted.length === 0 || wanted.some((one) => name.startsWith(one));
  const lanes = LANES.map((lane) => lane.filter(isWanted));
  const suites = lanes.flat();
  if (suites.length === 0) {
    const all = LANES.flat().map(({ name }) => name);
    throw new PlainError(`no suite is called ${wanted.join(' ')}; there are: ${all.join(', ')}`);
  }
  checkDistribution(distribution());
  ensureRoot();
  const interrupt = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      interrupt.abort();
      interruptRunning();
    });

  await setUp({ state: '/var/lib/bulkhead', images: IMAGES, forTests: true, steps: 5 });
  rmSync(RESULTS, { recursive: true, force: true });
  mkdirSync(RESULTS, { recursive: true });
  // Minutes, the first time, and after a change to native/ one: beside the other suites, and as nice as those that only compute.
  const tabImage = suites.some(({ tab }) => tab)
    ? buildTabImage(IMAGES, (line) => print(`  (${line})`), { nice: 10 })
    : Promise.resolve(true);
  console.log('');
  const progress: Progress = { outcomes: new Map(), running: new Map() };
  const { signal } = interrupt;
  const alone = suites.length === 1;
  const silence = alone ? () => {} : tellWhatRuns(progress.running);
  await Promise.all(lanes.map((lane) => runLane(lane, progress, tabImage, { alone, signal })));
  silence();
  return signal.aborted ? 1 : close(suites, progress.outcomes);
};

/** Says what it all came to. Returns the status to end with. */
const close = (suites: readonly Suite[], outcomes: ReadonlyMap<string, Outcome>): number => {
  const total: Count = { passed: 0, failed: 0, skipped: 0 };
  const lines: string[] = [];
  const failures: string[] = [];
  for (const { name } of suites) {
    const outcome = outcomes.get(name);
    if (!outcome) continue;
    total.passed += outcome.passed;
    total.failed += outcome.failed;
    total.skipped += outcome.skipped;
    failures.push(...(outcome.names ?? []).map((test) => `FAILED ${name}: ${indented(test)}`));
    lines.push(row(name, outcome));
  }
  // Once more at the end, where whoever sees only the last screen of a long run finds them.
  if (failures.length > 0) console.log(`\n${failures.join('\n')}`);
  console.log(`\n${lines.join('\n')}\n`);
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
  return total.failed === 0 ? 0 : 1;
};

/** A line of its own, whatever the terminal's last line holds. */
const print = (text: string): void => {
  process.stdout.write(`${process.stdout.isTTY ? '\r\x1b[K' : ''}${text}\n`);
};

try {
  process.exit(await main());
} catch (error) {
  console.error(
    `bulkhead: ${error instanceof PlainError ? error.message : error instanceof Error ? error.stack : error}`,
  );
  process.exit(1);
}
