// The gauges of a machine's control group: what it uses, of how much, and how often it met its limit.
import type { Machine, MachineStats } from '@bulkhead/sandbox-server/protocol';
import { formatBytes, formatMs } from '../sandbox/format.ts';
import { formatCpus } from './cost-history.ts';

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
const of = (value: string, most: string | null) => (most === null ? value : `${value} of ${most}`);

/** Gauges with a limit. Without figures they stand at nothing, so that the first measurement moves no page. */
export function gaugesOf(stats: MachineStats | undefined, limits: Machine['limits'] | undefined): Gauge[] {
  const cpus = limits ? limits.cpuMillis / 1_000 : null;
  const memoryLimit = stats?.memoryLimitBytes ?? limits?.memoryBytes ?? null;
  const pidsLimit = stats?.pidsLimit ?? limits?.pids ?? null;
  const bytes = (value: number | null | undefined) => (value == null ? '–' : formatBytes(value));
  return [
    {
      id: 'cpu',
      label: 'CPU',
      share: share(stats?.cpuShare, cpus),
      text: of(
        stats?.cpuShare == null ? '–' : stats.cpuShare.toFixed(2),
        cpus === null ? null : cpuWords(cpus),
      ),
      note: stats?.cpuMs == null ? '' : `${formatMs(stats.cpuMs)} of CPU time so far`,
    },
    {
      id: 'memory',
      label: 'memory',
      share: share(stats?.memoryBytes, memoryLimit),
      text: of(bytes(stats?.memoryBytes), memoryLimit === null ? null : formatBytes(memoryLimit)),
      note: memoryWords(stats),
    },
    {
      id: 'pids',
      label: 'tasks',
      share: share(stats?.pids, pidsLimit),
      text: of(String(stats?.pids ?? '–'), pidsLimit === null ? null : String(pidsLimit)),
      note: 'processes and threads',
    },
  ];
}

const cpuWords = (cpus: number) => (cpus === 1 ? '1 CPU' : formatCpus(cpus).replace(/\.?0+ /, ' '));

function memoryWords(stats: MachineStats | undefined): string {
  const parts = [
    ['programs', stats?.memoryAnonBytes],
    ['files', stats?.memoryFileBytes],
    ['the kernel', stats?.memoryKernelBytes],
    ['at most so far', stats?.memoryPeakBytes],
  ] as const;
  const known = parts.filter(([, value]) => value != null);
  return known.map(([what, value]) => `${what} ${formatBytes(value ?? 0)}`).join(', ');
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
      label: 'held back for its CPU time',
      count: throttling?.throttledPeriods ?? null,
      text: throttling
        ? throttling.throttledPeriods === 0
          ? `never, in ${things(throttling.periods, 'period', 'periods')} with work`
          : `in ${throttling.throttledPeriods} of ${throttling.periods} periods, ${formatMs(throttling.throttledMs)} in all`
        : 'not told',
    },
    {
      id: 'oom',
      label: 'ended because memory was full',
      count: stats?.oomKills ?? null,
      text: stats?.oomKills == null ? 'not told' : things(stats.oomKills, 'process', 'processes'),
    },
    {
      id: 'refused',
      label: 'refused for its number of processes',
      count: stats?.pidsRefusals ?? null,
      text: stats?.pidsRefusals == null ? 'not told' : things(stats.pidsRefusals, 'fork', 'forks'),
    },
  ];
}

const things = (count: number, one: string, more: string) => `${count} ${count === 1 ? one : more}`;

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
