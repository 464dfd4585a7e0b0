import { describe, expect, test } from 'vitest';
import { marksOf, placeInWords, waitInWords } from './waiting-words.ts';

describe('a place in the queue', () => {
  test.each([
    [{ state: 'waiting', place: 1, waiting: 1 }, 'The host is full: you are next'],
    [{ state: 'waiting', place: 1, waiting: 4 }, 'The host is full: you are next, of 4 in the queue'],
    [{ state: 'waiting', place: 3, waiting: 7 }, 'The host is full: you are number 3 of 7 in the queue'],
    [{ state: 'starting', place: 0, waiting: 6 }, 'It is your turn: your machines are being made'],
  ] as const)('%o says so', (ticket, words) => {
    expect(placeInWords(ticket)).toBe(words);
  });

  test.each([
    [null, /^not known yet/],
    [20_000, /^within a minute/],
    [70_000, /^in about a minute/],
    [5 * 60_000, /^in about 5 minutes, by how often/],
    [-5_000, /^within a minute/],
  ])('expected in %s ms', (inMs, words) => {
    expect(waitInWords({ expectedAt: inMs === null ? null : 1_000_000 + inMs }, 1_000_000)).toMatch(words);
  });

  test('is drawn where it is, also in a queue that is longer than the drawing', () => {
    expect(marksOf({ place: 2, waiting: 3 })).toEqual(['other', 'you', 'other']);
    const behind = marksOf({ place: 150, waiting: 200 });
    expect(behind).toHaveLength(16);
    expect(behind.slice(-3)).toEqual(['more', 'you', 'more']);
    expect(marksOf({ place: 4, waiting: 200 })[3]).toBe('you');
  });
});
