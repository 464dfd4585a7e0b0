import { describe, expect, it } from 'vitest';
import { diffLines, hunksOf } from './line-diff.ts';

const signs = { both: ' ', mine: '+', theirs: '-' };
const drawn = (theirs: string, mine: string) =>
  diffLines(theirs, mine).map(({ side, text }) => signs[side] + text);

describe('what differs between two texts', () => {
  it('is nothing when they are the same', () => {
    expect(drawn('a\nb', 'a\nb')).toEqual([' a', ' b']);
  });
  it('is what was added, taken away and changed', () => {
    expect(drawn('a\nb\nc\nd', 'a\nx\nc\nd\ne')).toEqual([' a', '-b', '+x', ' c', ' d', '+e']);
  });
  it('keeps what is common in the middle of differences', () => {
    expect(drawn('1\nsame\n2', '3\nsame\n4')).toEqual(['-1', '+3', ' same', '-2', '+4']);
  });
  it('is all of both where they are too long to compare', () => {
    const [theirs, mine] = ['t', 'm'].map((side) => Array.from({ length: 2_500 }, (_, at) => side + at));
    const lines = diffLines(theirs?.join('\n') ?? '', mine?.join('\n') ?? '');
    expect(lines).toHaveLength(5_000);
    expect(lines[0]).toEqual({ side: 'theirs', text: 't0' });
  });
  it('is shown with two lines around each', () => {
    const theirs = '1\n2\n3\n4\n5\n6\n7\n8\n9\n10';
    const hunks = hunksOf(diffLines(theirs, theirs.replace('1\n', 'x\n').replace('10', 'y')));
    expect(hunks.map((lines) => lines.map(({ text }) => text).join(' '))).toEqual(['1 x 2 3', '8 9 10 y']);
  });
});
