// Who may do what, asked of the real routes: the learner, an instructor of a workshop they are in, and everybody else.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type WebSocket from 'ws';
import { Instructors } from '../people/instructors.ts';
import { apiPaths } from '../protocol/addresses.ts';
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  FrameSplitter,
  prefixFrame,
  type TerminalViewer,
} from '../protocol/frames.ts';
import { meSchema, rosterSchema, workshopListSchema, workshopSchema } from '../protocol/workshops.ts';
import { Browser } from '../testing/browser.ts';
import { watchRoutes } from '../testing/routes.ts';
import { until } from '../testing/scripted-broker.ts';
import { TestServer } from '../testing/test-server.ts';

const PASSWORD = 'correct horse battery';
const server = new TestServer();
const { broker } = server;
const registered = new Set<string>();
/** Instructors who are logged in; logging in is slow on purpose, so once. */
let ada: Browser;
let grace: Browser;

beforeAll(async () => {
  await watchRoutes(() => server.open(), registered);
  const database = new DatabaseSync(join(server.state, 'people.db'));
  for (const login of ['ada', 'grace']) await new Instructors(database).add(login, PASSWORD);
  database.close();
  [ada, grace] = await Promise.all([loggedIn('ada'), loggedIn('grace')]);
}, 60_000);
afterAll(() => server.close());

async function loggedIn(login: string): Promise<Browser> {
  const browser = await Browser.learner(server.url);
  await browser.ask('POST', '/api/instructor/login', { login, password: PASSWORD });
  return browser;
}

/** A learner with a container, in a workshop of ada's. */
let anna: Browser;
let id: string;
let workshop: string;
let code: string;

beforeEach(async () => {
  broker.attached = () => {};
  const made = await ada.ask('POST', apiPaths.workshops, { title: 'By hand', lab: 'build-a-container' });
  ({ id: workshop, code } = workshopSchema.parse(made.body));
  anna = await Browser.learner(server.url);
  const machines = [{ name: 'box', kind: 'container', columns: 80, rows: 24 }];
  ({ id } = (await anna.ask('POST', apiPaths.sandboxes, { machines })).body);
});
afterEach(async () => {
  await anna.ask('DELETE', apiPaths.sandbox(id));
  await ada.ask('DELETE', apiPaths.workshop(workshop));
});

const enrol = () => anna.ask('POST', apiPaths.joinWorkshop, { code: ` ${code.toLowerCase()}`, name: 'Anna' });

const attachPath = (as?: 'watch' | 'type') =>
  apiPaths.attach(id, 'box', 't1') + (as === undefined ? '' : `?as=${as}`);

/** What the server says on an attach WebSocket until it is closed, if it is. */
class Visit {
  readonly frames: Frame[] = [];
  closed: { code: number; reason: string } | null = null;
  /** Instead of an upgrade. */
  refused: number | null = null;
  readonly socket: WebSocket;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('unexpected-response', (_request, { statusCode = 0 }) => {
      this.refused = statusCode;
    });
    socket.on('message', (data) => this.frames.push(decodeFrame(new Uint8Array(data as Buffer))));
    socket.on('close', (status, reason) => {
      this.closed = { code: status, reason: reason.toString() };
    });
  }

  get company(): readonly TerminalViewer[] {
    const last = this.frames.findLast((frame) => frame.type === 'viewers');
    return last?.type === 'viewers' ? last.viewers : [];
  }
}

const visit = (who: Browser, as?: 'watch' | 'type') => new Visit(who.socket(attachPath(as)));

/** Everything that can be asked of a sandbox, and what its learner, an instructor in the room and others are answered.
 * Much of it makes no sense for a container on the host: a 4xx or 5xx beyond 401, 403 and 404 answers somebody who was let
 * in. */
const calls: { ask: [method: string, path: string, body?: unknown]; instructor: boolean }[] = [
  { ask: ['GET', ''], instructor: true },
  { ask: ['POST', '/extend'], instructor: true },
  { ask: ['POST', '/machines/box/terminals', { columns: 80, rows: 24 }], instructor: true },
  { ask: ['POST', '/machines/box/previews', { port: 8000 }], instructor: false },
  { ask: ['POST', '/machines/box/exec', { command: ['true'] }], instructor: false },
  { ask: ['GET', '/machines/box/files?path=/etc/hostname'], instructor: false },
  { ask: ['PUT', '/machines/box/files', { path: '/a', content: '' }], instructor: false },
  { ask: ['GET', '/machines/box/directory?path=/'], instructor: false },
  { ask: ['GET', '/machines/box/view'], instructor: true },
  { ask: ['GET', '/machines/box/checkpoints'], instructor: true },
  { ask: ['PUT', '/machines/box/checkpoints/one'], instructor: true },
  { ask: ['POST', '/machines/box/checkpoints/one/restore'], instructor: true },
  { ask: ['DELETE', '/machines/box/checkpoints/one'], instructor: true },
  { ask: ['POST', '/machines/box/move', { to: 'box' }], instructor: true },
  { ask: ['POST', '/machines/box/migration'], instructor: true },
  { ask: ['DELETE', '/machines/box/migration'], instructor: true },
  { ask: ['GET', '/machines/box/snapshots'], instructor: true },
  { ask: ['PUT', '/machines/box/snapshots/one'], instructor: true },
  { ask: ['POST', '/machines/box/snapshots/one/restore'], instructor: true },
  { ask: ['DELETE', '/machines/box/snapshots/one'], instructor: true },
  { ask: ['POST', '/machines/box/freeze'], instructor: true },
  { ask: ['POST', '/machines/box/thaw'], instructor: true },
  { ask: ['POST', '/machines/box/restart', {}], instructor: true },
  { ask: ['GET', '/checks'], instructor: true },
  { ask: ['POST', '/steps/one/check'], instructor: false },
  { ask: ['POST', '/steps/one/solve'], instructor: false },
  { ask: ['DELETE', ''], instructor: false },
];

/** A stream, which is asked for below. */
const elsewhere = ['GET /events'];

describe('what is asked of a sandbox', { timeout: 30_000 }, () => {
  test('is all in the table', () => {
    const known = calls.map(({ ask: [method, path] }) => `${method} ${path.split('?', 1)[0]}`);
    const all = [...registered]
      .filter((route) => /^(?!HEAD )\w+ \/api\/sandboxes\/:id/.test(route))
      .map((route) => route.replace('/api/sandboxes/:id', '').replace(':name', 'box'))
      .map((route) => route.replace(/:(snapshot|checkpoint|step)/, 'one'));
    expect([...known, ...elsewhere].toSorted()).toEqual(all.toSorted());
  });

  const answers = async (who: Browser): Promise<string[]> => {
    const told: string[] = [];
    for (const { ask } of calls) {
      const [method, path, body] = ask;
      const { status } = await who.ask(method, apiPaths.sandbox(id) + path, body);
      told.push(`${method} ${path}: ${[401, 403, 404].includes(status) ? status : 'let in'}`);
    }
    return told;
  };
  const all = (answer: (instructor: boolean) => number | 'let in') =>
    calls.map(({ ask: [method, path], instructor }) => `${method} ${path}: ${answer(instructor)}`);

  test('its learner may everything', async () => {
    expect(await answers(anna)).toEqual(all(() => 'let in'));
  });

  test('nobody else even learns that it exists', async () => {
    await enrol();
    expect(await answers(await Browser.learner(server.url))).toEqual(all(() => 404));
    expect(await answers(grace), 'an instructor of no workshop that the learner is in').toEqual(
      all(() => 404),
    );
    expect(await answers(new Browser(server.url))).toEqual(all(() => 401));
    expect(visit(grace).frames).toEqual([]);
    for (const who of [grace, await Browser.learner(server.url)]) {
      const outside = visit(who, 'watch');
      await until(() => outside.refused === 404);
    }
  });

  test('an instructor whose workshop the learner is in may help, but not end it, and not work out of sight', async () => {
    expect(await answers(ada), 'before the learner joins').toEqual(all(() => 404));
    expect((await enrol()).body).toMatchObject({ title: 'By hand', name: 'Anna' });
    expect(await answers(ada)).toEqual(all((may) => (may ? 'let in' : 403)));
    const { body } = await ada.ask('DELETE', apiPaths.sandbox(id));
    expect(body.error).toEqual({ code: 'forbidden', message: 'Only its learner may end a sandbox.' });
    expect(await answers(grace), 'who does not help yet').toEqual(all(() => 404));
    await ada.ask('POST', apiPaths.workshopHelpers(workshop), { login: 'GRACE' });
    expect(await answers(grace)).toEqual(all((may) => (may ? 'let in' : 403)));
    await anna.ask('DELETE', apiPaths.attendance(workshop));
    expect(await answers(ada), 'after the learner has left').toEqual(all(() => 404));
    const { visits } = meSchema.parse((await anna.ask('GET', apiPaths.me)).body);
    expect(new Set(visits.map(({ instructor, deed }) => `${instructor} ${deed}`))).toEqual(
      new Set(
        ['ada', 'grace'].flatMap((who) => ['extend', 'type', 'change'].map((deed) => `${who} ${deed}`)),
      ),
    );
    expect(visits.every(({ sandbox }) => sandbox === id)).toBe(true);
  });
});

describe('several viewers of one terminal', { timeout: 30_000 }, () => {
  const learner = { as: 'learner', name: 'Anna', types: true } as const;
  const watcher = { as: 'instructor', name: 'ada', types: false } as const;

  test('each is told who is there, what they may, and which one they are', async () => {
    const outside = visit(anna);
    await until(() => outside.company.length === 1);
    expect(outside.company).toEqual([{ ...learner, name: '', you: true }]);
    outside.socket.terminate();
    await enrol();
    const own = visit(anna);
    await until(() => own.company.length === 1);
    const watching = visit(ada);
    await until(() => own.company.length === 2);
    expect(own.company).toEqual([
      { ...learner, you: true },
      { ...watcher, you: false },
    ]);
    await until(() => watching.company.length === 2);
    expect(watching.company).toEqual([
      { ...learner, you: false },
      { ...watcher, you: true },
    ]);
    const helping = visit(ada, 'type');
    await until(() => own.company.length === 3);
    expect(own.company.at(-1)).toEqual({ ...watcher, types: true, you: false });
    helping.socket.close();
    watching.socket.terminate();
    await until(() => own.company.length === 1);
  });

  test('a monitor is told who types; who watches is refused with a reason, and nobody else notices', async () => {
    await enrol();
    const roles: boolean[] = [];
    const typed: string[] = [];
    broker.attached = (socket) => {
      const frames = new FrameSplitter();
      socket.on('data', (bytes) =>
        frames.push(bytes, (body) => {
          const frame = decodeFrame(body);
          if (frame.type === 'role') roles.push(frame.mayType);
          if (frame.type === 'input') typed.push(Buffer.from(frame.bytes).toString());
        }),
      );
    };
    const attach = encodeFrame({ type: 'attach', version: 1, offset: 0, credit: 9, columns: 80, rows: 24 });
    const input = (text: string) => encodeFrame({ type: 'input', bytes: Buffer.from(text) });
    const own = visit(anna);
    await until(() => roles.length === 1);
    const watching = visit(ada);
    await until(() => roles.length === 2);
    const wall = visit(anna, 'watch'); // a screen on the wall
    await until(() => roles.length === 3);
    const helping = visit(ada, 'type');
    await until(() => roles.length === 4);
    expect(roles).toEqual([true, false, false, true]);
    for (const one of [own, watching, wall, helping]) one.socket.send(attach);
    for (const one of [watching, wall]) {
      one.socket.send(input('rm -rf /'));
      expect((await until(() => one.closed)).code).toBe(4_403);
      expect(one.closed?.reason).toBe('you only watch this terminal: what you type is not taken');
    }
    own.socket.send(input('mine'));
    helping.socket.send(input('help'));
    await until(() => typed.length === 2);
    expect(typed.toSorted()).toEqual(['help', 'mine']);
    expect([own.closed, helping.closed]).toEqual([null, null]);
    for (const one of [own, helping]) one.socket.terminate();
  });

  test.each([
    ['the workshop ends', () => ada.ask('DELETE', apiPaths.workshop(workshop))],
    ['the learner leaves', () => anna.ask('DELETE', apiPaths.attendance(workshop))],
    ['the learner is forgotten', () => anna.ask('DELETE', apiPaths.me)],
  ])('an instructor is sent away, from terminals and events, when %s', async (_when, end) => {
    await enrol();
    const own = visit(anna);
    const watching = visit(ada);
    await until(() => own.company.length === 2);
    const events = await fetch(server.url + apiPaths.events(id), { headers: { cookie: ada.cookie } });
    expect(events.status).toBe(200);
    const over = events.text().catch(() => 'cut off');
    await end();
    expect((await until(() => watching.closed)).code).toBe(4_403);
    expect(await over).toBe('cut off');
    expect(own.closed).toBeNull();
    await until(() => own.company.length === 1);
    own.socket.terminate();
    expect((await ada.ask('GET', apiPaths.sandbox(id))).status).toBe(404);
  });

  test('a monitor that makes viewers up is not believed', async () => {
    broker.attached = (socket) => {
      const made: Frame = {
        type: 'viewers',
        viewers: [{ ...watcher, name: 'root', types: true, you: false }],
      };
      socket.write(prefixFrame(encodeFrame(made)));
    };
    const own = visit(anna);
    expect((await until(() => own.closed)).code).toBe(4_000);
    expect(own.frames).toEqual([{ type: 'viewers', viewers: [{ ...learner, name: '', you: true }] }]);
  });

  test('a role that there is not is a 400', async () => {
    const odd = new Visit(anna.socket(`${apiPaths.attach(id, 'box', 't1')}?as=root`));
    await until(() => odd.refused === 400);
  });
});

describe('a workshop', { timeout: 30_000 }, () => {
  test('is listed for who teaches it, with the room and what runs there', async () => {
    await enrol();
    const { workshops } = workshopListSchema.parse((await ada.ask('GET', apiPaths.workshops)).body);
    expect(workshops).toContainEqual(expect.objectContaining({ id: workshop, code, role: 'lead' }));
    const roster = rosterSchema.parse((await ada.ask('GET', apiPaths.workshop(workshop))).body);
    expect(roster.learners).toEqual([{ name: 'Anna', joinedAt: expect.any(Number), sandboxes: [id] }]);
    expect(meSchema.parse((await anna.ask('GET', apiPaths.me)).body).workshops).toEqual([
      { id: workshop, title: 'By hand', lab: 'build-a-container', name: 'Anna' },
    ]);
  });

  test('is made, seen and ended by instructors only, each their own', async () => {
    const title = { title: 'Mine', lab: 'chroot' };
    expect((await anna.ask('POST', apiPaths.workshops, title)).status).toBe(401);
    expect((await anna.ask('GET', apiPaths.workshops)).status).toBe(401);
    expect((await anna.ask('DELETE', apiPaths.workshop(workshop))).status).toBe(401);
    for (const [method, path] of [
      ['GET', apiPaths.workshop(workshop)],
      ['DELETE', apiPaths.workshop(workshop)],
      ['GET', apiPaths.workshop('a'.repeat(20))],
      ['GET', apiPaths.workshop('..%2f..')],
    ] as const)
      expect((await grace.ask(method, path)).status).toBe(404);
    await ada.ask('POST', apiPaths.workshopHelpers(workshop), { login: 'grace' });
    expect((await grace.ask('GET', apiPaths.workshop(workshop))).body.role).toBe('helper');
    expect((await grace.ask('DELETE', apiPaths.workshop(workshop))).status).toBe(403);
    expect((await grace.ask('POST', apiPaths.workshopHelpers(workshop), { login: 'ada' })).status).toBe(403);
    const nobody = await ada.ask('POST', apiPaths.workshopHelpers(workshop), { login: 'eve' });
    expect(nobody).toMatchObject({ status: 404, body: { error: { field: 'login' } } });
  });

  test('takes names that are one visible line, and no code that is not on a wall', async () => {
    const join = (body: object) => anna.ask('POST', apiPaths.joinWorkshop, body);
    for (const name of ['', '  ', 'a\nb', 'a\u202eb', '\u0007', 'x'.repeat(41)])
      expect((await join({ code, name })).body.error.field).toBe('name');
    for (const wrong of ['', 'hello', '000000', `${code}0`, "' OR 1=1 --"])
      expect(await join({ code: wrong, name: 'Anna' })).toMatchObject({
        status: 404,
        body: { error: { field: 'code' } },
      });
    expect((await join({ code, name: '<b>Zoë</b> 🚢' })).status).toBe(200);
    await ada.ask('DELETE', apiPaths.workshop(workshop));
    expect((await join({ code, name: 'Anna' })).status).toBe(404);
  });
});
