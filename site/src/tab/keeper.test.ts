// What happens in the tab is saved a while after it happened, and a device that refuses is not asked again and again.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Keeper } from './keeper.ts';
import type { Saved } from './messages.ts';

const page = () => ({ content: 'c', sandboxes: [{ id: 'a', createdAt: 1, lab: null, machines: [] }] });
const off = { state: { phase: 'off' }, save: async () => ({ done: false, why: null }) } as const;

function keeperOf(save: () => Saved) {
  const saved = vi.fn(async () => save());
  const told = vi.fn();
  const running = {
    phase: 'running',
    release: '',
    memoryBytes: 1,
    wholeBytes: 1,
    resumed: false,
    machines: [],
  };
  const first = { state: running as never, save: saved };
  return { keeper: new Keeper({ machines: [first, off], page, saves: true, told }), saved, told };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('a device that refuses is asked again only when something more has happened, and then not at once', async () => {
  const { keeper, saved, told } = keeperOf(() => ({ done: false, why: 'It is full.' }));
  keeper.touch();
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(saved).toHaveBeenCalledTimes(1);
  expect(told).toHaveBeenLastCalledWith('It is full.');
  keeper.touch();
  await vi.advanceTimersByTimeAsync(5_000);
  keeper.touch();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(saved).toHaveBeenCalledTimes(2);
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(saved).toHaveBeenCalledTimes(3);
});

test('a moment that was wrong is followed by another, of which nobody is told', async () => {
  const answers: Saved[] = [{ done: false, why: null }];
  const { keeper, saved, told } = keeperOf(() => answers.shift() ?? { done: false, why: 'It is full.' });
  keeper.touch();
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(saved).toHaveBeenCalledTimes(2);
  expect(told.mock.calls).toEqual([['It is full.']]);
});
