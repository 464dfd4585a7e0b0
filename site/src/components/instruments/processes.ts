// A machine's processes as a tree, and what the kernel says of one, in words.
import type { SeenProcess } from '@bulkhead/sandbox-server/protocol';
import { capabilitiesOf } from '@bulkhead/sandbox-server/protocol/capabilities';

type IdMap = SeenProcess['uidMap'];

/** The id that programs inside know an id of the host's by; null where the map has none. */
export function insideId(map: IdMap, outside: number): number | null {
  const line = map?.find((one) => outside >= one.outside && outside < one.outside + one.count);
  return line ? outside - line.outside + line.inside : null;
}

/** A line of a map as a sentence. */
export function mapWords({ inside, outside, count }: NonNullable<IdMap>[number]): string {
  const number = (value: number) => value.toLocaleString('en');
  if (count === 1) return `${number(inside)} inside is ${number(outside)} on the host`;
  const to = (from: number) => `${number(from)} to ${number(from + count - 1)}`;
  return `${to(inside)} inside ${inside === outside ? 'are the same on the host' : `are ${to(outside)} on the host`}`;
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
  R: 'runs',
  S: 'sleeps',
  D: 'waits for a disk',
  T: 'stopped',
  t: 'being traced',
  Z: 'has ended',
  I: 'idle',
};
export const stateWords = (state: string) => states[state] ?? state;

/** What decides over its system calls, as the kernel has it. */
export function filterWords({ seccomp, noNewPrivs }: Pick<SeenProcess, 'seccomp' | 'noNewPrivs'>): string {
  const filter = seccomp === null ? 'not told' : seccomp === 2 ? 'a filter decides' : 'none';
  return noNewPrivs ? `${filter}; set-user-id programs give it nothing (no_new_privs)` : filter;
}
