import type { Machine, MachineStats } from '@bulkhead/sandbox-server/protocol';
import { expect, test } from 'vitest';
import { areaOf, gaugesOf, ioRates, talliesOf } from './gauges.ts';

const MIB = 1_048_576;
const limits: Machine['limits'] = { memoryBytes: 512 * MIB, cpuMillis: 500, pids: 256, diskBytes: null };
const stats: MachineStats = {
  ...{ memoryBytes: 128 * MIB, memoryPeakBytes: 200 * MIB, memoryLimitBytes: 512 * MIB },
  ...{ memoryAnonBytes: 100 * MIB, memoryFileBytes: 20 * MIB, memoryKernelBytes: null },
  ...{ cpuMs: 1_500, cpuShare: 0.25, pids: 12, pidsLimit: 256, pidsRefusals: 1, oomKills: 0 },
  throttling: { periods: 40, throttledPeriods: 10, throttledMs: 900 },
  io: { readBytes: 1_000, writtenBytes: 0, reads: 1, writes: 0 },
  ...{ pressure: null, pressureMissing: 'No PSI.', hostBytes: null, hostProcesses: null, inside: null },
};

test('a gauge says how much, of how much, and what is known besides', () => {
  const [cpu, memory, pids] = gaugesOf(stats, limits);
  expect(cpu).toMatchObject({ share: 0.5, text: '0.25 of 0.5 CPUs', note: '1.5 s of CPU time so far' });
  expect(memory).toMatchObject({ share: 0.25, text: '128 MiB of 512 MiB' });
  expect(memory?.note).toBe('programs 100 MiB, files 20 MiB, at most so far 200 MiB');
  expect(pids).toMatchObject({ text: '12 of 256' });
});

test('what was not measured yet is a dash on a gauge that stands', () => {
  const gauges = gaugesOf(undefined, limits);
  expect(gauges.map(({ text }) => text)).toEqual(['– of 0.5 CPUs', '– of 512 MiB', '– of 256']);
  expect(gauges.every(({ share }) => share === null)).toBe(true);
  expect(gaugesOf(undefined, undefined).map(({ text }) => text)).toEqual(['–', '–', '–']);
  expect(gaugesOf({ ...stats, cpuShare: 2 }, { ...limits, cpuMillis: 1_000 })[0]).toMatchObject({
    share: 1,
    text: '2.00 of 1 CPU',
  });
});

test('limits that were met are counted from the beginning, and none is news too', () => {
  expect(talliesOf(stats).map(({ id, count, text }) => [id, count, text])).toEqual([
    ['throttled', 10, 'in 10 of 40 periods, 900 ms in all'],
    ['oom', 0, '0 processes'],
    ['refused', 1, '1 fork'],
  ]);
  const throttling = { periods: 1, throttledPeriods: 0, throttledMs: 0 };
  expect(talliesOf({ ...stats, throttling })[0]?.text).toBe('never, in 1 period with work');
  expect(talliesOf(undefined).every(({ count, text }) => count === null && text === 'not told')).toBe(true);
});

test('input and output have a rate from the second measurement on', () => {
  const later = { ...stats, io: { readBytes: 3_000, writtenBytes: 512, reads: 2, writes: 1 } };
  expect(ioRates(null, { at: 1_000, stats })).toBeNull();
  expect(ioRates({ at: 1_000, stats }, { at: 1_500, stats: later })).toEqual({ read: 4_000, written: 1_024 });
  expect(ioRates({ at: 1_500, stats: later }, { at: 2_000, stats })).toEqual({ read: 0, written: 0 });
  expect(ioRates({ at: 1_000, stats }, { at: 1_500, stats: { ...stats, io: null } })).toBeNull();
});

test('the surface under a line ends where the line has a gap', () => {
  expect(areaOf('M0.0 10.0L2.0 5.0M6.0 1.0L8.0 2.0', 20)).toBe(
    'M0.0 10.0L2.0 5.0V20H0.0ZM6.0 1.0L8.0 2.0V20H6.0Z',
  );
  expect(areaOf('M4.0 1.0', 20)).toBe('');
  expect(areaOf('', 20)).toBe('');
});
