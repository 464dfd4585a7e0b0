// How an emulator has its thread: not at all while it sleeps, and where it is to spare the battery, no more than half of the time.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Pace } from './pace.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const nextMessage = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));

test('an emulator that sleeps is not woken by what it had asked for', async () => {
  const pace = new Pace();
  const turn = vi.fn();
  pace.later(20, turn);
  pace.sleep();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(turn).not.toHaveBeenCalled();
  pace.wake();
  await vi.waitFor(async () => {
    await nextMessage();
    expect(turn).toHaveBeenCalledOnce();
  });
});

test('one that spares the battery rests after a turn as long as that took', async () => {
  const pace = new Pace();
  pace.sparing = true;
  const second = vi.fn();
  pace.later(10, () => {
    vi.advanceTimersByTime(30); // this is what it worked
    pace.later(0, second);
  });
  await vi.advanceTimersByTimeAsync(10);
  await vi.advanceTimersByTimeAsync(29);
  expect(second).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(second).toHaveBeenCalledOnce();
});
