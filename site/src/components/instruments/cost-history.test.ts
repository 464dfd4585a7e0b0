import { describe, expect, it } from 'vitest';
import { formatCpus, HISTORY_POINTS, type History, linePath, remember } from './cost-history.ts';

describe('the history of a measure', () => {
  it('is one minute long', () => {
    let history: History = [];
    for (let value = 0; value < HISTORY_POINTS + 5; value++) history = remember(history, value);
    expect(history).toHaveLength(HISTORY_POINTS);
    expect(history[0]).toBe(5);
    expect(history.at(-1)).toBe(HISTORY_POINTS + 4);
  });

  it('draws the newest point at the right edge, and nothing above the field', () => {
    expect(linePath([0.5, 2], 119, 10, 1)).toBe('M118.0 5.0L119.0 0.0');
  });

  it('draws no line through what was not known', () => {
    expect(linePath(remember(remember([1], undefined), 0), 119, 10, 1)).toBe('M117.0 0.0M119.0 10.0');
  });

  it.each([
    [null, '–'],
    [0.001, '0 CPUs'],
    [0.5, '0.50 CPUs'],
  ])('says %s as %s', (share, text) => expect(formatCpus(share)).toBe(text));
});
