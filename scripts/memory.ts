// `npm run memory -- sanitizers [FILE…]` and `npm run memory -- valgrind [FILE…]`: the suites, or files of them, against
// programs that tell of their errors in memory. The first takes twenty minutes, the second is for a few files: each of its
// programs is fifty times slower. Left out are tests that take a program to where a dynamic one cannot run (into a VM) and
// those that trace it (neither works under ptrace); these run against the shipped programs in `npm test`.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureRoot, isRoot } from './privilege.ts';
import { PlainError } from './progress.ts';
import { IMAGES, NODE, PROGRAMS, ROOT, setUp } from './setup.ts';

const LEFT_OUT = ['oci-v2', 'oci-fault', 'oci-fault-broker'].map((name) => `**/${name}.test.ts`);

type Kind = { readonly variable: string; readonly build: string; readonly files: readonly string[] };
const KINDS: Record<string, Kind> = {
  sanitizers: { variable: 'SANITIZED=1', build: 'sanitized', files: [] },
  valgrind: {
    variable: 'VALGRIND=1',
    build: 'valgrind',
    files: ['oci-explain', 'oci-hooks', 'oci-verbs', 'broker.test'].map(
      (name) => `tests/integration/${name}`,
    ),
  },
};
/** Where reports go; native/sanitized/options.c has it compiled in. */
const REPORTS = '/tmp/bulkhead-sanitizer';

/** Valgrind is in front of each program, by scripts of the same names. */
const putValgrindInFront = (programs: string): string => {
  const directory = join(programs, 'in-front');
  mkdirSync(directory, { recursive: true });
  for (const name of ['bulkhead', 'bulkheadd', 'bulkhead-monitor']) {
    // --fair-sched: a clone of the process must not share valgrind's lock, which is a pipe otherwise.
    const options = `-q --vgdb=no --trace-children=yes --trace-children-skip=/bin/*,/usr/*,/sbin/* --fair-sched=yes --leak-check=full --error-exitcode=86 --log-file=${REPORTS}/${name}.%p`;
    writeFileSync(
      join(directory, name),
      `#!/bin/sh\nexec valgrind ${options} ${join(programs, name)} "$@"\n`,
    );
    chmodSync(join(directory, name), 0o755);
  }
  return directory;
};

/** What valgrind says of system calls that it does not know is not about memory. */
const isFinding = (report: string): boolean =>
  !/LeakSanitizer does not work under ptrace/.test(report) &&
  report.split('\n').some((line) => /^==/.test(line) && !/ioctl|README_MISSING|could cause/.test(line));

try {
  const [kind = '', ...files] = process.argv.slice(2);
  const chosen = KINDS[kind];
  if (!chosen) throw new PlainError(`usage: npm run memory -- ${Object.keys(KINDS).join('|')} [FILE…]`);
  ensureRoot();
  await setUp({ state: '/var/lib/bulkhead', images: IMAGES, forTests: true, steps: 5 });
  const native = ['-s', '-j2', '-C', join(ROOT, 'native'), chosen.variable, `BUILD=build/${chosen.build}`];
  if (spawnSync('make', native, { stdio: 'inherit' }).status !== 0)
    throw new PlainError(`native/ does not build with ${chosen.variable}`);
  const built = join(PROGRAMS, chosen.build);
  const programs = kind === 'valgrind' ? putValgrindInFront(built) : built;
  rmSync(REPORTS, { recursive: true, force: true });
  mkdirSync(REPORTS);
  const [program = '', ...args] = [
    ...(isRoot ? [] : ['sudo', '-n']),
    ...['env', `BULKHEAD_IMAGES=${IMAGES}`, `BULKHEAD_PROGRAMS=${programs}`],
    ...[
      NODE,
      join(ROOT, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--project',
      'integration',
      '--project',
      'escape',
    ],
    ...LEFT_OUT.map((pattern) => `--exclude=${pattern}`),
    ...(files.length > 0 ? files : chosen.files),
  ];
  const { status } = spawnSync(program, args, { stdio: 'inherit', cwd: ROOT });
  const reports = readdirSync(REPORTS).map((name) => readFileSync(join(REPORTS, name), 'utf8'));
  const findings = reports.filter(isFinding);
  for (const finding of findings) console.log(finding);
  if (findings.length > 0) throw new PlainError(`${findings.length} programs reported errors, in ${REPORTS}`);
  if (status !== 0) throw new PlainError('tests failed, but no error in memory was reported');
  console.log('No error in memory was reported.');
} catch (error) {
  console.error(
    `bulkhead: ${error instanceof PlainError ? error.message : error instanceof Error ? error.stack : error}`,
  );
  process.exit(1);
}
