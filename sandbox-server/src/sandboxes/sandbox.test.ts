// What is measured is what somebody sees: a page in the background follows its sandbox, and nothing is asked for it.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Listeners } from '../listeners.ts';
import type { LearnerMachine } from '../machines/machine.ts';
import type { SandboxEvent } from '../protocol/api.ts';
import { Sandbox } from './sandbox.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('nothing is measured while nobody could see it, and what happens is told all the same', async () => {
  const stats = vi.fn(async () => ({}));
  const changes = new Listeners();
  const view = { name: 'box', state: 'running' };
  const box = { view, home: null, stats, changes, movings: new Listeners(), notices: new Listeners() };
  const hour = 3_600_000;
  const row = { id: 'a', owner: 'you', address: '', createdAt: 0, expiresAt: Date.now() + hour };
  let seen = false;
  const sandbox = new Sandbox(
    { ...row, latestAt: row.expiresAt, lab: null },
    { orphanMs: hour, warningMs: 0 } as never,
    { saveExpiry: () => {}, timeIsUp: () => {}, isSeen: () => seen },
  );
  sandbox.add(box as unknown as LearnerMachine);
  const told: SandboxEvent['event'][] = [];
  const leave = sandbox.follow(({ event }) => told.push(event));
  await vi.advanceTimersByTimeAsync(10_000);
  changes.emit(view);
  expect(stats).not.toHaveBeenCalled();
  expect(told).toEqual(['machine', 'machine']);
  expect(sandbox.watched).toBe(false);

  seen = true;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(told).toContain('stats');
  expect(sandbox.watched).toBe(true);
  leave();
  sandbox.release();
});
