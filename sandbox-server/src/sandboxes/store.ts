// What must outlive the server about sandboxes: whose they are and when they end. What runs in them is not here: that is
// asked of the broker, which asks the kernel.
import type { DatabaseSync } from 'node:sqlite';
import { openDatabase } from '../store/database.ts';

export interface SandboxRow {
  id: string;
  /** The learner's id. */
  owner: string;
  /** Where it was asked for from, as far as limits look: http/client-address.ts. */
  address: string;
  /** Unix times in milliseconds. */
  createdAt: number;
  expiresAt: number;
  latestAt: number;
  /** The lab that it was made for; null: none. */
  lab: string | null;
}

/** See DatabaseOptions.migrations: never change an old one. */
const migrations = [
  `CREATE TABLE sandboxes (
     id TEXT PRIMARY KEY,
     owner TEXT NOT NULL,
     created_at INTEGER NOT NULL,
     expires_at INTEGER NOT NULL,
     latest_at INTEGER NOT NULL
   ) STRICT`,
  "ALTER TABLE sandboxes ADD COLUMN address TEXT NOT NULL DEFAULT ''",
  `ALTER TABLE sandboxes ADD COLUMN lab TEXT`,
];

/** The table of sandboxes in an SQLite file. */
export class SandboxStore {
  readonly #database: DatabaseSync;

  /** `path`: the database file, made when missing; `:memory:` for one that vanishes. */
  constructor(path: string) {
    // It need not survive a power cut: the machines are gone then too. So no click waits for a disk to sync.
    this.#database = openDatabase(path, { survives: 'process', migrations });
  }

  insert(row: SandboxRow): void {
    this.#database
      .prepare(
        'INSERT INTO sandboxes (id, owner, address, created_at, expires_at, latest_at, lab) VALUES (?, ?, ?, ?, ?, ?, ?)',
      )
      .run(row.id, row.owner, row.address, row.createdAt, row.expiresAt, row.latestAt, row.lab);
  }

  setExpiry(id: string, expiresAt: number): void {
    this.#database.prepare('UPDATE sandboxes SET expires_at = ? WHERE id = ?').run(expiresAt, id);
  }

  setOwner(id: string, owner: string): void {
    this.#database.prepare('UPDATE sandboxes SET owner = ? WHERE id = ?').run(owner, id);
  }

  remove(id: string): void {
    this.#database.prepare('DELETE FROM sandboxes WHERE id = ?').run(id);
  }

  /** Every sandbox, oldest first. */
  all(): SandboxRow[] {
    return this.#database
      .prepare(
        'SELECT id, owner, address, created_at, expires_at, latest_at, lab FROM sandboxes ORDER BY created_at, id',
      )
      .all()
      .map((row) => ({
        id: String(row.id),
        owner: String(row.owner),
        address: String(row.address),
        createdAt: Number(row.created_at),
        expiresAt: Number(row.expires_at),
        latestAt: Number(row.latest_at),
        lab: row.lab === null ? null : String(row.lab),
      }));
  }

  close(): void {
    this.#database.close();
  }
}
