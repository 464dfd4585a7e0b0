// The parts of a launch that are drawn on the common axis, and the axis itself.
import type { TimelineStep } from '@bulkhead/sandbox-server/protocol';

export interface Phase {
  name: string;
  startMs: number;
  endMs: number;
}

/** Steps that are phases as they are, of whatever machine (protocol/api.ts, `steps`). */
const named = [
  'map memory',
  'start QEMU',
  'firmware',
  'kernel',
  'init',
  'restore',
  'hello',
  'identity',
  'open terminal',
  'prompt',
] as const;

/** The phases of a launch in order: what the runtime did is one, and what nobody told of is none. */
export function phasesOf(steps: readonly TimelineStep[]): Phase[] {
  const runtime = steps.filter(({ by }) => by === 'runtime');
  const phases: Phase[] = steps
    .filter(({ step }) => (named as readonly string[]).includes(step))
    .map(({ step, startMs, endMs }) => ({ name: step, startMs, endMs }));
  if (runtime.length > 0) {
    phases.push({
      name: 'runtime',
      startMs: Math.min(...runtime.map(({ startMs }) => startMs)),
      endMs: Math.max(...runtime.map(({ endMs }) => endMs)),
    });
  }
  return phases.toSorted((a, b) => a.startMs - b.startMs);
}

/** to scale: a second is a second. powers: each power of ten is as wide as the next, so that both ends can be read. */
export type Scale = 'linear' | 'powers';

/** Where the axis of powers begins: nobody waits for less. */
const FIRST_MS = 1;

/** Where a moment lies on an axis that ends at `longest`: from 0 to 1. */
export function placeOn(scale: Scale, ms: number, longest: number): number {
  if (scale === 'linear') return Math.min(1, ms / longest);
  if (ms <= FIRST_MS) return 0;
  return Math.min(1, Math.log10(ms / FIRST_MS) / Math.log10(Math.max(10, longest) / FIRST_MS));
}

/** The marks of an axis: round distances, 1, 2 or 5 times a power of ten, three to six of them; or the powers themselves. */
export function ticksOf(scale: Scale, longest: number): number[] {
  if (scale === 'powers') {
    const decades = Math.floor(Math.log10(Math.max(10, longest) / FIRST_MS));
    return Array.from({ length: decades + 1 }, (_, power) => FIRST_MS * 10 ** power);
  }
  const rough = longest / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough) ?? rough;
  return Array.from({ length: Math.floor(longest / step) + 1 }, (_, index) => index * step);
}
