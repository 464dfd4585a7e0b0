// A room full of learners behind one address: `npm run bench -- classroom --learners 200`. Each comes within a minute, gets
// a container and a VM, and types; some build, some flood, some vanish and come back. Then as many at a peer, which has
// neither containers nor VMs and loses the shell of who vanishes. Fails when anything went wrong.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Inspector } from '../integration/inspector.ts';
import { describeEnvironment, environment } from './environment.ts';
import { availableMiB, cpuMs, hostCpuMs, processesWith, pssKiB } from './memory.ts';
import type { Plan, Report } from './pupils.ts';
import { type Summary, summary } from './summary.ts';
import { startAPeer, startBulkhead, type TerminalServer } from './terminal-servers.ts';

const { values: options } = parseArgs({
  options: {
    learners: { type: 'string', default: '200' },
    /** Seconds within which they come, and after which they go. */
    arrive: { type: 'string', default: '60' },
    seconds: { type: 'string', default: '300' },
    /** Seconds that each thinks between two commands, on average. */
    think: { type: 'string', default: '15' },
    vms: { type: 'boolean', default: true },
    peer: { type: 'boolean', default: true },
    profile: { type: 'string' },
    out: { type: 'string', default: join(import.meta.dirname, '../results/classroom.json') },
  },
  allowNegative: true,
});
const learners = Number(options.learners);
/** Processes of pupils: one alone would be as busy as the server. */
const ROWS = 2;
/** Machines beyond the learners' own: the template's, and those that wait to be given away. */
const SPARE = 16;

interface Outcome {
  name: string;
  what: string;
  report: Report;
  /** Processors used on average: by the server's process, by its broker, by everything but the pupils. */
  serverCores: number;
  brokerCores: number;
  hostCores: number;
  serverPssMb: number;
  heapMb: number | null;
  /** What MemAvailable lost. */
  hostMb: number;
  monitorPssKib: number | null;
}

const sitIn = async (plan: Plan): Promise<Report & { cpu: number }> => {
  const program = join(import.meta.dirname, 'pupils.ts');
  const child = spawn(process.execPath, [program, JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  let cpu = 0;
  const watch = setInterval(() => {
    cpu = cpuMs(child.pid ?? 0) || cpu;
  }, 1_000);
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await once(child, 'close');
  clearInterval(watch);
  if (said === '') throw new Error('a row of pupils has ended before its time');
  return { ...(JSON.parse(said) as Report), cpu };
};

const together = (rows: readonly Report[]): Report => {
  const all = (field: 'echoContainer' | 'echoVm' | 'promptContainer' | 'promptVm' | 'back' | 'interrupts') =>
    rows.flatMap((row) => row[field]);
  const sum = (field: 'builds' | 'keys' | 'losses' | 'comebacks') =>
    rows.reduce((total, row) => total + row[field], 0);
  return {
    ...{ echoContainer: all('echoContainer'), echoVm: all('echoVm'), back: all('back') },
    ...{ promptContainer: all('promptContainer'), promptVm: all('promptVm'), interrupts: all('interrupts') },
    ...{ builds: sum('builds'), keys: sum('keys'), losses: sum('losses'), comebacks: sum('comebacks') },
    errors: rows.flatMap(({ errors }) => errors),
    lateMs: Math.max(...rows.map(({ lateMs }) => lateMs)),
  };
};

async function holdClass(server: TerminalServer): Promise<Outcome> {
  const { stack, address } = server;
  const inspector = stack ? await Inspector.connect(stack.said) : null;
  const brokerPid = stack?.brokerPid ?? 0;
  const before = {
    ...{ server: cpuMs(server.pid), broker: cpuMs(brokerPid), host: hostCpuMs() },
    ...{ at: performance.now(), available: availableMiB() },
  };
  const least = { available: before.available };
  const watch = setInterval(() => {
    least.available = Math.min(least.available, availableMiB());
  }, 1_000);
  if (options.profile) await inspector?.startProfile();
  const times = {
    arriveWithin: Number(options.arrive),
    until: Number(options.seconds),
    think: Number(options.think),
  };
  const rows = Array.from({ length: ROWS }, (_, row) => ({
    ...{ address, ...times, vms: options.vms && stack !== undefined },
    learners: Array.from({ length: learners }, (_, i) => i).filter((i) => i % ROWS === row),
  }));
  const reports = await Promise.all(rows.map(sitIn));
  clearInterval(watch);
  if (options.profile) await inspector?.writeProfile(options.profile);
  const elapsed = performance.now() - before.at;
  const pupils = reports.reduce((sum, { cpu }) => sum + cpu, 0);
  const monitors = stack ? processesWith('bulkhead-monitor', stack.state) : [];
  const outcome = {
    ...{ name: address.kind, what: server.what, report: together(reports) },
    serverCores: (cpuMs(server.pid) - before.server) / elapsed,
    brokerCores: (cpuMs(brokerPid) - before.broker) / elapsed,
    hostCores: (hostCpuMs() - before.host - pupils) / elapsed,
    serverPssMb: pssKiB(server.pid) / 1_024,
    heapMb: inspector ? (await inspector.memory()).heap / 2 ** 20 : null,
    hostMb: before.available - least.available,
    monitorPssKib: monitors.length
      ? monitors.reduce((sum, pid) => sum + pssKiB(pid), 0) / monitors.length
      : null,
  };
  inspector?.close();
  return outcome;
}

const round = (value: number, digits = 1): number | '' =>
  Number.isNaN(value) ? '' : Number(value.toFixed(digits));
const row = ({ median, p90, p99, max, runs }: Summary) => ({
  ...{ p50: round(median), p90: round(p90), p99: round(p99), max: round(max), count: runs },
});

const tell = (one: Outcome): void => {
  const { report } = one;
  console.log(
    `\n${one.name}: ${one.what}; ${learners} learners, a command each ${options.think} s, milliseconds`,
  );
  console.table({
    'key to echo, container': row(summary(report.echoContainer)),
    'key to echo, VM': row(summary(report.echoVm)),
    'click to prompt, container': row(summary(report.promptContainer)),
    'click to prompt, VM': row(summary(report.promptVm)),
    'Ctrl-C in a flood': row(summary(report.interrupts)),
    'back after vanishing': row(summary(report.back)),
  });
  console.log(
    `${report.keys} keys, ${report.builds} builds, ${report.errors.length} errors, ${report.comebacks} terminals that came back by themselves. Processors: server ${round(one.serverCores, 2)}, ` +
      `broker ${round(one.brokerCores, 2)}, all but the learners ${round(one.hostCores, 2)}. Memory: server ${round(one.serverPssMb)} MB` +
      `${one.heapMb === null ? '' : ` (heap ${round(one.heapMb)} MB)`}, everything ${round(one.hostMb, 0)} MB` +
      `${one.monitorPssKib === null ? '' : `, a monitor ${round(one.monitorPssKib, 0)} KiB`}. The learners' own processes were up to ${round(report.lateMs)} ms late (p99).`,
  );
  const kinds = new Map<string, number>();
  for (const error of report.errors) {
    const kind = error.replace(/^learner \d+: /, '').replace(/[a-z2-7]{20}/g, '…');
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  for (const [kind, count] of [...kinds].slice(0, 20)) console.log(`  ${count} × ${kind}`);
};

const before = environment();
const outcomes: Outcome[] = [];
const starts = [() => startBulkhead(2 * learners + SPARE), ...(options.peer ? [startAPeer] : [])];
for (const start of starts) {
  const server = await start();
  try {
    outcomes.push(await holdClass(server));
  } finally {
    await server.stop();
  }
}
const after = environment();
console.log(`\n${describeEnvironment(before, after)}`);
for (const outcome of outcomes) tell(outcome);
mkdirSync(dirname(options.out), { recursive: true });
writeFileSync(options.out, JSON.stringify({ before, after, learners, outcomes }, null, 2));
if (outcomes[0]?.report.errors.length) process.exitCode = 1;
