// What a reader can have measured on the machine behind the page, and how: the names that content/facts/figures.yaml uses.
import type { KindName } from '../../data/kinds.ts';
import { say } from './words.ts';

interface OwnMeasure {
  what: string;
  label: string;
  kind: KindName;
  unit: 'ms' | 'MB' | 'ns';
  how: string;
}

export const ownMeasures = {
  'container-start': {
    what: say('start'),
    label: say('here.container'),
    kind: 'container',
    unit: 'ms',
    how: say('start.container'),
  },
  'vm-start': {
    what: say('start'),
    label: say('here.vm'),
    kind: 'vm',
    unit: 'ms',
    how: say('start.vm'),
  },
  'container-memory': {
    what: say('memory'),
    label: say('here.container'),
    kind: 'container',
    unit: 'MB',
    how: say('memory.container'),
  },
  'vm-memory': {
    what: say('memory'),
    label: say('here.vm'),
    kind: 'vm',
    unit: 'MB',
    how: say('memory.vm'),
  },
  'container-call': {
    what: say('call'),
    label: say('here.container'),
    kind: 'container',
    unit: 'ns',
    how: say('call.container'),
  },
  'vm-call': {
    what: say('call'),
    label: say('here.vm'),
    kind: 'vm',
    unit: 'ns',
    how: say('call.vm'),
  },
  'vm-move': {
    what: say('move'),
    label: say('here.move'),
    kind: 'vm',
    unit: 'ms',
    how: say('move.how'),
  },
  'vm-pause': {
    what: say('pause'),
    label: say('here.pause'),
    kind: 'vm',
    unit: 'ms',
    how: say('pause.how'),
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
