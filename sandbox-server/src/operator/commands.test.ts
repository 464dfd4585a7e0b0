import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Instructors } from '../people/instructors.ts';
import { Learners } from '../people/learners.ts';
import { peopleMigrations } from '../people/schema.ts';
import { openDatabase } from '../store/database.ts';
import { operate, UsageError } from './commands.ts';

let state: string;
let printed: string[];
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'bh-'));
  printed = [];
});
afterEach(() => rmSync(state, { recursive: true }));

const run = (command: string, password: string | null = null) =>
  operate(command.split(' ').filter(Boolean), {
    state,
    password: async () => password,
    print: (line) => printed.push(line),
  });
const people = () =>
  openDatabase(join(state, 'people.db'), { survives: 'power', migrations: peopleMigrations });

describe('instructor', { timeout: 60_000 }, () => {
  test('is added with a password given or made up, listed, locked and unlocked', async () => {
    await run('instructor add ada', 'correct horse battery');
    await run('instructor add bob');
    const made = /^The password of bob is (\S+)$/.exec(printed[0] ?? '')?.[1] ?? '';
    await run('instructor lock ada');
    await run('instructor list');
    expect(printed.slice(1)).toEqual(['ada  (locked)', 'bob']);
    const database = people();
    const instructors = new Instructors(database);
    expect(await instructors.logIn('bob', made)).not.toBeNull();
    expect(await instructors.logIn('ada', 'correct horse battery')).toBeNull();
    database.close();
  });

  test.each([
    '',
    'instructor',
    'instructor add',
    'instructor list all',
    'instructor praise ada',
    'backup',
    'restore x',
  ])('"%s" is no command', async (command) => {
    await expect(run(command)).rejects.toThrow(UsageError);
  });
});

describe('backup', () => {
  test('copies people and secret, for root or the server alone, while the server has the database open', async () => {
    const database = people();
    new Learners(database).noteDone('a'.repeat(20), 'lab', 'step', 'checked');
    writeFileSync(join(state, 'secret'), 'the key', { mode: 0o600 });
    const target = join(state, 'copy');
    await run(`backup ${target}`);
    database.close();
    expect(readFileSync(join(target, 'secret'), 'utf8')).toBe('the key');
    expect(statSync(target).mode & 0o777).toBe(0o700);
    const copy = openDatabase(join(target, 'people.db'), { survives: 'power', migrations: peopleMigrations });
    expect(new Learners(copy).done('a'.repeat(20))).toHaveLength(1);
    copy.close();
    await expect(run(`backup ${target}`)).rejects.toThrow(/copy exists already; name a new directory/);
  });

  test('that cannot be whole leaves nothing', async () => {
    people().close();
    await expect(run(`backup ${state}/copy`)).rejects.toThrow(/secret/);
    expect(() => statSync(join(state, 'copy'))).toThrow();
    await expect(run(`backup ${state}/no/such/copy`)).rejects.toThrow(/no\/such\/copy/);
  });
});
