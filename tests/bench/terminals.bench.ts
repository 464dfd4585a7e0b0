// What a terminal in a page feels like, beside a peer in the same run: `npm run bench -- terminals`. From a key to its echo
// with nobody else there, with idle and printing neighbours, and beside one that floods; Ctrl-C in a flood; bytes a second;
// and what a terminal costs in memory. `--profile DIR` writes where the server's time went.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Inspector } from '../integration/inspector.ts';
import { describeEnvironment, environment } from './environment.ts';
import { cpuMs, processesWith, pssKiB } from './memory.ts';
import { type Summary, summary } from './summary.ts';
import {
  type Address,
  openTerminal,
  startAPeer,
  startBulkhead,
  type TerminalServer,
} from './terminal-servers.ts';
import { echoTimes, flood, interrupt, type OpenTerminal, pause, throughput } from './typing.ts';

const { values: options } = parseArgs({
  options: {
    idle: { type: 'string', default: '100' },
    printing: { type: 'string', default: '20' },
    keys: { type: 'string', default: '400' },
    megabytes: { type: 'string', default: '64' },
    rounds: { type: 'string', default: '5' },
    peer: { type: 'boolean', default: true },
    profile: { type: 'string' },
    out: { type: 'string', default: join(import.meta.dirname, '../results/terminals.json') },
  },
  allowNegative: true,
});
const [idle, printing, keys, megabytes, rounds] = [
  options.idle,
  options.printing,
  options.keys,
  options.megabytes,
  options.rounds,
].map(Number) as [number, number, number, number, number];
const GAP_MS = 20;
/** Terminals that are opened before the memory of more is counted: with them the server has compiled what it runs. */
const FIRST = 10;
/** After many terminals have been opened, before anything is measured. */
const SETTLE_MS = 3_000;

interface Level {
  level: string;
  echo: Summary;
  /** Processors that the server's process used meanwhile. */
  cores: number;
}

interface Outcome {
  name: string;
  what: string;
  levels: Level[];
  interruptMs: Summary;
  megabytesPerSecond: Summary;
  /** A terminal's part of the server's proportional set size. */
  serverKiB: number;
  /** Bulkhead's own; null for a peer. */
  heapKiB: number | null;
  monitorKiB: number | null;
}

/** Other people's terminals. */
class Neighbours {
  readonly #child;
  readonly #lines;

  constructor(address: Address) {
    const program = join(import.meta.dirname, 'neighbours.ts');
    const stdio = ['pipe', 'pipe', 'inherit'] as const;
    this.#child = spawn(process.execPath, [program, JSON.stringify(address)], { stdio: [...stdio] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async add(count: number, what: 'idle' | 'printing' | 'flooding'): Promise<void> {
    this.#child.stdin.write(`${what} ${count}\n`);
    if ((await this.#lines.next()).done) throw new Error('the neighbours have ended');
  }

  async leave(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.stdin.end();
    await gone;
  }
}

const measureLevel = async (
  server: TerminalServer,
  level: string,
  terminal: OpenTerminal,
  inspector: Inspector | null,
): Promise<Level> => {
  const profile =
    options.profile && inspector
      ? join(options.profile, `${level.replaceAll(/\W+/g, '-')}.cpuprofile`)
      : null;
  if (profile) await inspector?.startProfile();
  const before = { cpu: cpuMs(server.pid), at: performance.now() };
  const echo = summary(await echoTimes(terminal, keys, GAP_MS));
  const cores = (cpuMs(server.pid) - before.cpu) / (performance.now() - before.at);
  if (profile) await inspector?.writeProfile(profile);
  return { level, echo, cores };
};

const repeat = async (measure: () => Promise<number>): Promise<Summary> => {
  const values: number[] = [];
  for (let round = 0; round < rounds; round++) values.push(await measure());
  return summary(values);
};

/** Everything that is measured of one of them. */
async function measure(server: TerminalServer): Promise<Outcome> {
  const inspector = server.stack ? await Inspector.connect(server.stack.said) : null;
  const terminal = await openTerminal(server.address);
  const levels = [await measureLevel(server, 'alone', terminal, inspector)];
  if (options.profile) await inspector?.startProfile();
  const megabytesPerSecond = await repeat(() => throughput(terminal, megabytes));
  if (options.profile) await inspector?.writeProfile(join(options.profile, 'throughput.cpuprofile'));
  const interruptMs = await repeat(async () => {
    await flood(terminal);
    return interrupt(terminal);
  });

  const neighbours = new Neighbours(server.address);
  await neighbours.add(FIRST, 'idle');
  const before = { memory: await inspector?.memory(), pss: pssKiB(server.pid) };
  await neighbours.add(idle - FIRST, 'idle');
  await pause(SETTLE_MS);
  const after = { memory: await inspector?.memory(), pss: pssKiB(server.pid) };
  const heapOf = (memory: { heap: number; outside: number }): number => memory.heap + memory.outside;
  levels.push(await measureLevel(server, `${idle} idle`, terminal, inspector));
  await neighbours.add(printing, 'printing');
  levels.push(await measureLevel(server, `${idle} idle, ${printing} printing`, terminal, inspector));
  const monitors = server.stack ? processesWith('bulkhead-monitor', server.stack.state) : [];
  const monitorKiB = monitors.reduce((sum, pid) => sum + pssKiB(pid), 0) / monitors.length;
  await neighbours.add(1, 'flooding');
  levels.push(await measureLevel(server, 'and one that floods', terminal, inspector));

  await neighbours.leave();
  terminal.close();
  inspector?.close();
  return {
    name: server.address.kind,
    what: server.what,
    levels,
    interruptMs,
    megabytesPerSecond,
    serverKiB: (after.pss - before.pss) / (idle - FIRST),
    heapKiB:
      after.memory && before.memory
        ? (heapOf(after.memory) - heapOf(before.memory)) / 1_024 / (idle - FIRST)
        : null,
    monitorKiB: monitors.length > 0 ? monitorKiB : null,
  };
}

const round = (value: number, digits = 1): number => Number(value.toFixed(digits));

const tell = (outcomes: readonly Outcome[]): void => {
  for (const { name, what } of outcomes) console.log(`${name}: ${what}`);
  console.log('\nFrom a key to its echo, milliseconds, as a client on this machine sees it');
  console.table(
    outcomes.flatMap(({ name, levels }) =>
      levels.map(({ level, echo, cores }) => ({
        server: name,
        'other terminals': level,
        p50: round(echo.median, 2),
        p90: round(echo.p90, 2),
        p99: round(echo.p99, 2),
        max: round(echo.max, 2),
        keys: echo.runs,
        'server, cores': round(cores, 2),
      })),
    ),
  );
  console.table(
    Object.fromEntries(
      outcomes.map((one) => [
        one.name,
        {
          'output, MB/s': round(one.megabytesPerSecond.median),
          'Ctrl-C in a flood to the prompt, ms': round(one.interruptMs.median),
          'server, KiB PSS a terminal': round(one.serverKiB),
          'its heap, KiB a terminal': one.heapKiB === null ? '' : round(one.heapKiB),
          'monitor, KiB PSS': one.monitorKiB === null ? '' : round(one.monitorKiB, 0),
        },
      ]),
    ),
  );
};

const before = environment();
const outcomes: Outcome[] = [];
/** Beyond the neighbours: the one that floods, and the one that is measured. */
const starts = [() => startBulkhead(idle + printing + 2), ...(options.peer ? [startAPeer] : [])];
if (options.profile) mkdirSync(options.profile, { recursive: true });
for (const start of starts) {
  const server = await start();
  try {
    outcomes.push(await measure(server));
  } finally {
    await server.stop();
  }
}
const after = environment();
console.log(`\n${describeEnvironment(before, after)}`);
tell(outcomes);
mkdirSync(dirname(options.out), { recursive: true });
writeFileSync(options.out, JSON.stringify({ before, after, outcomes }, null, 2));
