import { expect, test } from 'vitest';
import { seenProcess } from '../../testing/seen-process.ts';
import { capabilityWords, filterWords, insideId, mapWords, treeOf } from './processes.ts';

test('an id of the host is another inside, or none', () => {
  const map = [
    { inside: 0, outside: 200_000, count: 65_536 },
    { inside: 70_000, outside: 5, count: 1 },
  ];
  expect(insideId(map, 200_000)).toBe(0);
  expect(insideId(map, 265_535)).toBe(65_535);
  expect(insideId(map, 5)).toBe(70_000);
  expect(insideId(map, 265_536)).toBeNull();
  expect(insideId(null, 0)).toBeNull();
});

test('a line of a map is a sentence', () => {
  expect(mapWords({ inside: 0, outside: 200_000, count: 65_536 }, 'the host')).toBe(
    '0 to 65,535 inside are 200,000 to 265,535 on the host',
  );
  expect(mapWords({ inside: 0, outside: 0, count: 10 }, 'the host')).toBe(
    '0 to 9 inside are the same on the host',
  );
  expect(mapWords({ inside: 7, outside: 9, count: 1 }, 'the host')).toBe('7 inside is 9 on the host');
});

test('parents stand before their children, and who has none there begins a tree', () => {
  const of = (pid: number, parent: number | null) => seenProcess({ pids: [pid], parent });
  const tree = treeOf([of(10, null), of(11, 12), of(12, 10), of(13, 99)]);
  expect(tree.map(({ process, depth }) => [process.pids[0], depth])).toEqual([
    [10, 0],
    [12, 1],
    [11, 2],
    [13, 0],
  ]);
});

test('capabilities and filters are said in words', () => {
  expect(capabilityWords('0000000000000021')).toEqual(['chown', 'kill']);
  expect(capabilityWords('0000000000000000')).toEqual([]);
  expect(capabilityWords(null)).toBeNull();
  expect(filterWords({ seccomp: 2, noNewPrivs: true })).toContain('no_new_privs');
  expect(filterWords({ seccomp: 0, noNewPrivs: false })).toBe('none');
  expect(filterWords({ seccomp: null, noNewPrivs: null })).toBe('not told');
});
