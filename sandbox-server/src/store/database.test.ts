import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { backUp, inTransaction, openDatabase } from './database.ts';

const migrations = ['CREATE TABLE a (x INTEGER) STRICT'];
const power = { survives: 'power', migrations } as const;
let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bh-'));
  path = join(directory, 'a.db');
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('openDatabase', () => {
  test('takes each step of the schema once, and the new ones later', () => {
    openDatabase(path, power).close();
    const later = openDatabase(path, {
      ...power,
      migrations: [...migrations, 'CREATE TABLE b (y INTEGER) STRICT'],
    });
    later.exec('INSERT INTO b VALUES (1)');
    later.close();
    expect(() => openDatabase(path, power)).toThrow(
      /a\.db: it is of a newer Bulkhead \(schema 2; this one knows 1\)/,
    );
  });

  test('a step that fails leaves the schema as it was', () => {
    openDatabase(path, power).close();
    const broken = [
      ...migrations,
      'CREATE TABLE b (y INTEGER) STRICT; CREATE TABLE a (again INTEGER) STRICT',
    ];
    expect(() => openDatabase(path, { ...power, migrations: broken })).toThrow(/table a already exists/);
    const database = openDatabase(path, power);
    expect(database.prepare("SELECT name FROM sqlite_schema WHERE name = 'b'").get()).toBeUndefined();
    database.close();
  });

  test('what is no database is named', () => {
    writeFileSync(
      path,
      'this is a letter to my aunt, not a database; it is long enough to be looked at, though',
    );
    expect(() => openDatabase(path, power)).toThrow(/a\.db: file is not a database/);
    expect(() => openDatabase(join(directory, 'missing', 'a.db'), power)).toThrow(
      /missing\/a\.db: unable to open/,
    );
  });

  test('a transaction that throws changes nothing', () => {
    const database = openDatabase(path, power);
    expect(() =>
      inTransaction(database, () => {
        database.exec('INSERT INTO a VALUES (1)');
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(database.prepare('SELECT count(*) AS n FROM a').get()?.n).toBe(0);
    database.close();
  });
});

describe('backUp', () => {
  test('copies what was committed while the database is in use', async () => {
    const database = openDatabase(path, power);
    database.exec('INSERT INTO a VALUES (7)');
    const target = join(directory, 'copy.db');
    await backUp(path, target);
    database.exec('INSERT INTO a VALUES (8)');
    database.close();
    const copy = openDatabase(target, power);
    expect(
      copy
        .prepare('SELECT x FROM a')
        .all()
        .map(({ x }) => x),
    ).toEqual([7]);
    copy.close();
    const before = readFileSync(target);
    await expect(backUp(path, target)).rejects.toThrow(/copy\.db exists already/);
    expect(readFileSync(target).equals(before)).toBe(true);
    await expect(backUp(join(directory, 'none.db'), target)).rejects.toThrow(/none\.db does not exist/);
  });
});
