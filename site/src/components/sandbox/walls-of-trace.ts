// Which launch steps put up which wall: the milliseconds in a section drawing.
import type { TimelineStep } from '@bulkhead/sandbox-server/protocol';
import type { Wall } from '../../data/kinds.ts';
import { formatMs } from './format.ts';

/** By the words in a step's name; steps that put up no wall (reading the bundle, exec) match none. */
const words: [Wall, RegExp][] = [
  ['quantities', /cgroup|limit|rlimit|quota/i],
  ['privileges', /capab|seccomp|mask|privileg|credential|keyring|label|id.?map|users?\b|groups?\b/i],
  ['names', /namespace|clone|mount|overlay|root|hostname|host name|network|loopback|device|proc|sysctl/i],
];

export function wallOfStep(step: string): Wall | null {
  return words.find(([, pattern]) => pattern.test(step))?.[0] ?? null;
}

/** Milliseconds that the runtime spent on each wall, as text for the drawing. */
export function wallTimes(steps: readonly TimelineStep[]): Partial<Record<Wall, string>> {
  const sums = new Map<Wall, number>();
  for (const step of steps) {
    const wall = step.by === 'runtime' ? wallOfStep(step.step) : null;
    if (wall) sums.set(wall, (sums.get(wall) ?? 0) + step.endMs - step.startMs);
  }
  return Object.fromEntries([...sums].map(([wall, ms]) => [wall, `${wall} ${formatMs(ms)}`]));
}
