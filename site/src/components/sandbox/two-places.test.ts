// A session goes to the tab where no server answers, but not before its reader has agreed to what that takes.
import type { Sandbox, Status } from '@bulkhead/sandbox-server/protocol';
import { apiPaths } from '@bulkhead/sandbox-server/protocol/addresses';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { TabOffer } from '../../tab/door.ts';
import { RequestFailed } from './api.ts';
import type { EventsLike, TabDoor, TabPlace } from './place.ts';
import { SandboxSession } from './sandbox-session.ts';

const offer: TabOffer = {
  able: true,
  bytes: 16e6,
  memoryBytes: 2 ** 27,
  agreed: false,
  careful: null,
  left: false,
  noSecond: null,
};
const status = {
  server: { version: 'in this tab', startedAt: 1 },
  host: { hostname: 'this tab' },
  reason: null,
  room: null,
  you: { sandboxes: [], mostSandboxes: 2, waiting: [] },
} as unknown as Status;
const sandbox: Sandbox = { id: 'a'.repeat(20), createdAt: 1, expiresAt: 2, latestAt: 3, machines: [] };
const silence: EventsLike = {
  readyState: 1,
  CLOSED: 2,
  onopen: null,
  onerror: null,
  addEventListener: () => {},
  close: () => {},
};

/** A tab that notes what it is asked. */
class Tab implements TabPlace {
  readonly name = 'tab';
  readonly asked: string[] = [];
  giveUp: (error: Error) => void = () => {};

  async ask<T>(path: string, { method = 'GET' } = {}): Promise<T> {
    this.asked.push(`${method} ${path}`);
    if (path === apiPaths.status) return status as T;
    return (await new Promise<unknown>((resolve, reject) => {
      this.giveUp = reject;
      if (method === 'POST') queueMicrotask(() => this.held || resolve(sandbox));
    })) as T;
  }
  held = false;
  listen = () => silence;
  connect = () => {
    throw new Error('nobody attaches here');
  };
  subscribe = () => () => {};
  hear = () => () => {};
  keepWhole = () => () => {};
  stop = () =>
    this.giveUp(new RequestFailed({ code: 'cancelled', message: 'It was given up.', retryAt: null }));
}

let tab: Tab;
let agreed: number;
const doorTo = (what: TabOffer): TabDoor => ({
  offer: async () => what,
  agree: () => {
    agreed++;
  },
  open: async () => tab,
  prepare: () => {},
  forget: async () => {},
});
const sessionWith = (what: TabOffer) => new SandboxSession({ mine: () => true, tab: doorTo(what) });

beforeEach(() => {
  tab = new Tab();
  agreed = 0;
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('no network')));
});
afterEach(() => {
  vi.unstubAllGlobals();
});

describe('without a server', () => {
  test('the tab is offered, and nothing is asked of it before the reader agrees', async () => {
    const session = sessionWith(offer);
    await session.look();
    expect(session.view).toMatchObject({ phase: 'alone', place: 'server', offer });
    expect(tab.asked).toEqual([]);
    await session.useTab();
    expect(agreed).toBe(1);
    expect(session.view).toMatchObject({ phase: 'ready', place: 'tab', status });
    await session.start({ machines: [{ name: 'box', kind: 'container' }] });
    expect(session.view).toMatchObject({ phase: 'running', sandbox });
    session.dispose();
  });

  test('a reader who agreed before is not asked again', async () => {
    const session = sessionWith({ ...offer, agreed: true });
    await session.look();
    expect(session.view).toMatchObject({ phase: 'ready', place: 'tab' });
    session.dispose();
  });

  test('a device that cannot is told why, and nothing more happens', async () => {
    const session = sessionWith({ able: false, reason: 'This browser has no WebAssembly.' });
    await session.look();
    expect(session.view).toMatchObject({ phase: 'alone', place: 'server', offer: { able: false } });
    session.dispose();
  });

  test('a start that the reader gives up is no failure', async () => {
    tab.held = true;
    const session = sessionWith({ ...offer, agreed: true });
    await session.look();
    const started = session.start({ machines: [{ name: 'box', kind: 'container' }] });
    await vi.waitFor(() => expect(tab.asked).toContain(`POST ${apiPaths.sandboxes}`));
    session.cancelStart();
    expect(await started).toBe(false);
    expect(session.view).toMatchObject({ phase: 'ready', problem: null });
    session.dispose();
  });
});
