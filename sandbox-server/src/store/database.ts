// An SQLite file that lasts: opened for how much of it must survive, brought up to the newest schema, and copied while in
// use. All SQL of the server is in this folder and in the stores that use it.
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { backup, DatabaseSync } from 'node:sqlite';

/** What must survive. `process`: the death of this process at any moment. `power`: a power cut too, so that whoever was
 * told "saved" finds it again; each commit then waits for the disk. */
export type Survives = 'process' | 'power';

export interface DatabaseOptions {
  survives: Survives;
  /** The schema's steps, oldest first; the file's user_version counts those that it has taken. An old one never changes. */
  migrations: readonly string[];
}

/** Opens the file at `path` (`:memory:` for one that vanishes), making it when it is missing. Throws an Error that names
 * the file when it is damaged, is not ours to write, or was made by a newer Bulkhead. */
export function openDatabase(path: string, { survives, migrations }: DatabaseOptions): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 5_000 });
    // With a write-ahead log a reader never waits for a writer. FULL syncs the log at each commit; NORMAL only when it is
    // folded into the file, so that a power cut may take the last commits but never tear one (sqlite.org/pragma.html).
    const synchronous = survives === 'power' ? 'FULL' : 'NORMAL';
    database.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA foreign_keys = ON;`,
    );
    migrate(database, migrations);
    return database;
  } catch (error) {
    database?.close();
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function migrate(database: DatabaseSync, migrations: readonly string[]): void {
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0);
  if (version > migrations.length) {
    throw new Error(
      `it is of a newer Bulkhead (schema ${version}; this one knows ${migrations.length}); start that one, or put a backup in its place`,
    );
  }
  for (const [index, migration] of migrations.entries()) {
    if (index < version) continue;
    inTransaction(database, () => {
      database.exec(migration);
      database.exec(`PRAGMA user_version = ${index + 1}`);
    });
  }
}

/** Runs `work` so that all of its changes are kept or none; returns what it returns, throws what it throws. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    // A failed COMMIT (a full disk) may have rolled back by itself.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** Copies a database that may be in use to `target`, whole and as of one moment. The target appears when it is complete;
 * one that exists is not written over. Rejects with an Error that names the file. */
export async function backUp(path: string, target: string): Promise<void> {
  if (!existsSync(path)) throw new Error(`${path} does not exist; --state names the server's directory`);
  if (existsSync(target)) throw new Error(`${target} exists already; choose another name, or remove it`);
  const unfinished = `${target}.unfinished`;
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    await backup(database, unfinished);
    const copy = new DatabaseSync(unfinished);
    const verdict = copy.prepare('PRAGMA integrity_check').get()?.integrity_check;
    copy.close();
    if (verdict !== 'ok') throw new Error(`the copy of ${path} is damaged: ${String(verdict)}`);
    await rename(unfinished, target);
  } finally {
    database.close();
    await rm(unfinished, { force: true });
  }
}
