import { describe, expect, test } from 'vitest';
import { Gate } from './gate.ts';
import { Lane } from './lane.ts';
import { plainOutput, verdictOf } from './verdict.ts';

const ran = {
  status: 0,
  signal: 0,
  timed_out: false,
  truncated: false,
  out_of_memory: false,
  stdout: '',
  stderr: '',
  duration_us: 1,
};

describe('a verdict', () => {
  test('is done for status 0 alone, of a check that was let run to its end', () => {
    expect(verdictOf(ran, 10_000)).toEqual({ state: 'done', reason: null });
    for (const spoilt of [{ timed_out: true }, { out_of_memory: true }, { signal: 9 }])
      expect(verdictOf({ ...ran, ...spoilt }, 10_000).state).toBe('failed');
    for (const status of [126, 127]) expect(verdictOf({ ...ran, status }, 10_000).state).toBe('failed');
    expect(verdictOf({ ...ran, timed_out: true }, 10_000).reason).toBe('The check did not finish in 10 s.');
  });

  test.each([
    ['first\nlast\n\n', '', 'last'],
    ['', 'only on standard error\n', 'only on standard error'],
    ['\u001b[31mred\u001b[0m \u001b]0;title\u0007text', '', 'red text'],
    ['\u001bP1$r0m\u001b\\shown\u0000\u0008\u202e\u2028', '', 'shown'],
    ['one\r\ntwo\r\n', '', 'two'],
    ['', '', 'It is not done yet; the check does not say what is missing.'],
    ['x'.repeat(1_000), '', `${'x'.repeat(299)}…`],
  ])('of %j and %j is missing: %s', (stdout, stderr, reason) => {
    expect(verdictOf({ ...ran, status: 1, stdout, stderr }, 10_000)).toEqual({ state: 'missing', reason });
  });

  test('does not guess at the last line of what was cut', () => {
    const cut = { ...ran, status: 1, stdout: 'the first line', truncated: true };
    expect(verdictOf(cut, 10_000)).toMatchObject({
      state: 'missing',
      reason: expect.stringContaining('too much'),
    });
  });

  test('shows what a solution printed as text, and the end of it', () => {
    expect(plainOutput('a\n\u001b[2Jb\n')).toBe('a\nb');
    expect(plainOutput('y\n'.repeat(10_000))).toHaveLength(8_193);
  });
});

test('a gate lets a few through at once, and everybody in turn', async () => {
  const gate = new Gate(1);
  const order: string[] = [];
  const pass = (who: string, name: string) =>
    gate.pass(who, async () => {
      order.push(name);
      await Promise.resolve();
    });
  const failing = gate.pass('z', () => Promise.reject(new Error('no')));
  const all = [
    pass('a', 'a1'),
    pass('a', 'a2'),
    pass('a', 'a3'),
    pass('b', 'b1'),
    pass('c', 'c1'),
    pass('b', 'b2'),
  ];
  await expect(failing).rejects.toThrow('no');
  await Promise.all(all);
  expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
});

test('a lane does one thing after the other, and knows what waits', async () => {
  const lane = new Lane();
  const first = Promise.withResolvers<void>();
  const done: string[] = [];
  lane.add('a', () => first.promise);
  expect(lane.waits('a')).toBe(false);
  lane.add('b', async () => void done.push('b'));
  expect(lane.waits('b')).toBe(true);
  expect(done).toEqual([]);
  first.resolve();
  await expect.poll(() => done).toEqual(['b']);
  lane.add('c', () => new Promise(() => {}));
  lane.add('d', async () => void done.push('d'));
  lane.clear();
  expect(lane.waits('d')).toBe(false);
});
