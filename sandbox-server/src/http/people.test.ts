import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Instructors } from '../people/instructors.ts';
import { progressSchema, recoveryCodeSchema } from '../protocol/people.ts';
import { Browser } from '../testing/browser.ts';
import { TestServer } from '../testing/test-server.ts';

const server = new TestServer();
beforeAll(() => server.open());
afterAll(() => server.close());

describe('progress', () => {
  test('is kept by lab and step, and is there after the server was started again', async () => {
    const anna = await Browser.learner(server.url);
    expect((await anna.ask('PUT', '/api/progress/chroot/place', { step: 'get-out' })).status).toBe(200);
    const { body } = await anna.ask('PUT', '/api/progress/chroot/steps/get-in');
    expect(progressSchema.parse(body)).toMatchObject({
      done: [{ lab: 'chroot', step: 'get-in', proof: 'told' }],
      places: [{ lab: 'chroot', step: 'get-out' }],
    });
    await server.restart();
    anna.url = server.url;
    expect((await anna.ask('GET', '/api/progress')).body).toEqual(body);
    expect((await anna.ask('DELETE', '/api/progress/chroot')).body).toEqual({ done: [], places: [] });
  });

  test('is nobody else’s, and nobody’s without a cookie', async () => {
    const anna = await Browser.learner(server.url);
    await anna.ask('PUT', '/api/progress/chroot/steps/get-in');
    const ben = await Browser.learner(server.url);
    expect((await ben.ask('GET', '/api/progress')).body).toEqual({ done: [], places: [] });
    expect((await new Browser(server.url).ask('GET', '/api/progress')).status).toBe(401);
    expect(
      (await anna.ask('PUT', '/api/progress/chroot/steps/two', undefined, 'http://evil.example')).status,
    ).toBe(403);
  });

  test.each([
    ['PUT', '/api/progress/..%2f..%2fetc/place', { step: 'a' }, 'lab'],
    ['PUT', '/api/progress/chroot/place', { step: '<img>' }, 'step'],
    ['PUT', '/api/progress/chroot/place', { step: 'a', more: 1 }, 'more'],
    ['PUT', '/api/progress/chroot/steps/A', undefined, 'step'],
  ])('%s %s with %j is refused by its field', async (method, path, body, field) => {
    const anna = await Browser.learner(server.url);
    const answer = await anna.ask(method, path, body);
    expect(answer.status).toBe(400);
    expect(answer.body.error.field).toBe(field);
  });

  test('does not grow without end', async () => {
    const anna = await Browser.learner(server.url);
    const database = new DatabaseSync(join(server.state, 'people.db'));
    await anna.ask('PUT', '/api/progress/chroot/steps/first');
    const { learner } = database.prepare("SELECT learner FROM progress WHERE step = 'first'").get() ?? {};
    const insert = database.prepare("INSERT INTO progress VALUES (?, 'x', ?, 0, 'told')");
    database.exec('BEGIN');
    for (let step = 1; step < 2_000; step++) insert.run(learner ?? null, String(step));
    database.exec('COMMIT');
    database.close();
    const answer = await anna.ask('PUT', '/api/progress/chroot/steps/last');
    expect(answer.status).toBe(429);
    expect(answer.body.error.message).toMatch(/2000 steps/);
  });
});

describe('a recovery code', () => {
  test('brings another browser to the same learner, with what was done in both and what runs', async () => {
    const laptop = await Browser.learner(server.url);
    await laptop.ask('PUT', '/api/progress/chroot/steps/one');
    const { code } = recoveryCodeSchema.parse((await laptop.ask('POST', '/api/recovery-code')).body);
    const phone = await Browser.learner(server.url);
    await phone.ask('PUT', '/api/progress/jail/steps/two');
    const made = await phone.ask('POST', '/api/sandboxes', {
      machines: [{ name: 'box', kind: 'container' }],
    });
    const old = phone.cookies.get('bulkhead');
    const answer = await phone.ask('POST', '/api/recover', { code: ` ${code.toLowerCase()} ` });
    expect(answer.body.done.map(({ lab }: { lab: string }) => lab)).toEqual(['chroot', 'jail']);
    expect(phone.cookies.get('bulkhead')).not.toBe(old);
    expect((await laptop.ask('GET', '/api/progress')).body).toEqual(answer.body);
    for (const browser of [laptop, phone]) {
      expect((await browser.ask('GET', `/api/sandboxes/${made.body.id}`)).status).toBe(200);
    }
    expect((await phone.ask('DELETE', `/api/sandboxes/${made.body.id}`)).status).toBe(204);
  });

  test('that is wrong is said to be, and too many are not looked at', async () => {
    const eve = await Browser.learner(server.url);
    expect((await eve.ask('POST', '/api/recover', { code: 'hello' })).body.error.field).toBe('code');
    expect((await eve.ask('POST', '/api/recover', { code: '00000-00000-00000-00000' })).status).toBe(404);
    const statuses: number[] = [];
    for (let guess = 0; guess < 70; guess++)
      statuses.push((await eve.ask('POST', '/api/recover', { code: 'x' })).status);
    expect(statuses.at(-1)).toBe(429);
    expect((await eve.ask('POST', '/api/recover', { code: 'x' })).headers.get('retry-after')).toMatch(
      /^\d+$/,
    );
  });

  test('nothing is left of a learner who wants to be forgotten', async () => {
    const anna = await Browser.learner(server.url);
    await anna.ask('PUT', '/api/progress/chroot/steps/one');
    expect((await anna.ask('DELETE', '/api/me')).status).toBe(204);
    expect((await anna.ask('GET', '/api/progress')).body).toEqual({ done: [], places: [] });
  });
});

describe('an instructor', { timeout: 60_000 }, () => {
  test('logs in, is known, and logs out; the cookie is not for scripts or other sites', async () => {
    const database = new DatabaseSync(join(server.state, 'people.db'));
    await new Instructors(database).add('ada', 'correct horse battery');
    database.close();
    const ada = await Browser.learner(server.url);
    expect((await ada.ask('GET', '/api/instructor')).status).toBe(401);
    const wrong = await ada.ask('POST', '/api/instructor/login', { login: 'ada', password: 'wrong horse' });
    const nobody = await ada.ask('POST', '/api/instructor/login', {
      login: 'nobody',
      password: 'wrong horse',
    });
    expect([wrong.status, nobody.status]).toEqual([403, 403]);
    expect(wrong.body).toEqual(nobody.body);
    const login = await ada.ask('POST', '/api/instructor/login', {
      login: 'ada',
      password: 'correct horse battery',
    });
    expect(login.body).toEqual({ login: 'ada' });
    expect(login.headers.get('set-cookie')).toMatch(/HttpOnly; SameSite=Strict/);
    expect((await ada.ask('GET', '/api/instructor')).body).toEqual({ login: 'ada' });
    expect((await ada.ask('DELETE', '/api/instructor/login')).status).toBe(204);
    ada.cookies.set(
      'bulkhead-instructor',
      /instructor=([^;]+)/.exec(login.headers.get('set-cookie') ?? '')?.[1] ?? '',
    );
    expect((await ada.ask('GET', '/api/instructor')).status).toBe(401);
  });
});
