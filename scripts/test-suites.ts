// The suites of `npm test`: what each runs, how its tests are counted, and which of them run beside each other.
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { NODE, ROOT } from './setup.ts';

/** What a suite's tests came to; `names` are those of the failed ones, as far as its runner tells them. */
export type Count = { passed: number; failed: number; skipped: number; names?: readonly string[] };
export type Suite = {
  readonly name: string;
  readonly command: readonly string[];
  readonly root?: boolean;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** It only computes, and waits for nothing by the clock: what runs beside it goes first. */
  readonly patient?: boolean;
  /** It wants the Linux for the tab, which is built while other suites run. */
  readonly tab?: boolean;
  /** Reads how many tests ran from what was printed or written; without it the command's status counts as one test. */
  readonly count?: (output: string) => Count;
};

/** What the suites leave to be looked at: reports, traces, and what each said. */
export const RESULTS = join(ROOT, 'tests/results');
const bin = (name: string): string => join(ROOT, 'node_modules', name);

const readJson = <T>(file: string): T => JSON.parse(readFileSync(join(RESULTS, file), 'utf8')) as T;

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
  // A file that fails to load, or one of whose hooks fails, may have no failed test to count, but must not go unnoticed.
  const broken = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && assertionResults.every((one) => one.status !== 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests,
    names: [
      ...broken.map(
        ({ name, message }) => `${relative(ROOT, name)}: ${message || 'a hook of it failed, see its log'}`,
      ),
      ...report.testResults.flatMap(({ name, assertionResults }) =>
        assertionResults
          .filter((one) => one.status === 'failed')
          .map(
            ({ fullName, failureMessages }) =>
              `${relative(ROOT, name)} › ${fullName}\n${failureMessages.join('\n')}`,
          ),
      ),
    ],
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
    // Of its own, for it is emptied at the start, and another project's suite may be under way.
    `--output=${join(RESULTS, project)}`,
  ],
  env: { PLAYWRIGHT_JSON_OUTPUT_FILE: join(RESULTS, `e2e-${project}.json`) },
  count: playwrightCount(`e2e-${project}.json`, folder),
});

/** Nothing of it is run: it reads, builds and compiles. */
const DESK: readonly Suite[] = (
  [
    { name: 'format and lint', command: [NODE, bin('@biomejs/biome/bin/biome'), 'check', '.'] },
    { name: 'spelling', command: [NODE, bin('cspell/bin.mjs'), '--no-progress'] },
    { name: 'prose', command: [NODE, join(ROOT, 'scripts/prose.ts')] },
    {
      name: 'types',
      command: [
        ...[NODE, bin('typescript/bin/tsc'), '-p', 'tsconfig.json'],
        // What has not changed since the last time is not checked anew; by content, whatever a clone did to the times.
        ...['--incremental', '--tsBuildInfoFile', bin('.cache/bulkhead/types.tsbuildinfo')],
      ],
    },
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
  ] as Suite[]
).map((suite) => ({ ...suite, patient: true }));

/**
 * Two lanes that run beside each other, the suites of each one after the other. In the first are those that wait for
 * machines, the longest first; the second takes the processor while they do. What takes turns in one lane shares a folder
 * (make's), or would be too many emulated processors for two cores.
 */
export const LANES: readonly (readonly Suite[])[] = [
  [
    vitest('integration', true),
    vitest('escape', true),
    playwright('e2e, pages', 'pages', 2),
    { ...vitest('tab'), tab: true },
  ],
  [
    ...DESK,
    vitest('unit'),
    playwright('e2e', 'stack', 1),
    { ...playwright('tab, pages', 'tab', 2, 'tests/tab'), tab: true },
  ],
];
