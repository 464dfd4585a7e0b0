// The gauges of a machine's control group: what it uses, of how much, and how often it met its limit.
import type { Machine, MachineStats } from '@bulkhead/sandbox-server/protocol';
import { formatBytes, formatMs } from '../sandbox/format.ts';
import { say } from './words.ts';

type Word = Parameters<typeof say>[0];
type Throttling = NonNullable<MachineStats['throttling']>;

export interface Gauge {
  id: 'cpu' | 'memory' | 'pids';
  label: string;
  /** Of its limit, from 0 to 1; null where either is not known. */
  share: number | null;
  /** What it uses now, and of how much. */
  text: string;
  /** What else is known of it, one line; empty if nothing is. */
  note: string;
}

const share = (value: number | null | undefined, most: number | null | undefined) =>
  value == null || !most ? null : Math.min(1, value / most);
const of = (value: string, most: string | null) =>
  most === null ? value : say('gauge.used', { used: value, limit: most });

/** Gauges with a limit. Without figures they stand at nothing, so that the first measurement moves no page. */
export function gaugesOf(stats: MachineStats | undefined, limits: Machine['limits'] | undefined): Gauge[] {
  const cpus = limits ? limits.cpuMillis / 1_000 : null;
  const memoryLimit = stats?.memoryLimitBytes ?? limits?.memoryBytes ?? null;
  const pidsLimit = stats?.pidsLimit ?? limits?.pids ?? null;
  const bytes = (value: number | null | undefined) => (value == null ? '–' : formatBytes(value));
  return [
    {
      id: 'cpu',
      label: say('gauge.cpu'),
      share: share(stats?.cpuShare, cpus),
      text: of(
        stats?.cpuShare == null ? '–' : stats.cpuShare.toFixed(2),
        cpus === null ? null : cpuWords(cpus),
      ),
      note: stats?.cpuMs == null ? '' : say('gauge.cpuTime', { time: formatMs(stats.cpuMs) }),
    },
    {
      id: 'memory',
      label: say('gauge.memory'),
      share: share(stats?.memoryBytes, memoryLimit),
      text: of(bytes(stats?.memoryBytes), memoryLimit === null ? null : formatBytes(memoryLimit)),
      note: memoryWords(stats),
    },
    {
      id: 'pids',
      label: say('gauge.tasks'),
      share: share(stats?.pids, pidsLimit),
      text: of(String(stats?.pids ?? '–'), pidsLimit === null ? null : String(pidsLimit)),
      note: say('gauge.tasksAre'),
    },
  ];
}

const cpuWords = (cpus: number) => say(cpus === 1 ? 'cpu' : 'cpus', { count: Number(cpus.toFixed(2)) });

function memoryWords(stats: MachineStats | undefined): string {
  const parts = [
    ['gauge.programs', stats?.memoryAnonBytes],
    ['gauge.files', stats?.memoryFileBytes],
    ['gauge.kernel', stats?.memoryKernelBytes],
    ['gauge.peak', stats?.memoryPeakBytes],
  ] as const;
  const known = parts.filter(([, value]) => value != null);
  return known.map(([what, value]) => say(what, { size: formatBytes(value ?? 0) })).join(say('list'));
}

/** How often it met a limit: 0 is news too, so these stand from the beginning. */
export interface Tally {
  id: 'throttled' | 'oom' | 'refused';
  label: string;
  count: number | null;
  text: string;
}

export function talliesOf(stats: MachineStats | undefined): Tally[] {
  const throttling = stats?.throttling;
  return [
    {
      id: 'throttled',
      label: say('throttled'),
      count: throttling?.throttledPeriods ?? null,
      text: throttling ? throttlingWords(throttling) : say('notTold'),
    },
    {
      id: 'oom',
      label: say('oom'),
      count: stats?.oomKills ?? null,
      text: counted(stats?.oomKills, 'oom.one', 'oom.many'),
    },
    {
      id: 'refused',
      label: say('refused'),
      count: stats?.pidsRefusals ?? null,
      text: counted(stats?.pidsRefusals, 'refused.one', 'refused.many'),
    },
  ];
}

const counted = (count: number | null | undefined, one: Word, many: Word) =>
  count == null ? say('notTold') : say(count === 1 ? one : many, { count });

function throttlingWords({ periods, throttledPeriods, throttledMs }: Throttling): string {
  if (throttledPeriods === 0)
    return say(periods === 1 ? 'throttled.neverOne' : 'throttled.never', { periods });
  return say('throttled.some', { count: throttledPeriods, periods, time: formatMs(throttledMs) });
}

/** What reached the disks under it since the measurement before, in bytes a second. */
export function ioRates(
  before: { at: number; stats: MachineStats } | null,
  now: { at: number; stats: MachineStats },
): { read: number; written: number } | null {
  const [first, second] = [before?.stats.io, now.stats.io];
  const seconds = before ? (now.at - before.at) / 1_000 : 0;
  if (!first || !second || seconds <= 0) return null;
  const rate = (from: number, to: number) => Math.max(0, to - from) / seconds; // less: it began again
  return {
    read: rate(first.readBytes, second.readBytes),
    written: rate(first.writtenBytes, second.writtenBytes),
  };
}

/** The surface under a line of `linePath`, down to the bottom of its field; gaps stay gaps. */
export function areaOf(line: string, height: number): string {
  return line
    .split('M')
    .filter((part) => part.includes('L'))
    .map((part) => `M${part}V${height}H${part.slice(0, part.indexOf(' '))}Z`)
    .join('');
}
