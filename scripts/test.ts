// `npm test`: sets everything up, runs every check and every test, and closes with `N passed, N failed, N skipped`.
// `npm test -- unit` runs the suites whose names start with `unit` only.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ensureRoot, interruptRunning, isRoot, run } from './privilege.ts';
import { duration, PlainError } from './progress.ts';
import { IMAGES, NODE, PROGRAMS, ROOT, setUp } from './setup.ts';
import { checkDistribution, distribution } from './system-packages.ts';
import { buildTabImage } from './tab-image.ts';

/** What a suite's tests came to; `names` are those of the failed ones, as far as its runner tells them. */
type Count = { passed: number; failed: number; skipped: number; names?: readonly string[] };
type Suite = {
  readonly name: string;
  readonly command: readonly string[];
  readonly root?: boolean;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** It wants the Linux for the tab, which is built while other suites run. */
  readonly tab?: boolean;
  /** Reads how many tests ran from what was printed or written; without it the command's status counts as one test. */
  readonly count?: (output: string) => Count;
};

const NO_TAB: Count = {
  passed: 0,
  failed: 1,
  skipped: 0,
  names: ['the Linux for the tab could not be built'],
};

const RESULTS = join(ROOT, 'tests/results');
const bin = (name: string): string => join(ROOT, 'node_modules', name);

const readJson = <T>(file: string): T => JSON.parse(readFileSync(join(RESULTS, file), 'utf8')) as T;

/** A failure in so many lines that a dozen of them still fit a screen. */
const indented = (text: string): string => text.split('\n').slice(0, 8).join('\n    ');

const vitestCount = (file: string) => (): Count => {
  const report = readJson<{
    numPassedTests: number;
    numFailedTests: number;
    numPendingTests: number;
    testResults: {
      name: string;
      status: string;
      message: string;
      assertionResults: { status: string; fullName: string; failureMessages: string[] }[];
    }[];
  }>(file);
  // A file that fails to load has no tests to count, but must not go unnoticed.
  const broken = report.testResults.filter(
    (one) => one.status === 'failed' && one.assertionResults.length === 0,
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests,
    names: report.testResults.flatMap(({ name, message, assertionResults }) => {
      const where = relative(ROOT, name);
      const failed = assertionResults.filter((one) => one.status === 'failed');
      if (failed.length === 0 && assertionResults.length === 0 && message) return [`${where}: ${message}`];
      return failed.map(
        ({ fullName, failureMessages }) => `${where} › ${fullName}\n${failureMessages.join('\n')}`,
      );
    }),
  };
};

const playwrightCount = (file: string, folder: string) => (): Count => {
  type Group = { suites?: Group[]; specs?: { title: string; file: string; ok: boolean }[] };
  const { stats, errors, suites } = readJson<{
    stats: { expected: number; unexpected: number; flaky: number; skipped: number };
    errors: { message?: string }[];
    suites: Group[];
  }>(file);
  const failed = (group: Group): string[] => [
    ...(group.specs ?? []).filter(({ ok }) => !ok).map(({ title, file: at }) => `${folder}/${at} › ${title}`),
    ...(group.suites ?? []).flatMap(failed),
  ];
  return {
    passed: stats.expected,
    failed: stats.unexpected + stats.flaky + errors.length,
    skipped: stats.skipped,
    names: [
      ...suites.flatMap(failed),
      ...errors.map(({ message }) => message ?? 'an error outside the tests'),
    ],
  };
};

const cmockaCount = (output: string): Count => {
  const sum = (pattern: RegExp): number =>
    [...output.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0);
  return {
    passed: sum(/\[ {2}PASSED {2}\] (\d+) test/g),
    failed: sum(/\[ {2}FAILED {2}\] (\d+) test/g),
    skipped: sum(/\[ {2}SKIPPED {1,2}\] (\d+) test/g),
    names: [...output.matchAll(/^\[ {2}FAILED {2}\] (?!\d+ test)(\S+)$/gm)].map(([, name = '']) => name),
  };
};

const vitest = (project: string, root = false): Suite => ({
  name: project,
  root,
  command: [
    NODE,
    bin('vitest/vitest.mjs'),
    'run',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${join(RESULTS, `${project}.json`)}`,
  ],
  count: vitestCount(`${project}.json`),
});

const playwright = (name: string, project: string, workers: number, folder = 'tests/e2e'): Suite => ({
  name,
  root: true,
  command: [
    ...[NODE, bin('@playwright/test/cli.js'), 'test', '--config', `${folder}/playwright.config.ts`],
    ...[`--project=${project}`, `--workers=${workers}`, ...(workers > 1 ? ['--fully-parallel'] : [])],
  ],
  env: { PLAYWRIGHT_JSON_OUTPUT_FILE: join(RESULTS, `e2e-${project}.json`) },
  count: playwrightCount(`e2e-${project}.json`, folder),
});

const SUITES: readonly Suite[] = [
  { name: 'format and lint', command: [NODE, bin('@biomejs/biome/bin/biome'), 'check', '.'] },
  { name: 'spelling', command: [NODE, bin('cspell/bin.mjs'), '--no-progress'] },
  { name: 'prose', command: [NODE, join(ROOT, 'scripts/prose.ts')] },
  { name: 'types', command: [NODE, bin('typescript/bin/tsc'), '-p', 'tsconfig.json'] },
  {
    name: 'types of the site',
    command: [NODE, bin('astro/bin/astro.mjs'), 'check'],
    cwd: join(ROOT, 'site'),
  },
  {
    name: 'types of Svelte',
    command: [NODE, bin('svelte-check/bin/svelte-check'), '--tsconfig', './tsconfig.json'],
    cwd: join(ROOT, 'site'),
  },
  { name: 'format of native/', command: ['make', '-s', '-C', 'native', 'format-check'] },
  { name: 'unit, native/', command: ['make', '-s', '-j2', '-C', 'native', 'test'], count: cmockaCount },
  {
    name: 'fuzz, short',
    command: [NODE, join(ROOT, 'scripts/fuzz.ts')],
    count: (output) => ({
      passed: output.match(/^clean /gm)?.length ?? 0,
      failed: output.match(/^FOUND /gm)?.length ?? 0,
      skipped: 0,
      names: [...output.matchAll(/^FOUND .*$/gm)].map(([line]) => line),
    }),
  },
  vitest('unit'),
  vitest('integration', true),
  vitest('escape', true),
  playwright('e2e', 'stack', 1),
  playwright('e2e, pages', 'pages', 2),
  { ...vitest('tab'), tab: true },
  { ...playwright('tab, pages', 'tab', 2, 'tests/tab'), tab: true },
];

const runSuite = async (suite: Suite): Promise<Count> => {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    PATH: `${join(ROOT, 'node_modules/node/bin')}:${process.env.PATH}`,
    BULKHEAD_IMAGES: IMAGES,
    BULKHEAD_PROGRAMS: PROGRAMS,
    ASTRO_TELEMETRY_DISABLED: '1',
    ...suite.env,
  };
  // sudo empties the environment; what the tests need of it goes along by name.
  const kept = ['PATH', 'BULKHEAD_IMAGES', 'BULKHEAD_PROGRAMS', 'CI', ...Object.keys(suite.env ?? {})];
  const throughSudo = suite.root && !isRoot;
  const prefix = throughSudo
    ? ['env', ...kept.flatMap((name) => (env[name] ? [`${name}=${env[name]}`] : []))]
    : [];
  const [program = '', ...args] = [...prefix, ...suite.command];
  const { status, stdout, stderr } = await run(program, args, {
    root: suite.root ?? false,
    cwd: suite.cwd ?? ROOT,
    env,
    onLine: (line) => console.log(`  ${line}`),
  });
  if (!suite.count) return { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
  const counted = await Promise.resolve()
    .then(() => suite.count?.(stdout + stderr) ?? { passed: 0, failed: 0, skipped: 0 })
    .catch(() => ({ passed: 0, failed: 0, skipped: 0 }));
  // A runner that died, or found nothing to run, has failed whatever it counted.
  if (counted.failed === 0 && (status !== 0 || counted.passed === 0)) counted.failed = 1;
  return counted;
};

const main = async (): Promise<number> => {
  const wanted = process.argv.slice(2);
  const suites = SUITES.filter(
    ({ name }) => wanted.length === 0 || wanted.some((one) => name.startsWith(one)),
  );
  if (suites.length === 0)
    throw new PlainError(
      `no suite is called ${wanted.join(' ')}; there are: ${SUITES.map((s) => s.name).join(', ')}`,
    );
  checkDistribution(distribution());
  ensureRoot();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      interruptRunning();
      process.exitCode = 1;
    });

  await setUp({ state: '/var/lib/bulkhead', images: IMAGES, forTests: true, steps: 5 });
  rmSync(RESULTS, { recursive: true, force: true });
  mkdirSync(RESULTS, { recursive: true });
  // Minutes, the first time, and after a change to native/ one: beside the other suites, as nice as can be.
  const tabImage = suites.some(({ tab }) => tab)
    ? buildTabImage(IMAGES, (line) => console.log(`  (${line})`))
    : Promise.resolve(true);

  const total: Count = { passed: 0, failed: 0, skipped: 0 };
  const lines: string[] = [];
  const failures: string[] = [];
  for (const suite of suites) {
    console.log(`\n== ${suite.name}`);
    const began = performance.now();
    const count = suite.tab && !(await tabImage) ? NO_TAB : await runSuite(suite);
    total.passed += count.passed;
    total.failed += count.failed;
    total.skipped += count.skipped;
    failures.push(...(count.names ?? []).map((name) => `FAILED ${suite.name}: ${indented(name)}`));
    lines.push(
      `${suite.name.padEnd(20)} ${String(count.passed).padStart(5)} passed ${String(count.failed).padStart(3)} failed ${String(count.skipped).padStart(3)} skipped   ${duration(performance.now() - began)}`,
    );
  }
  // Once more at the end, where whoever sees only the last screen of a long run finds them.
  if (failures.length > 0) console.log(`\n${failures.join('\n')}`);
  console.log(`\n${lines.join('\n')}\n`);
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
  return total.failed === 0 ? 0 : 1;
};

try {
  process.exit(await main());
} catch (error) {
  console.error(
    `bulkhead: ${error instanceof PlainError ? error.message : error instanceof Error ? error.stack : error}`,
  );
  process.exit(1);
}
