import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { ByteDuplex, ByteHandlers } from '../protocol/bytes.ts';
import { Crowd, FairStream } from './fair.ts';

/** A stream whose peer always has more, unless it is paused. */
class Flood implements ByteDuplex {
  handlers: ByteHandlers | null = null;
  paused = false;

  open(handlers: ByteHandlers): void {
    this.handlers = handlers;
  }
  write(): boolean {
    return true;
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  close(reason: string): void {
    this.handlers?.closed(reason);
  }
  /** As a socket that is readable. */
  pour(bytes = 65_536): void {
    if (!this.paused) this.handlers?.data(new Uint8Array(bytes));
  }
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A guest whose every piece costs `costMs` of work. */
function guest(crowd: Crowd, costMs: number, pieces: () => void = () => {}) {
  const flood = new Flood();
  const got = { bytes: 0, workMs: 0, closed: '' };
  const fair = new FairStream(flood, crowd, { now: () => Date.now(), worked: () => got.workMs });
  fair.open({
    data: (bytes) => {
      got.bytes += bytes.length;
      got.workMs += costMs;
      vi.setSystemTime(Date.now() + costMs);
      pieces();
    },
    closed: (reason) => {
      got.closed = reason;
    },
  });
  return { flood, got, fair };
}

test('bytes that are little work pass at once, all of them, in order', () => {
  const flood = new Flood();
  const fair = new FairStream(flood, new Crowd(), { now: () => Date.now(), worked: () => 0 });
  const seen: number[] = [];
  fair.open({ data: (bytes) => seen.push(...bytes), closed: () => {} });
  const sent = Array.from({ length: 20_000 }, (_, index) => index % 251);
  flood.handlers?.data(Uint8Array.from(sent));
  expect(seen).toEqual(sent);
  expect(flood.paused).toBe(false);
});

test('a guest that keeps the thread busy has a quarter of it, and then it is not read', () => {
  const { flood, got } = guest(new Crowd(), 3);
  const began = Date.now();
  while (Date.now() - began < 10_000) {
    flood.pour();
    vi.advanceTimersByTime(1);
  }
  expect(got.workMs / (Date.now() - began)).toBeGreaterThan(0.15);
  expect(got.workMs / (Date.now() - began)).toBeLessThan(0.27);
});

test('ten of them together have no more than one', () => {
  const crowd = new Crowd();
  const guests = Array.from({ length: 10 }, () => guest(crowd, 1));
  const began = Date.now();
  while (Date.now() - began < 10_000) {
    for (const { flood } of guests) flood.pour();
    vi.advanceTimersByTime(1);
  }
  const works = guests.map(({ got }) => got.workMs);
  expect(works.reduce((sum, one) => sum + one, 0) / (Date.now() - began)).toBeLessThan(0.35);
  expect(Math.min(...works)).toBeGreaterThan(Math.max(...works) / 3);
});

test('a thread that stood still in the middle of its work is not held against the link', () => {
  const flood = new Flood();
  const fair = new FairStream(flood, new Crowd(), { now: () => Date.now(), worked: () => 0 });
  fair.open({ data: () => vi.setSystemTime(Date.now() + 60_000), closed: () => {} });
  flood.pour();
  expect(flood.paused).toBe(false);
});

test('what came before the end is delivered before it; after a close of one’s own nothing is', () => {
  const ended = guest(new Crowd(), 50);
  ended.flood.pour();
  expect(ended.got.bytes).toBeLessThan(65_536);
  ended.flood.close('QEMU is gone');
  expect(ended.got).toMatchObject({ bytes: 65_536, closed: 'QEMU is gone' });

  const left = guest(new Crowd(), 50);
  left.flood.pour();
  const before = left.got.bytes;
  left.fair.close('the machine is being ended');
  vi.advanceTimersByTime(10_000);
  expect(left.got).toMatchObject({ bytes: before, closed: 'the machine is being ended' });
});
