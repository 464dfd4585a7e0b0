import { describe, expect, test } from 'vitest';
import type { MachineStats } from '../protocol/api.ts';
import { NoticeWatch } from './notices.ts';

const nothing: MachineStats = {
  memoryBytes: 1,
  memoryPeakBytes: 1,
  memoryLimitBytes: 268_435_456,
  memoryAnonBytes: null,
  memoryFileBytes: null,
  memoryKernelBytes: null,
  cpuMs: 0,
  cpuShare: 0,
  throttling: { periods: 0, throttledPeriods: 0, throttledMs: 0 },
  pids: 1,
  pidsLimit: 64,
  pidsRefusals: 0,
  oomKills: 0,
  io: null,
  pressure: null,
  pressureMissing: 'none',
  hostBytes: null,
  hostProcesses: null,
  inside: null,
};

/** What is told of these figures, one look a second from 0 on. */
function told(looks: Partial<MachineStats>[], { isNew = true, kernel = false } = {}): string[] {
  const watch = new NoticeWatch('box', isNew);
  return looks.flatMap((some, second) =>
    watch
      .look({ ...nothing, ...some }, kernel, second * 1_000)
      .map(({ text, by }) => `${second} ${by}: ${text}`),
  );
}
const kills = (...counts: number[]) => counts.map((oomKills) => ({ oomKills }));
const throttled = (periods: number, throttledPeriods: number) => ({
  throttling: { periods, throttledPeriods, throttledMs: throttledPeriods * 50 },
});

describe('what befalls a machine is told', () => {
  test('at once the first time, then summed up, also when nothing more comes', () => {
    expect(told(kills(0, 1, 2, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5))).toEqual([
      '1 host: The kernel ended 1 process in box because memory was full: it may have 256 MiB.',
      '11 host: The kernel ended 4 processes in box because memory was full: it may have 256 MiB.',
    ]);
  });

  test('also when it happened before anybody looked, but not of a machine that was found running', () => {
    expect(told(kills(2))).toHaveLength(1);
    expect(told(kills(2, 2), { isNew: false })).toEqual([]);
    expect(told(kills(2, 3), { isNew: false })).toHaveLength(1);
  });

  test('with nothing made up where the kernel does not count, or where counts begin again', () => {
    expect(told([{ oomKills: null, pidsRefusals: null, throttling: null }])).toEqual([]);
    expect(told(kills(3, 0, 0), { isNew: false })).toEqual([]);
  });

  test('of throttling: how many of the periods since the last notice', () => {
    const looks = Array.from({ length: 40 }, (_, second) => throttled(second * 10, second * 5));
    expect(told([throttled(4, 0), ...looks])).toEqual([
      '2 host: box wants more CPU time than it may have: the kernel held it back in 5 of 10 periods.',
      '32 host: box wants more CPU time than it may have: the kernel held it back in 150 of 300 periods.',
    ]);
  });

  test('of processes that were refused', () => {
    expect(told([{ pidsRefusals: 7 }])).toEqual([
      '0 host: The kernel refused box 7 new processes: it may have 64.',
    ]);
  });

  test("of a VM by its own kernel's count, of a container not twice", () => {
    const inside = (oomKills: number) => ({
      inside: { oomKills, pressure: null, pressureMissing: null } as MachineStats['inside'],
    });
    expect(told([inside(1), inside(2)])).toEqual([]);
    expect(told([inside(1), inside(2)], { kernel: true })).toEqual([
      '1 inside: The kernel of box ended 1 process because its memory was full.',
    ]);
  });
});
