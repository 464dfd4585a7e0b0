import type { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, test } from 'vitest';
import { openDatabase } from '../store/database.ts';
import { type Deed, may, type Standing, standingOf } from './authority.ts';
import { ALPHABET } from './handwriting.ts';
import { AccountError, Instructors } from './instructors.ts';
import { readJoinCode } from './join-code.ts';
import { Learners } from './learners.ts';
import { newRecoveryCode, readRecoveryCode } from './recovery-code.ts';
import { peopleMigrations } from './schema.ts';
import { Workshops } from './workshops.ts';

const ANNA = 'a'.repeat(20);
const BEN = 'b'.repeat(20);
const CARL = 'c'.repeat(20);
const HOUR = 3_600_000;

let database: DatabaseSync;
let now: number;
const clock = () => now;
beforeEach(() => {
  database = openDatabase(':memory:', { survives: 'process', migrations: peopleMigrations });
  now = Date.UTC(2026, 0, 1);
});

describe('recovery codes', () => {
  test('are read however they were written down', () => {
    const code = newRecoveryCode();
    expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{5}-){3}[0-9A-HJKMNP-TV-Z]{5}$/);
    for (const typed of [
      code,
      code.toLowerCase(),
      code.replaceAll('-', ''),
      `  ${code.replaceAll('-', ' ')}\n`,
    ]) {
      expect(readRecoveryCode(typed)).toBe(code);
    }
    expect(readRecoveryCode(code.replaceAll('0', 'O').replaceAll('1', 'l'))).toBe(code);
  });

  test('with one character wrong are not codes', () => {
    const code = newRecoveryCode().replaceAll('-', '');
    for (let place = 0; place < code.length; place++) {
      for (const other of ALPHABET) {
        if (other === code[place]) continue;
        expect(readRecoveryCode(code.slice(0, place) + other + code.slice(place + 1))).toBeNull();
      }
    }
  });

  test.each(['', 'hello', '12345-12345-12345-1234', 'ß'.repeat(20), 'A'.repeat(1e6), '💥'.repeat(10)])(
    '%.20s is none',
    (typed) => expect(readRecoveryCode(typed)).toBeNull(),
  );
});

describe('learners', () => {
  test('a step done once stays done, and a check outweighs the learner', () => {
    const learners = new Learners(database, clock);
    learners.noteDone(ANNA, 'chroot', 'get-in', 'told');
    now += 1;
    learners.noteDone(ANNA, 'chroot', 'get-in', 'told');
    expect(learners.done(ANNA)).toEqual([{ lab: 'chroot', step: 'get-in', doneAt: now - 1, proof: 'told' }]);
    learners.noteDone(ANNA, 'chroot', 'get-in', 'checked');
    learners.noteDone(ANNA, 'chroot', 'get-in', 'told');
    expect(learners.done(ANNA)).toEqual([{ lab: 'chroot', step: 'get-in', doneAt: now, proof: 'checked' }]);
    expect(learners.done(BEN)).toEqual([]);
  });

  test('the place is the latest one, by lab', () => {
    const learners = new Learners(database, clock);
    learners.notePlace(ANNA, 'chroot', 'one');
    learners.notePlace(ANNA, 'chroot', 'two');
    now += 1;
    learners.notePlace(ANNA, 'cgroups', 'one');
    expect(learners.places(ANNA).map(({ lab, step }) => `${lab} ${step}`)).toEqual([
      'cgroups one',
      'chroot two',
    ]);
    learners.forgetLab(ANNA, 'chroot');
    expect(learners.places(ANNA).map(({ lab }) => lab)).toEqual(['cgroups']);
  });

  test('a code finds the learner until there is a new one, and is not in the file', () => {
    const learners = new Learners(database, clock);
    const first = learners.newCode(ANNA);
    expect(learners.byCode(first)).toBe(ANNA);
    const second = learners.newCode(ANNA);
    expect(learners.byCode(first)).toBeNull();
    expect(learners.byCode(second)).toBe(ANNA);
    const kept = database.prepare('SELECT recovery FROM learners').get()?.recovery as Uint8Array;
    expect(Buffer.from(kept).toString('latin1')).not.toContain(second.slice(0, 5));
  });

  test('merging two loses nothing: the union, checked before told, then the older date', () => {
    const learners = new Learners(database, clock);
    learners.noteDone(ANNA, 'l', 'both', 'told');
    learners.noteDone(ANNA, 'l', 'hers', 'checked');
    now += 1;
    learners.noteDone(BEN, 'l', 'both', 'checked');
    learners.noteDone(BEN, 'l', 'his', 'told');
    learners.notePlace(BEN, 'l', 'his');
    new Workshops(database, clock).noteUse('ada', 'sandbox.watch', BEN);
    learners.merge(BEN, ANNA);
    expect(learners.done(ANNA).map(({ step, proof, doneAt }) => `${step} ${proof} ${doneAt - now}`)).toEqual([
      'hers checked -1',
      'both checked 0',
      'his told 0',
    ]);
    expect(learners.places(ANNA)).toEqual([{ lab: 'l', step: 'his', at: now }]);
    expect(learners.done(BEN)).toEqual([]);
    expect(new Workshops(database, clock).auditOf(ANNA)).toHaveLength(1);
    learners.merge(ANNA, ANNA);
    expect(learners.done(ANNA)).toHaveLength(3);
  });

  test('who has long not been here is forgotten, with everything', () => {
    const learners = new Learners(database, clock);
    const workshops = new Workshops(database, clock);
    for (const learner of [ANNA, BEN, CARL]) {
      learners.noteDone(learner, 'l', 's', 'told');
      workshops.noteUse('ada', 'sandbox.watch', learner);
    }
    now += 300 * 24 * HOUR;
    learners.noteHere(BEN);
    workshops.noteUse('ada', 'sandbox.type', BEN);
    learners.forget(CARL);
    expect([learners.done(CARL), workshops.auditOf(CARL)]).toEqual([[], []]);
    now += 100 * 24 * HOUR;
    expect(learners.forgetUnseen(365)).toBe(1);
    expect([learners.done(ANNA), workshops.auditOf(ANNA)]).toEqual([[], []]);
    expect(learners.done(BEN)).toHaveLength(1);
    expect(workshops.auditOf(BEN).map(({ action }) => action)).toEqual(['sandbox.type']);
  });
});

// scrypt is slow on purpose, and a busy machine is slower.
describe('instructors', { timeout: 60_000 }, () => {
  test('log in with the right password, are known by the token, and log out', async () => {
    const instructors = new Instructors(database, clock);
    await instructors.add('ada', 'correct horse battery');
    expect(await instructors.logIn('ada', 'wrong horse battery')).toBeNull();
    expect(await instructors.logIn('bob', 'correct horse battery')).toBeNull();
    const token = (await instructors.logIn('ADA', 'correct horse battery')) ?? '';
    expect(instructors.byToken(token)?.login).toBe('ada');
    expect(instructors.byToken(`${token}x`)).toBeNull();
    instructors.logOut(token);
    expect(instructors.byToken(token)).toBeNull();
  });

  test('a login ends after a day, with a new password, and when the account is locked', async () => {
    const instructors = new Instructors(database, clock);
    await instructors.add('ada', 'correct horse battery');
    const late = (await instructors.logIn('ada', 'correct horse battery')) ?? '';
    now += 13 * HOUR;
    expect(instructors.byToken(late)).toBeNull();
    const old = (await instructors.logIn('ada', 'correct horse battery')) ?? '';
    await instructors.setPassword('ada', 'another long one');
    expect(instructors.byToken(old)).toBeNull();
    const token = (await instructors.logIn('ada', 'another long one')) ?? '';
    instructors.setDisabled('ada', true);
    expect(instructors.byToken(token)).toBeNull();
    expect(await instructors.logIn('ada', 'another long one')).toBeNull();
    instructors.setDisabled('ada', false);
    expect(await instructors.logIn('ada', 'another long one')).not.toBeNull();
  });

  test('bad accounts are refused by name', async () => {
    const instructors = new Instructors(database, clock);
    await expect(instructors.add('a b', 'long enough it is')).rejects.toThrow(/"a b" cannot be a login/);
    await expect(instructors.add('ada', 'short')).rejects.toThrow(/at least 10/);
    await instructors.add('ada', 'long enough it is');
    await expect(instructors.add('Ada', 'long enough it is')).rejects.toThrow(AccountError);
    expect(() => instructors.setDisabled('eve', true)).toThrow(/there is no instructor eve/);
  });
});

describe('workshops and rights', { timeout: 60_000 }, () => {
  const stranger = { learner: BEN, instructor: null };

  test('an instructor reaches the sandboxes of those in the room, while the workshop goes on', async () => {
    const instructors = new Instructors(database, clock);
    const { id: ada } = await instructors.add('ada', 'correct horse battery');
    const { id: eve } = await instructors.add('eve', 'correct horse battery');
    const workshops = new Workshops(database, clock);
    const { workshop, code } = workshops.create(ada, 'Containers by hand', 'build-a-container');
    expect(workshops.byCode(readJoinCode(code.toLowerCase()) ?? '')?.id).toBe(workshop.id);
    workshops.join(workshop.id, ANNA, 'Anna');
    const standing = (instructor: string | null, owner = ANNA): Standing =>
      standingOf({ learner: BEN, instructor }, owner, (a, b) => workshops.teaches(a, b));
    expect(standing(ada)).toBe('instructor');
    expect(standing(eve)).toBe('stranger');
    expect(standing(null)).toBe('stranger');
    expect(standing(ada, 'c'.repeat(20))).toBe('stranger');
    workshops.addHelper(workshop.id, eve);
    expect(standing(eve)).toBe('instructor');
    expect([workshops.role(workshop.id, ada), workshops.role(workshop.id, eve)]).toEqual(['lead', 'helper']);
    workshops.leave(workshop.id, ANNA);
    expect(standing(ada)).toBe('stranger');
    workshops.join(workshop.id, ANNA, 'Anna again');
    expect(standing(ada)).toBe('instructor');
    workshops.end(workshop.id, ada);
    expect(standing(ada)).toBe('stranger');
    expect(workshops.byCode(code)).toBeNull();
    expect(workshops.auditOf(workshop.id).map(({ action }) => action)).toEqual([
      'workshop.end',
      'workshop.create',
    ]);
  });

  test('the whole table', () => {
    const deeds: Deed[] = ['see', 'watch', 'type', 'work', 'change', 'extend', 'end'];
    const table = (standing: Standing) => deeds.map((deed) => (may(standing, deed) ? deed : '-')).join(' ');
    expect(table('owner')).toBe('see watch type work change extend end');
    expect(table('instructor')).toBe('see watch type - change extend -');
    expect(table('stranger')).toBe('- - - - - - -');
    expect(standingOf(stranger, BEN, () => false)).toBe('owner');
    expect(standingOf({ learner: null, instructor: null }, BEN, () => true)).toBe('stranger');
  });
});
