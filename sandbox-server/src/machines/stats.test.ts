import { expect, test } from 'vitest';
import { guestEveryMs, hostCostEveryMs, Rate } from './stats.ts';

test('what the host pays is added up every two seconds, and of a classroom ten times a second in all', () => {
  expect(hostCostEveryMs(2)).toBe(2_000);
  expect(hostCostEveryMs(40)).toBe(2_000);
  expect(hostCostEveryMs(400)).toBe(20_000);
});

test('a few guests are asked each time, and those of a classroom twenty times a second in all', () => {
  expect(guestEveryMs(20)).toBe(0);
  expect(guestEveryMs(400)).toBe(10_000);
});

test('a rate is of the last whole second, and nothing after one in which nothing was done', () => {
  const rate = new Rate();
  expect([1_000, 1_200, 1_999].map((at) => rate.note(at))).toEqual([0, 0, 0]);
  expect([2_000, 2_500].map((at) => rate.note(at))).toEqual([3, 3]);
  expect(rate.note(3_100)).toBe(2);
  expect(rate.note(9_000)).toBe(0);
});
