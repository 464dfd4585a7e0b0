// `npm run fuzz -- --seconds 600 config link`: runs the harnesses of native/fuzz/, each for so long; without names all of
// them, without --seconds the short run that is a part of `npm test`. What is found is written to tests/results/fuzz/ and
// belongs, once it is fixed, into native/fuzz/regressions/<harness>/, which every run begins with.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect, parseArgs } from 'node:util';
import { freshSeed, fuzzGuest } from '../tests/fuzz/guest.ts';
import { fuzzWeb } from '../tests/fuzz/web.ts';
import { documented } from '../tests/integration/bundle.ts';
import { PROGRAMS, ROOT } from './setup.ts';

const NATIVE = join(ROOT, 'native');
const RESULTS = join(ROOT, 'tests/results/fuzz');
/** Inputs that reached something new; kept between long runs, and out of git. */
const CORPUS = join(PROGRAMS, 'fuzz/corpus');

type Harness = {
  /** C files whose string literals are words of the input's language. */
  readonly words: readonly string[];
  /** C files of tests whose string literals are inputs, or parts of inputs. */
  readonly tests?: readonly string[];
  readonly seeds?: () => (string | Buffer)[];
  /** Executions of the short run; a second or less of each on a slow machine. */
  readonly runs: number;
  readonly longest?: number;
};

/** The string literals of a C file, neighbours joined. */
const literals = (file: string): string[] => {
  const source = readFileSync(join(NATIVE, file), 'utf8').replace(/^#include.*$/gm, '');
  const strings = source.match(/"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*/g) ?? [];
  const escapes: Record<string, string> = { n: '\n', t: '\t', r: '\r', '0': '\0' };
  return strings.map((found) =>
    (found.match(/"(?:[^"\\\n]|\\.)*"/g) ?? [])
      .map((one) => one.slice(1, -1).replace(/\\(.)/g, (_, c: string) => escapes[c] ?? c))
      .join(''),
  );
};

const profile = (name: string): string => readFileSync(join(NATIVE, `seccomp/${name}.json`), 'utf8');

/** The document of docs/runtime.md with a small profile in it, and the least that is a container. */
const documents = (): Record<string, unknown>[] => {
  const { linux, ...rest } = documented();
  const seccomp = {
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW' }],
  };
  const least = { ...rest, mounts: [], linux: { namespaces: [{ type: 'mount' }] } };
  return [{ ...rest, linux: { ...linux, seccomp } }, least];
};

const part = (name: string) => (): string[] =>
  documents().flatMap(({ linux }) => {
    const value = (linux as Record<string, unknown>)[name];
    return value === undefined ? [] : [JSON.stringify(value)];
  });

const hooks = {
  prestart: [{ path: '/bin/true', args: ['true'], env: ['A=b'], timeout: 5 }],
  createRuntime: [],
  createContainer: [{ path: '/x' }],
  startContainer: [{ path: '/x', args: [] }],
  poststart: [{ path: '/x', timeout: 1 }],
  poststop: [{ path: '/x' }],
};

/** The smallest of what filters are made of: whole profiles take libseccomp milliseconds each. */
const filters = (): string[] => {
  const whole = JSON.parse(profile('hardened')) as { syscalls: { names: string[] }[] };
  const rules = whole.syscalls.map((rule) => ({ ...rule, names: rule.names.slice(0, 2) }));
  return rules.map((rule) => JSON.stringify({ ...whole, architectures: [], syscalls: [rule] }));
};

const vectors = (name: string): Record<string, string>[] =>
  JSON.parse(readFileSync(join(ROOT, `tests/vectors/${name}.json`), 'utf8')).valid;

/** Frames as they are on a stream: each with its length before it; one by one and, in a row, all. */
const frames = (): Buffer[] => {
  const each = vectors('attach').map(({ hex = '' }) => {
    const frame = Buffer.alloc(4 + hex.length / 2);
    frame.writeUInt32BE(hex.length / 2);
    frame.write(hex, 4, 'hex');
    return frame;
  });
  const viewer = each.filter((frame) => (frame[4] ?? 0) < 0x80);
  return [...each, Buffer.concat(viewer), Buffer.concat(each)];
};

/** A packet of the link for `channel`, between zeros; payloads of under 240 bytes are one COBS run between zeros. */
const packet = (channel: number, payload: string): Buffer => {
  const plain = Buffer.alloc(8 + payload.length);
  plain.writeUInt32BE(channel);
  plain.writeUInt32BE(payload.length, 4);
  plain.write(payload, 8);
  const runs = plain.toString('latin1').split('\0');
  return Buffer.from(`${runs.map((run) => String.fromCharCode(run.length + 1) + run).join('')}\0`, 'latin1');
};

const hello = packet(1, '{"hello":"00112233445566778899aabbccddeeff","version":1}');

const conversation = Buffer.concat([
  hello,
  packet(0, '{"id":1,"method":"probe"}\n'),
  packet(2, 'to a terminal'),
  packet(3, 'x'),
  packet(1, '{"closed":2}'),
  hello,
]);

/** QEMU's monitor while it saves: the answers to what a saving asks for, and how it goes. */
const qmp = (end: string): string => {
  const state = (status: string) =>
    `{"return": {"status": "${status}", "error-desc": "no room", "total-time": 9, "downtime": 5, "ram": {"dirty-sync-count": 2, "transferred": 7, "remaining": 0, "total": 8}}}`;
  const nothing = '{"return": {}}';
  const event = `{"event": "MIGRATION", "timestamp": {"seconds": 1}, "data": {"status": "${end}"}}`;
  const lines = [nothing, nothing, nothing, nothing, state('active'), event, state('pre-switchover')];
  return `\0${[...lines, nothing, state(end), state(end)].join('\r\n')}\r\n`;
};

const stat = `1 (systemd) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 ${Array(30).fill(17).join(' ')}`;
const meminfo =
  'MemTotal: 100 kB\nMemAvailable: 50 kB\n0.00 0.01 0.05 1/64 123\n\noom_kill 3\n\nPss: 12 kB\n';
const record = {
  boot: '6f0d8b1c-0000-4000-8000-000000000000',
  machine: 'ab12',
  kind: 'container',
  state: 'running',
  image: 'base',
  profile: 'hardened',
  hostname: 'box',
  accel: '',
  limits: { memory_bytes: 1, cpu_millis: 2, pids: 3, disk_bytes: 4 },
  labels: { a: 'b' },
  created_ms: 5,
  exit: '',
  slot: 6,
  pid: 7,
  start_time: 8,
  selinux: false,
  label: '',
};
const mountinfo = [
  '36 31 0:33 / /sys/fs/cgroup/devices rw,relatime shared:9 - cgroup cgroup rw,devices',
  '37 31 0:34 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct',
  '38 31 0:35 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw',
].join('\n');

const CONFIG = [
  'config',
  'config_process',
  'config_linux',
  'config_mounts',
  'config_resources',
  'config_settings',
];
const words = (...names: string[]): string[] => names.map((name) => `runtime/${name}.c`);

const HARNESSES: Record<string, Harness> = {
  config: {
    words: words(...CONFIG, 'hooks', 'mount_options'),
    tests: ['runtime/config_test.c'],
    seeds: () => documents().map((document) => JSON.stringify({ ...document, hooks })),
    runs: 4000,
  },
  mount_options: { words: words('mount_options'), tests: ['runtime/mount_options_test.c'], runs: 20000 },
  id_maps: { words: words('config_linux'), seeds: part('uidMappings'), runs: 10000, longest: 4096 },
  seccomp: {
    words: words('seccomp'),
    tests: ['runtime/seccomp_test.c'],
    seeds: filters,
    runs: 400,
    longest: 2048,
  },
  resources: {
    words: words('config_resources', 'config_settings'),
    tests: ['runtime/config_settings_test.c'],
    seeds: part('resources'),
    runs: 10000,
  },
  state: {
    words: words('state'),
    seeds: () => [
      JSON.stringify({
        id: 'c',
        pid: 1,
        startTicks: 9,
        bundle: '/b',
        rootfs: '/r',
        cgroupPath: '',
        created: '',
        hooks,
      }),
    ],
    runs: 3000,
  },
  hooks: { words: words('hooks'), seeds: () => [JSON.stringify(hooks)], runs: 10000 },
  attach: { words: [], seeds: frames, runs: 5000, longest: 70000 },
  screen: { words: [], tests: ['screen/screen_test.c', 'monitor/past_test.c'], runs: 10000, longest: 400 },
  link: {
    words: ['base/link.c'],
    tests: ['base/link_test.c'],
    seeds: () => [conversation, ...vectors('cobs').map(({ encoded = '' }) => Buffer.from(encoded, 'hex'))],
    runs: 8000,
    longest: 40000,
  },
  hello: {
    words: [],
    seeds: () => [hello, Buffer.concat([Buffer.from('boot noise\0'), hello])],
    runs: 20000,
  },
  qmp: {
    words: ['broker/vm_qmp.c', 'broker/vm_move.c'],
    seeds: () => [qmp('completed'), qmp('cancelled'), qmp('failed')],
    runs: 5000,
  },
  cgroup: {
    words: ['base/cgroup1.c', 'base/cgroup2.c'],
    tests: ['base/cgroup_test.c'],
    seeds: () => [mountinfo, 'bulkhead/ab12', '-17', 'low 1\noom_kill 3\n'],
    runs: 10000,
  },
  proc: { words: ['broker/stats.c'], seeds: () => [stat, meminfo], runs: 20000 },
  record: {
    words: ['broker/machine.c'],
    tests: ['broker/machine_test.c'],
    seeds: () => [JSON.stringify(record)],
    runs: 10000,
  },
  console: {
    words: ['broker/vm_end.c', 'broker/vm_end.h', 'broker/vm_watch.c'],
    tests: ['broker/vm_console_test.c', 'broker/vm_end_test.c'],
    runs: 10000,
  },
  control: {
    words: ['broker/dispatch.c', 'broker/params.c'],
    tests: ['broker/dispatch_test.c', 'broker/params_test.c'],
    seeds: () => ['{"id":1,"method":"probe"}\n{"id":2,"method":"machine.list","params":{}}\n'],
    runs: 5000,
  },
};

const writeSeeds = (name: string, harness: Harness): string => {
  const directory = join(PROGRAMS, 'fuzz/seeds', name);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const inputs = [...(harness.seeds?.() ?? []), ...(harness.tests ?? []).flatMap(literals)];
  for (const [index, input] of inputs.entries()) writeFileSync(join(directory, `${index}`), input);
  return directory;
};

const writeDictionary = (name: string, harness: Harness): string => {
  const file = join(PROGRAMS, 'fuzz', `${name}.dict`);
  const known = new Set(harness.words.flatMap(literals).filter((word) => /^[\w./:=+-]{2,60}$/.test(word)));
  const json = ['{', '}', '[', ']', '\\":', 'null', 'true', '-1', '18446744073709551615'];
  writeFileSync(file, [...known, ...json].map((word) => `"${word}"\n`).join(''));
  return file;
};

type Outcome = { executions: number; seconds: number; covered: number; inputs: number; finding: boolean };

const runHarness = (name: string, harness: Harness, seconds: number | undefined): Outcome => {
  const regressions = join(NATIVE, 'fuzz/regressions', name);
  const directories = [writeSeeds(name, harness), ...(existsSync(regressions) ? [regressions] : [])];
  const corpus = join(CORPUS, name);
  if (seconds !== undefined) {
    mkdirSync(corpus, { recursive: true });
    directories.unshift(corpus); // where libFuzzer puts what it discovers
  }
  // The same seed, the same number of runs: what `npm test` says does not depend on the day.
  const limit = seconds === undefined ? ['-seed=1', `-runs=${harness.runs}`] : [`-max_total_time=${seconds}`];
  const began = performance.now();
  const { stderr, status } = spawnSync(
    join(PROGRAMS, 'fuzz', name),
    [
      ...limit,
      `-dict=${writeDictionary(name, harness)}`,
      `-max_len=${harness.longest ?? 16384}`,
      '-timeout=20',
      '-print_final_stats=1',
      `-artifact_prefix=${RESULTS}/${name}-`,
      ...directories,
    ],
    { encoding: 'utf8', maxBuffer: 1 << 28, cwd: NATIVE },
  );
  writeFileSync(join(RESULTS, `${name}.log`), stderr);
  const last = (pattern: RegExp): number => Number([...stderr.matchAll(pattern)].at(-1)?.[1] ?? 0);
  return {
    executions: last(/stat::number_of_executed_units:\s+(\d+)/g) || last(/^#(\d+)/gm),
    seconds: (performance.now() - began) / 1000,
    covered: last(/ cov: (\d+)/g),
    inputs: existsSync(corpus) ? readdirSync(corpus).length : 0,
    finding: status !== 0,
  };
};

/** What is fuzzed from here, by talking to it; returns how much was said. The short runs are tests of their own:
 * tests/unit/guest-fuzz.test.ts, tests/escape/web-fuzz.test.ts. */
const TALKS: Record<string, (seed: number, seconds: number) => Promise<{ seconds: number; said: string }>> = {
  /** The server's end of a VM's link. */
  guest: async (seed, seconds) => {
    const done = await fuzzGuest(seed, { seconds });
    return { seconds: done.seconds, said: `${String(done.conversations).padStart(10)} conversations` };
  },
  /** The server's routes and WebSockets; needs root, for there are a broker and machines behind it. */
  web: async (seed, seconds) => {
    const done = await fuzzWeb(seed, { seconds });
    const grown = `grown by ${Math.round(done.growth / 1_024)} KiB`;
    return {
      seconds: done.seconds,
      said: `${String(done.requests).padStart(10)} requests, ${done.frames} frames, ${grown}`,
    };
  },
};

const runTalk = async (name: string, seconds: number): Promise<boolean> => {
  const seed = freshSeed();
  try {
    const done = await TALKS[name]?.(seed, seconds);
    console.log(
      `clean  ${name.padEnd(14)} ${done?.said} in ${done?.seconds.toFixed(1).padStart(7)} s, from seed ${seed}`,
    );
    return true;
  } catch (error) {
    writeFileSync(join(RESULTS, `${name}.log`), inspect(error));
    console.log(`FOUND  ${name}: see ${RESULTS}/${name}.log`);
    return false;
  }
};

const { values, positionals } = parseArgs({
  options: { seconds: { type: 'string' } },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !(name in TALKS) && !(name in HARNESSES));
if (unknown || (values.seconds !== undefined && !/^[1-9]\d*$/.test(values.seconds))) {
  console.error(
    `bulkhead: usage: npm run fuzz -- [--seconds N] [${[...Object.keys(HARNESSES), ...Object.keys(TALKS)].join('|')}]…`,
  );
  process.exit(1);
}
const make = spawnSync('make', ['-s', '-j2', '-C', NATIVE, 'fuzz'], { stdio: 'inherit' });
if (make.status !== 0) {
  console.error(
    'bulkhead: the harnesses do not build (clang and libclang-rt-dev are installed by `npm test`)',
  );
  process.exit(1);
}
rmSync(RESULTS, { recursive: true, force: true });
mkdirSync(RESULTS, { recursive: true });
let findings = 0;
for (const [name, harness] of Object.entries(HARNESSES)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const outcome = runHarness(
    name,
    harness,
    values.seconds === undefined ? undefined : Number(values.seconds),
  );
  findings += outcome.finding ? 1 : 0;
  console.log(
    `${outcome.finding ? 'FOUND ' : 'clean '} ${name.padEnd(14)} ${String(outcome.executions).padStart(10)} executions in ${outcome.seconds.toFixed(1).padStart(7)} s, ${String(outcome.covered).padStart(5)} edges covered${outcome.inputs ? `, ${outcome.inputs} inputs kept` : ''}${outcome.finding ? `: see ${RESULTS}/${name}.log` : ''}`,
  );
}
for (const name of Object.keys(TALKS)) {
  const wanted = positionals.includes(name) || (positionals.length === 0 && values.seconds !== undefined);
  if (wanted && !(await runTalk(name, Number(values.seconds ?? 1)))) findings++;
}
process.exit(findings === 0 ? 0 : 1);
