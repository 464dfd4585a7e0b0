// Which launch steps put up which wall: the milliseconds in a section drawing.
import type { TimelineStep } from '@bulkhead/sandbox-server/protocol';
import { type Wall, wallNames } from '../../data/kinds.ts';
import { formatMs } from './format.ts';
import { say } from './words.ts';

/** The steps of native/runtime. Those that put up no wall (reading the bundle, exec) are in none. */
const stepsOf: Partial<Record<Wall, readonly string[]>> = {
  names: [
    'clone3',
    'idmapped lower layer',
    'host name',
    'propagation',
    'root',
    'mount',
    'devices',
    'pivot_root',
    'sysctl',
  ],
  quantities: ['cgroup', 'join cgroup', 'rlimits'],
  privileges: ['seccomp', 'id maps', 'masks', 'privileges', 'keyring', 'label'],
};

export function wallOfStep(step: string): Wall | null {
  return wallNames.find((wall) => stepsOf[wall]?.includes(step)) ?? null;
}

const words = {
  names: 'wall.names',
  quantities: 'wall.quantities',
  privileges: 'wall.privileges',
  faults: 'wall.faults',
} as const satisfies Record<Wall, string>;

/** Milliseconds that the runtime spent on each wall, as text for the drawing. */
export function wallTimes(steps: readonly TimelineStep[]): Partial<Record<Wall, string>> {
  const sums = new Map<Wall, number>();
  for (const step of steps) {
    const wall = step.by === 'runtime' ? wallOfStep(step.step) : null;
    if (wall) sums.set(wall, (sums.get(wall) ?? 0) + step.endMs - step.startMs);
  }
  return Object.fromEntries([...sums].map(([wall, ms]) => [wall, say(words[wall], { time: formatMs(ms) })]));
}
