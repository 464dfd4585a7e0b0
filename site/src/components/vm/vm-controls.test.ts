// The controls of a VM over the real requests of the page, against a server that answers when it is told to.
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { MoveFigures } from '@bulkhead/sandbox-server/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type RequestOptions, request } from '../sandbox/api.ts';
import { rateOf, shareMoved, VmControls } from './vm-controls.ts';

const figures = (over: Partial<MoveFigures> = {}): MoveFigures => ({
  status: 'active',
  elapsedMs: 0,
  pauseMs: 0,
  rounds: 1,
  transferredBytes: 0,
  remainingBytes: 0,
  totalBytes: 1_000,
  ...over,
});

let server: Server;
let asked: string[];
/** Requests that wait for their answer, by method and the end of the path. */
let waiting: Map<string, ServerResponse>;
let controls: VmControls;

beforeEach(async () => {
  asked = [];
  waiting = new Map();
  server = createServer((incoming, response) => {
    const call = `${incoming.method} ${incoming.url?.split('/machines/vm/')[1]}`;
    asked.push(call);
    waiting.set(call, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const ask = <T>(path: string, options?: RequestOptions) => request<T>(origin + path, options);
  controls = new VmControls({ ask, sandbox: 'a'.repeat(20), machine: 'vm' });
});

afterEach(() => {
  controls.dispose();
  vi.useRealTimers();
  server.closeAllConnections();
  server.close();
});

async function answer(call: string, status: number, body?: unknown): Promise<void> {
  const response = await vi.waitFor(() => {
    const known = waiting.get(call);
    if (!known) throw new Error(`nobody asked ${call}`);
    return known;
  });
  waiting.delete(call);
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}
const refusal = (code: string, message: string) => ({ error: { code, message } });

describe('a VM that is moved', () => {
  it('tells how far it is while it goes, and what it took', async () => {
    const moved = controls.move();
    expect(controls.view.doing).toMatchObject({ act: 'moving', mine: true });
    controls.hear(figures({ elapsedMs: 50, transferredBytes: 100 }));
    controls.hear(figures({ elapsedMs: 100, transferredBytes: 300 }));
    expect(controls.view.news).toHaveLength(2);
    await answer('POST migration', 200, figures({ status: 'completed', pauseMs: 28 }));
    await moved;
    expect(controls.view).toMatchObject({
      doing: null,
      last: { act: 'moving', problem: null, figures: { pauseMs: 28 } },
    });
  });

  it('is not moved twice at once', async () => {
    const moved = controls.move();
    await controls.move();
    await answer('POST migration', 200, figures());
    await moved;
    expect(asked).toEqual(['POST migration']);
  });

  it('stays where it is when that is called off', async () => {
    const moved = controls.move();
    const cancelled = controls.cancel();
    expect(controls.view.doing?.cancelling).toBe(true);
    await answer('DELETE migration', 204);
    await cancelled;
    await answer('POST migration', 500, refusal('failed', 'cannot move it: it was cancelled'));
    await moved;
    expect(controls.view.last?.problem).toBe('You called it off. It never left.');
  });

  it('says why it was not, and that it runs on', async () => {
    const moved = controls.move();
    await answer('POST migration', 500, refusal('failed', 'QEMU does not say why'));
    await moved;
    expect(controls.view.last?.problem).toBe('QEMU does not say why. The machine runs on as it was.');
  });

  it('knows that a lost server is not a lost machine', async () => {
    const moved = controls.move();
    await vi.waitFor(() => expect(waiting.size).toBe(1));
    server.closeAllConnections();
    await moved;
    expect(controls.view.last?.problem).toMatch(/The machine itself goes on\.$/);
  });

  it('is seen to move by a page that did not ask for it, until there is no more news', () => {
    vi.useFakeTimers();
    controls.hear(figures({ elapsedMs: 50 }));
    expect(controls.view.doing).toMatchObject({ mine: false });
    vi.advanceTimersByTime(2_500);
    expect(controls.view.doing).toBeNull();
  });
});

describe('snapshots', () => {
  const one = { snapshot: 'first', createdAt: 1, bytes: 70_000_000 };

  it('are saved, and listed with the new one', async () => {
    const saved = controls.save('first');
    await answer('PUT snapshots/first', 201, figures({ status: 'completed' }));
    await answer('GET snapshots', 200, { snapshots: [one] });
    await saved;
    expect(controls.view).toMatchObject({ snapshots: [one], last: { act: 'saving', snapshot: 'first' } });
  });

  it('are returned to', async () => {
    const back = controls.goBack('first');
    expect(controls.view.doing).toMatchObject({ act: 'returning', snapshot: 'first' });
    await answer('POST snapshots/first/restore', 204);
    await back;
    expect(controls.view.last).toMatchObject({ act: 'returning', problem: null });
  });

  it.each([
    [
      'full',
      503,
      'The host has no room: a VM has at most 4 snapshots; delete one first.',
      /at most 4 snapshots/,
    ],
    [
      'conflict',
      409,
      'there is a snapshot first already; delete it first',
      /^There is a snapshot first already/,
    ],
    [
      'unsupported',
      501,
      'snapshot first was saved by another QEMU',
      /^Snapshot first was saved by another QEMU\.$/,
    ],
  ])('that are refused (%s) say why, and leave the list as it was', async (code, status, message, said) => {
    const saved = controls.save('first');
    await answer('PUT snapshots/first', status, refusal(code, message));
    await answer('GET snapshots', 500, refusal('failed', 'no'));
    await saved;
    expect(controls.view.last?.problem).toMatch(said);
    expect(controls.view.snapshots).toBeNull();
  });

  it('are deleted', async () => {
    const gone = controls.remove('first');
    await answer('DELETE snapshots/first', 204);
    await answer('GET snapshots', 200, { snapshots: [] });
    await gone;
    expect(controls.view.snapshots).toEqual([]);
  });
});

describe('figures', () => {
  it('give the rate of the last half second', () => {
    const news = [0, 400, 800].map((elapsedMs) => figures({ elapsedMs, transferredBytes: elapsedMs * 10 }));
    expect(rateOf(news)).toBe(10_000);
    expect(rateOf(news.slice(0, 1))).toBeNull();
  });

  it.each([
    [undefined, 0],
    [figures({ transferredBytes: 0, remainingBytes: 0 }), 0],
    [figures({ transferredBytes: 10, remainingBytes: 250 }), 0.75],
    [figures({ transferredBytes: 10, remainingBytes: 2_000 }), 0],
    [figures({ status: 'completed' }), 1],
  ])('give the part that is over there (%#)', (one, share) => expect(shareMoved(one)).toBe(share));
});
