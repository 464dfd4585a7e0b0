// A machine's processes as a tree, and what the kernel says of one, in words.
import type { SeenProcess } from '@bulkhead/sandbox-server/protocol';
import { capabilitiesOf } from '@bulkhead/sandbox-server/protocol/capabilities';
import { language } from '../../words/words.ts';
import { say } from './words.ts';

type IdMap = SeenProcess['uidMap'];

/** The id that programs inside know an id of the host's by; null where the map has none. */
export function insideId(map: IdMap, outside: number): number | null {
  const line = map?.find((one) => outside >= one.outside && outside < one.outside + one.count);
  return line ? outside - line.outside + line.inside : null;
}

/** A line of a map as a sentence. `host`: what the outside is called. */
export function mapWords({ inside, outside, count }: NonNullable<IdMap>[number], host: string): string {
  const number = (value: number) => value.toLocaleString(language);
  return say(count === 1 ? 'map.one' : inside === outside ? 'map.same' : 'map.range', {
    inside: number(inside),
    insideLast: number(inside + count - 1),
    outside: number(outside),
    outsideLast: number(outside + count - 1),
    host,
  });
}

/** Parents before their children, each with how deep it stands. Whose parent is not among them begins a tree. */
export function treeOf(processes: readonly SeenProcess[]): { process: SeenProcess; depth: number }[] {
  const pids = new Set(processes.map(({ pids }) => pids[0]));
  const children = new Map<number | null, SeenProcess[]>();
  for (const process of processes) {
    const parent = process.parent !== null && pids.has(process.parent) ? process.parent : null;
    children.set(parent, [...(children.get(parent) ?? []), process]);
  }
  const below = (parent: number | null, depth: number): { process: SeenProcess; depth: number }[] =>
    (children.get(parent) ?? []).flatMap((process) => [
      { process, depth },
      ...below(process.pids[0] ?? null, depth + 1),
    ]);
  return below(null, 0);
}

/** The names in one of its sets, without the CAP_ that all of them begin with; null where the kernel did not tell. */
export function capabilityWords(set: string | null): string[] | null {
  return set === null ? null : capabilitiesOf(set).map((name) => name.replace(/^CAP_/, '').toLowerCase());
}

const states: Record<string, string> = {
  R: say('state.runs'),
  S: say('state.sleeps'),
  D: say('state.waits'),
  T: say('state.stopped'),
  t: say('state.traced'),
  Z: say('state.ended'),
  I: say('state.idle'),
};
export const stateWords = (state: string) => states[state] ?? state;

/** What decides over its system calls, as the kernel has it. */
export function filterWords({ seccomp, noNewPrivs }: Pick<SeenProcess, 'seccomp' | 'noNewPrivs'>): string {
  const filter = say(seccomp === null ? 'notTold' : seccomp === 2 ? 'calls.filtered' : 'calls.none');
  return noNewPrivs ? say('calls.noNewPrivs', { filter }) : filter;
}
