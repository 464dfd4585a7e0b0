import type { TimelineStep } from '@bulkhead/sandbox-server/protocol';
import { describe, expect, it } from 'vitest';
import { phasesOf, placeOn, ticksOf } from './launch-phases.ts';

const step = (by: TimelineStep['by'], name: string, startMs: number, endMs: number): TimelineStep => ({
  by,
  step: name,
  startMs,
  endMs,
  detail: '',
  source: null,
});

describe('the phases of a launch', () => {
  it('make one of everything that the runtime did', () => {
    const steps = [
      step('broker', 'make container', 2, 9),
      step('runtime', 'clone3', 4, 5),
      step('runtime', 'exec', 7, 8),
      step('server', 'open terminal', 9, 12),
    ];
    expect(phasesOf(steps)).toEqual([
      { name: 'runtime', startMs: 4, endMs: 8 },
      { name: 'open terminal', startMs: 9, endMs: 12 },
    ]);
  });

  it('are those of a boot, without the waiting that they fill', () => {
    const steps = [
      step('broker', 'start QEMU', 10, 100),
      step('server', 'wait for the guest', 100, 3_000),
      step('guest', 'kernel', 900, 2_500),
      step('guest', 'modules', 2_500, 2_600),
    ];
    expect(phasesOf(steps).map(({ name }) => name)).toEqual(['start QEMU', 'kernel']);
  });
});

describe('the axis', () => {
  it('lets a second be a second, or gives every power of ten the same room', () => {
    expect(placeOn('linear', 500, 2_000)).toBe(0.25);
    expect([1, 10, 100, 1_000].map((ms) => placeOn('powers', ms, 1_000))).toEqual(
      [0, 1 / 3, 2 / 3, 1].map((n) => expect.closeTo(n)),
    );
    expect(placeOn('powers', 0, 1_000)).toBe(0);
  });

  it.each([
    [6_700, [0, 2_000, 4_000, 6_000]],
    [140, [0, 50, 100]],
  ])('is marked at round distances: %d ms', (longest, marks) =>
    expect(ticksOf('linear', longest)).toEqual(marks),
  );

  it('is marked at powers of ten', () => expect(ticksOf('powers', 6_700)).toEqual([1, 10, 100, 1_000]));
});
