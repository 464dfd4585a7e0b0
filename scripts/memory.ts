// `npm run memory -- sanitizers [FILE…]` and `npm run memory -- valgrind [FILE…]`: the suites, or files of them, against
// programs that tell of their errors in memory. The first takes twenty minutes and runs every file; the second fifteen, for
// the unit tests of native/ and files that between them reach each of its folders: its programs are fifty times slower.
// What such programs cannot do is left out by name, and said at the end; `npm test` does it with the shipped ones.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureRoot, isRoot } from './privilege.ts';
import { PlainError } from './progress.ts';
import { IMAGES, inStep, NODE, PROGRAMS, ROOT, setUp } from './setup.ts';
import { installForMemory } from './system-packages.ts';

/** Files, or tests by a part of their own name or of their group's, with the reason for all of them. */
type LeftOut = {
  readonly files?: readonly string[];
  readonly tests?: readonly string[];
  readonly why: string;
};
type Kind = {
  readonly variable: string;
  readonly build: string;
  /** Which to run; none: every one. */
  readonly files: readonly string[];
  /** How many times more than usual the tests wait. */
  readonly patience: number;
  readonly leftOut: readonly LeftOut[];
};

const BUILDS_IMAGES: LeftOut = {
  files: ['images'],
  why: 'builds images that have the programs in them, and a VM could not run these',
};

const KINDS: Record<string, Kind> = {
  sanitizers: {
    variable: 'SANITIZED=1',
    build: 'sanitized',
    files: [],
    patience: 4,
    leftOut: [
      {
        files: ['apparmor', 'oci-v2'],
        tests: [
          'SELinux (needs root and native/build)',
          'finds version 2 of control groups, and that containers can run',
        ],
        why: 'takes the runtime into a VM, whose Debian has not the libraries of a dynamic program',
      },
      BUILDS_IMAGES,
      {
        files: ['start'],
        why: 'is of `npm start`, which builds and starts the shipped programs',
      },
      {
        files: ['oci-fault', 'oci-fault-broker'],
        why: 'traces the programs and makes their calls fail, the sanitizers’ own among them',
      },
      {
        tests: [
          'are not the runtime’s program, though it runs inside',
          'cannot be written even by a container whose root is the host’s',
        ],
        why: 'executes the runtime in an image, which has not the libraries of a dynamic program',
      },
      {
        tests: ['whose /proc is a folder of files is not believed'],
        why: 'takes /proc away, which the sanitizers read',
      },
    ],
  },
  valgrind: {
    variable: 'VALGRIND=1',
    build: 'valgrind',
    files: ['oci-explain', 'oci-hooks', 'oci-process', 'oci-verbs', 'monitor.test', 'broker.test'].map(
      (name) => `tests/integration/${name}`,
    ),
    patience: 10,
    leftOut: [
      BUILDS_IMAGES,
      {
        tests: ['gives up every privilege, and keeps no descriptor of its parent'],
        why: 'looks at the process, which has valgrind’s descriptors and no filter, for valgrind’s calls are not in it',
      },
      {
        tests: ['each of the sixteen'],
        why: 'allows less address space than valgrind itself takes',
      },
    ],
  },
};
/** Where reports go; native/sanitized/options.c has it compiled in. */
const REPORTS = '/tmp/bulkhead-sanitizer';
const RESULTS = join(ROOT, 'tests/results/memory.json');

/** Valgrind is in front of each program, by scripts of the same names: what a program executes is then without it. */
const putValgrindInFront = (programs: string): string => {
  const directory = join(programs, 'in-front');
  mkdirSync(directory, { recursive: true });
  for (const name of ['bulkhead', 'bulkheadd', 'bulkhead-monitor']) {
    // --fair-sched: a clone of the process must not share valgrind's lock, which is a pipe otherwise. The report's name
    // is made by the shell, for %p has valgrind open another one in each clone: in the container, where it cannot.
    const options = `-q --vgdb=no --fair-sched=yes --leak-check=full --log-file=${REPORTS}/${name}.$$.$(date +%N)`;
    writeFileSync(
      join(directory, name),
      `#!/bin/sh\nexec valgrind ${options} ${join(programs, name)} "$@"\n`,
    );
    chmodSync(join(directory, name), 0o755);
  }
  return directory;
};

/** What valgrind says of system calls that it does not know, with or without a number, is not about memory. */
const hasFindings = (report: string): boolean =>
  !/LeakSanitizer does not work under ptrace/.test(report) &&
  report
    .split('\n')
    .some((line) => /^==\d+==|runtime error: /.test(line) && !/ioctl|README_MISSING|could cause/.test(line));

const make = (kind: Kind, ...targets: readonly string[]) =>
  spawnSync(
    'make',
    ['-s', '-j2', '-C', join(ROOT, 'native'), kind.variable, `BUILD=build/${kind.build}`, ...targets],
    { stdio: ['ignore', 'inherit', targets.length > 0 ? 'pipe' : 'inherit'], encoding: 'utf8' },
  );

/** Runs the unit tests of native/ under valgrind; gives what it reported, and whether all passed. */
const runUnitTests = (kind: Kind): { status: number | null; report: string } => {
  const { status, stderr } = make(kind, 'test');
  process.stderr.write(stderr);
  return { status, report: stderr };
};

const quoted = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

const runSuites = (kind: Kind, programs: string, files: readonly string[]): number | null => {
  const tests = kind.leftOut.flatMap(({ tests = [] }) => tests).map(quoted);
  const settings = [
    `BULKHEAD_IMAGES=${IMAGES}`,
    `BULKHEAD_PROGRAMS=${programs}`,
    `BULKHEAD_PATIENCE=${kind.patience}`,
  ];
  const [program = '', ...args] = [
    ...(isRoot ? [] : ['sudo', '-n']),
    ...['env', ...settings, NODE, join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run'],
    ...['--project', 'integration', '--project', 'escape', '--reporter=default', '--reporter=json'],
    `--outputFile.json=${RESULTS}`,
    ...kind.leftOut.flatMap(({ files = [] }) => files).map((name) => `--exclude=**/${name}.test.ts`),
    ...(tests.length > 0 ? ['--testNamePattern', `^(?!.*(${tests.join('|')}))`] : []),
    ...(files.length > 0 ? files : kind.files),
  ];
  return spawnSync(program, args, { stdio: 'inherit', cwd: ROOT }).status;
};

type Result = { fullName: string; status: string };
const results = (): Result[] => {
  if (!existsSync(RESULTS)) return [];
  const report = JSON.parse(readFileSync(RESULTS, 'utf8')) as {
    testResults: { assertionResults: Result[] }[];
  };
  return report.testResults.flatMap(({ assertionResults }) => assertionResults);
};

/** Says what was left out and why. Throws when a test that is to be left out is not there: it has another name now. */
const tellLeftOut = (kind: Kind, everything: boolean): void => {
  const names = results()
    .filter(({ status }) => status !== 'passed' && status !== 'failed')
    .map(({ fullName }) => fullName);
  const lines: string[] = [];
  for (const { files = [], tests = [], why } of kind.leftOut) {
    lines.push(...files.map((name) => `  ${name}.test.ts: ${why}`));
    for (const part of tests) {
      const count = names.filter((name) => name.includes(part)).length;
      if (count === 0 && everything)
        throw new PlainError(`scripts/memory.ts leaves out "${part}", and no test is called so`);
      if (count > 0) lines.push(`  "${part}"${count > 1 ? `, ${count} tests` : ''}: ${why}`);
    }
  }
  console.log(
    `left out: ${lines.length}${lines.length > 0 ? ', for `npm test` to do\n' : ''}${lines.join('\n')}`,
  );
};

try {
  const [name = '', ...files] = process.argv.slice(2);
  const kind = KINDS[name];
  if (!kind) throw new PlainError(`usage: npm run memory -- ${Object.keys(KINDS).join('|')} [FILE…]`);
  ensureRoot();
  await setUp({ state: '/var/lib/bulkhead', images: IMAGES, forTests: true, steps: 6 });
  await inStep(6, 6, 'Memory', installForMemory);
  if (make(kind).status !== 0) throw new PlainError(`native/ does not build with ${kind.variable}`);
  const built = join(PROGRAMS, kind.build);
  const programs = name === 'valgrind' ? putValgrindInFront(built) : built;
  for (const old of [REPORTS, RESULTS]) rmSync(old, { recursive: true, force: true });
  mkdirSync(REPORTS);
  chmodSync(REPORTS, 0o1777); // for the root of a container, too
  mkdirSync(join(ROOT, 'tests/results'), { recursive: true });

  const units = name === 'valgrind' && files.length === 0 ? runUnitTests(kind) : { status: 0, report: '' };
  const status = runSuites(kind, programs, files);
  const reports = readdirSync(REPORTS).map((file) => readFileSync(join(REPORTS, file), 'utf8'));
  const findings = [units.report, ...reports].filter(hasFindings);
  for (const finding of findings) console.log(finding);
  if (findings.length > 0) throw new PlainError(`${findings.length} programs reported errors, in ${REPORTS}`);
  if (status !== 0 || units.status !== 0)
    throw new PlainError('tests failed, but no error in memory was reported');
  tellLeftOut(kind, files.length === 0);
  console.log('No error in memory was reported.');
} catch (error) {
  console.error(
    `bulkhead: ${error instanceof PlainError ? error.message : error instanceof Error ? error.stack : error}`,
  );
  process.exit(1);
}
