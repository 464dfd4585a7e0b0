// How machines were made, as LaunchTimeline draws it.
import type { Machine, Measures, TimelineStep } from '@bulkhead/sandbox-server/protocol';

export interface Launch {
  name: string;
  kind: Machine['kind'];
  /** What it is called where it is drawn. */
  label: string;
  /** The same within a sentence. */
  said: string;
  steps: readonly TimelineStep[];
  /** Its terminal is open, or it has none: no step is to come. */
  done: boolean;
  /** It had been made beforehand, `agoMs` before it was asked for, and was given within `givenMs`. */
  pooled: { agoMs: number; givenMs: number } | null;
  /** It runs in the reader's tab. */
  inTab: boolean;
}

/** The launch of a machine; without steps where nobody measured it, or nothing is known of it yet. */
export function launchOf(
  name: string,
  kind: Machine['kind'],
  called: Pick<Launch, 'label' | 'said'>,
  machine?: Machine,
): Launch {
  const measures = machine?.measures;
  const done = measures?.terminalMs != null || (machine?.terminals.length === 0 && measures?.readyMs != null);
  const inTab = machine?.where.depth === 'tab';
  return { name, kind, ...called, steps: measures?.steps ?? [], done, pooled: pooledOf(measures), inTab };
}

/** The launches of a sandbox's machines by their names, of those that were measured. */
export function launchesOf(machines: readonly Machine[]): Launch[] {
  return machines
    .map((machine) =>
      launchOf(machine.name, machine.kind, { label: machine.name, said: machine.name }, machine),
    )
    .filter(({ steps }) => steps.length > 0);
}

function pooledOf(measures: Measures | null | undefined): Launch['pooled'] {
  if (!measures || measures.pooledAt === null) return null;
  const { requestedAt, pooledAt, readyMs } = measures;
  return { agoMs: requestedAt - pooledAt, givenMs: readyMs ?? 0 };
}
