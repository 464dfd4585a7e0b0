import { describe, expect, test } from 'vitest';
import { type Cost, noCost } from './books.ts';
import { Ends, estimate } from './estimate.ts';

const MINUTE = 60_000;
const machines = (count: number): Cost => {
  const cost = noCost();
  cost.promised.machines = count;
  return cost;
};
const most = { ...noCost().promised, machines: 3 };
const ending = (expiresAt: number, latestAt: number, count = 1) => ({
  cost: machines(count),
  expiresAt,
  latestAt,
});
const three = [ending(10, 300), ending(20, 100), ending(30, 200)];

describe('an estimate', () => {
  test('is unknown while too few sandboxes have been seen to end', () => {
    const ends = new Ends(0);
    ends.note(MINUTE);
    ends.note(2 * MINUTE);
    expect(ends.every(3 * MINUTE)).toBeNull();
    ends.note(3 * MINUTE);
    expect(ends.every(6 * MINUTE)).toBe(2 * MINUTE);
  });

  test('goes by the last half hour, and not by the quiet night before', () => {
    const ends = new Ends(0);
    for (const minute of [1, 2, 3, 600, 605, 610, 615]) ends.note(minute * MINUTE);
    expect(ends.every(620 * MINUTE)).toBe((30 * MINUTE) / 4);
    expect(ends.every(660 * MINUTE)).toBeNull();
  });

  test('is later for each place, and bounded by the ends that nobody can put off', () => {
    const told = estimate(most, three, [machines(1), machines(1), machines(1)], 60, 0);
    expect(told.map(({ expectedAt }) => expectedAt)).toEqual([60, 120, 180]);
    expect(told.map(({ latestAt }) => latestAt)).toEqual([100, 200, 300]);
  });

  test('counts that one who needs more has to wait for more to end', () => {
    const told = estimate(most, three, [machines(2), machines(1)], 60, 0);
    expect(told.map(({ expectedAt }) => expectedAt)).toEqual([120, 180]);
    expect(told.map(({ latestAt }) => latestAt)).toEqual([200, 300]);
  });

  test('promises nothing where what is missing is not promised to anybody', () => {
    expect(estimate(most, [ending(1, 2)], [machines(1)], null, 0)).toEqual([
      { expectedAt: null, latestAt: null },
    ]);
  });
});
