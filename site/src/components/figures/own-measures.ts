// What a reader can have measured on the machine behind the page: the names that content/facts/figures.yaml uses. Also read by
// what builds the pages, before there is a Vite to find words with: those are in own-measure-words.ts.
import type { KindName } from '../../data/kinds.ts';

interface OwnMeasure {
  kind: KindName;
  unit: 'ms' | 'MB' | 'ns';
}

export const ownMeasures = {
  'container-start': { kind: 'container', unit: 'ms' },
  'vm-start': { kind: 'vm', unit: 'ms' },
  'container-memory': { kind: 'container', unit: 'MB' },
  'vm-memory': { kind: 'vm', unit: 'MB' },
  'container-call': { kind: 'container', unit: 'ns' },
  'vm-call': { kind: 'vm', unit: 'ns' },
  'vm-move': { kind: 'vm', unit: 'ms' },
  'vm-pause': { kind: 'vm', unit: 'ms' },
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
