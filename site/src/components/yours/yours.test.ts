import type { Sandbox } from '@bulkhead/sandbox-server/protocol';
import { expect, test } from 'vitest';
import { RequestFailed, type RequestOptions, type request } from '../sandbox/api.ts';
import { SandboxSession } from '../sandbox/sandbox-session.ts';
import { Yours } from './yours.ts';

const sandbox = (letter: string): Sandbox => ({
  ...{ id: letter.repeat(20), createdAt: 1, expiresAt: 10, latestAt: 20, machines: [] },
});
const failure = (code: 'not_found' | 'unreachable', message: string) =>
  new RequestFailed({ code, message, retryAt: null });

/** A stream of events on which nothing happens. */
class Silence extends EventTarget {
  readonly CLOSED = 2;
  readyState = 1;
  onopen = null;
  onerror = null;
  close(): void {
    this.readyState = 2;
  }
}

/** A server with these sandboxes, and what it was asked. */
function server(sandboxes: Sandbox[]) {
  const asked: string[] = [];
  const streams: Silence[] = [];
  const answers: Record<string, () => unknown> = {
    'GET /api/status': () => ({ you: { sandboxes: [], mostSandboxes: 2, waiting: [] } }),
    'GET /api/sandboxes': () => ({ sandboxes: [...sandboxes] }),
    'GET /api/progress': () => ({ done: [], places: [] }),
    'GET /api/me': () => ({ workshops: [], visits: [] }),
  };
  const ask = async (path: string, { method = 'GET' }: RequestOptions = {}) => {
    asked.push(`${method} ${path}`);
    const answer = answers[`${method} ${path}`];
    if (!answer) throw failure('not_found', 'There is no such thing.');
    return answer();
  };
  const listen = () => {
    const stream = new Silence();
    streams.push(stream);
    return stream as unknown as EventSource;
  };
  const yours = new Yours({
    ask: ask as typeof request,
    session: () => new SandboxSession({ mine: () => false, listen }),
  });
  return { yours, asked, answers, streams };
}
const ids = (yours: Yours) => yours.view.sessions.map(({ view }) => view.sandbox?.id[0]);

test('the cookie is fetched first, and each sandbox is followed once, for as long as it runs', async () => {
  const running = [sandbox('a'), sandbox('b')];
  const { yours, asked, streams } = server(running);
  await yours.look();
  expect(asked[0]).toBe('GET /api/status');
  expect(yours.view).toMatchObject({ phase: 'ready', most: 2 });
  expect(ids(yours)).toEqual(['a', 'b']);
  const [, second] = yours.view.sessions;

  running.splice(0, 1);
  running.push(sandbox('c'));
  await yours.look();
  expect(ids(yours)).toEqual(['b', 'c']);
  expect(yours.view.sessions[0]).toBe(second);
  expect(streams.map(({ readyState }) => readyState)).toEqual([2, 1, 1]);
  yours.dispose();
  expect(streams.every(({ readyState }) => readyState === 2)).toBe(true);
});

test('without a server it says so, and with one again it goes on', async () => {
  const { yours, answers } = server([sandbox('a')]);
  const status = answers['GET /api/status'];
  answers['GET /api/status'] = () => {
    throw failure('unreachable', 'No sandbox server answers at this address.');
  };
  await yours.look();
  expect(yours.view).toMatchObject({ phase: 'alone', problem: { of: 'look' } });
  if (status) answers['GET /api/status'] = status;
  await yours.look();
  expect(yours.view).toMatchObject({ phase: 'ready', problem: null });
});

test('a code is told once; recovering makes this browser somebody else, whose sandboxes are followed anew', async () => {
  const { yours, answers, streams } = server([sandbox('a')]);
  await yours.look();
  answers['POST /api/recovery-code'] = () => ({ code: 'AAAAA-BBBBB-CCCCC-DDDDD' });
  await yours.makeCode();
  expect(yours.view.code).toBe('AAAAA-BBBBB-CCCCC-DDDDD');

  expect(await yours.recover('wrong')).toBe(false);
  expect(yours.view).toMatchObject({ doing: null, problem: { of: 'recovery', is: { code: 'not_found' } } });
  expect(yours.view.code).not.toBeNull();

  answers['POST /api/recover'] = () => ({ done: [], places: [] });
  expect(await yours.recover('right')).toBe(true);
  expect(yours.view).toMatchObject({ code: null, problem: null });
  expect(streams.map(({ readyState }) => readyState)).toEqual([2, 1]);
});

test('a problem stands by the part that it is of, until something else is tried', async () => {
  const { yours, answers } = server([]);
  await yours.look();
  expect(await yours.joinWorkshop('ABC', 'Ada')).toBe(false);
  expect(yours.view.problem).toMatchObject({ of: 'joining' });
  answers['POST /api/workshops/join'] = () => ({});
  expect(await yours.joinWorkshop('ABCDEF', 'Ada')).toBe(true);
  expect(yours.view.problem).toBeNull();
});
