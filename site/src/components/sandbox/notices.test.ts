import { expect, test } from 'vitest';
import { latestNotices } from './notices.ts';
import type { HeardNotice } from './sandbox-session.ts';

let id = 0;
const notice = (kind: HeardNotice['kind'], machine: string, at: number): HeardNotice => ({
  ...{ id: id++, kind, machine, at, by: 'host', count: 1, text: '' },
});

test('what comes again and again is one notice, the newest', () => {
  const told = latestNotices([
    notice('throttled', 'box', 1),
    notice('oom', 'box', 2),
    notice('throttled', 'box', 3),
  ]);
  expect(told.map(({ kind, at }) => [kind, at])).toEqual([
    ['oom', 2],
    ['throttled', 3],
  ]);
});

test('machines and kinds are kept apart, and three are enough', () => {
  const told = latestNotices([
    ...[notice('oom', 'box', 1), notice('oom', 'vm', 2)],
    ...[notice('pids', 'box', 3), notice('panic', 'vm', 4)],
  ]);
  expect(told.map(({ machine, at }) => [machine, at])).toEqual([
    ['vm', 2],
    ['box', 3],
    ['vm', 4],
  ]);
});
