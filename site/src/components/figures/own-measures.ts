// What a reader can have measured on the machine behind the page, and how: the names that content/facts/figures.yaml uses.
import type { KindName } from '../../data/kinds.ts';

interface OwnMeasure {
  what: string;
  label: string;
  kind: KindName;
  unit: 'ms' | 'MB' | 'ns';
  how: string;
}

export const ownMeasures = {
  'container-start': {
    what: 'start',
    label: 'a container, here',
    kind: 'container',
    unit: 'ms',
    how: 'From the request until the first shell in it was open, by the server’s clock.',
  },
  'vm-start': {
    what: 'start',
    label: 'a virtual machine, here',
    kind: 'vm',
    unit: 'ms',
    how: 'The same, for one that boots. Its firmware, kernel and init are in it.',
  },
  'container-memory': {
    what: 'memory',
    label: 'a container, here',
    kind: 'container',
    unit: 'MB',
    how: 'Proportional set size of all processes on the host that exist for it, its idle shell among them: what is shared is divided among those who share it.',
  },
  'vm-memory': {
    what: 'memory',
    label: 'a virtual machine, here',
    kind: 'vm',
    unit: 'MB',
    how: 'The same: its QEMU, with all that the guest has touched of its memory.',
  },
  'container-call': {
    what: 'one system call',
    label: 'a container, here',
    kind: 'container',
    unit: 'ns',
    how: 'dd copies 100,000 single bytes from /dev/zero to /dev/null. Its time, divided by 200,000 calls.',
  },
  'vm-call': {
    what: 'one system call',
    label: 'a virtual machine, here',
    kind: 'vm',
    unit: 'ns',
    how: 'The same command. On an emulated processor every instruction of it is translated.',
  },
  'vm-move': {
    what: 'whole move',
    label: 'whole move, here',
    kind: 'vm',
    unit: 'ms',
    how: 'That machine, idle, from its QEMU into a second one on this host.',
  },
  'vm-pause': {
    what: 'pause of the move',
    label: 'pause, here',
    kind: 'vm',
    unit: 'ms',
    how: 'Of that, how long it stood still, as QEMU counts it.',
  },
} as const satisfies Record<string, OwnMeasure>;

export type OwnMeasureName = keyof typeof ownMeasures;
export const ownMeasureNames = Object.keys(ownMeasures) as OwnMeasureName[];
export type OwnNumbers = Partial<Record<OwnMeasureName, number>>;
/** The event by which a page's charts learn of new numbers. */
export const MEASURED = 'bulkhead:measured';

const MB = 1_000_000;
/** Bytes as the figures count them. */
export const inMegabytes = (bytes: number): number => Math.round((bytes / MB) * 10) / 10;

/** How long the making of a machine took, also where it was made before it was asked for. */
export function madeMs(measures: {
  pooledAt: number | null;
  terminalMs: number | null;
  steps: readonly { endMs: number }[];
}): number | null {
  if (measures.pooledAt === null) return measures.terminalMs;
  return measures.steps.length > 0 ? Math.max(...measures.steps.map(({ endMs }) => endMs)) : null;
}

/** Nanoseconds of one system call, from what dd says at its end; null where it says something else. */
export function callNs(ddSays: string, calls: number): number | null {
  const [, seconds] = /, ([\d.e-]+) s,/.exec(ddSays) ?? [];
  return seconds === undefined ? null : Math.round((Number(seconds) * 1e9) / calls);
}
