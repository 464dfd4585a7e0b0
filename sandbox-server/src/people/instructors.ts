// Instructors: accounts that the operator makes, and their logins.
import { createHash, randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { newId } from '../ids.ts';
import { inTransaction } from '../store/database.ts';
import { hashPassword, isPassword, LONGEST_PASSWORD, SHORTEST_PASSWORD } from './password.ts';

/** A login lasts a teaching day. */
const LOGIN_MS = 12 * 3_600_000;
const LOGIN_NAME = /^[\p{L}\p{N}._@-]{1,64}$/u;

export interface Instructor {
  id: string;
  login: string;
  createdAt: number;
  /** Unix time; null: may log in. */
  disabledAt: number | null;
}

/** What an operator asked for and cannot have; the message says why and what instead. */
export class AccountError extends Error {
  override name = 'AccountError';
}

/** The instructors of people.db. */
export class Instructors {
  readonly #database: DatabaseSync;
  readonly #now: () => number;

  constructor(database: DatabaseSync, now: () => number = Date.now) {
    this.#database = database;
    this.#now = now;
  }

  /** Makes an account. Rejects with AccountError. */
  async add(login: string, password: string): Promise<Instructor> {
    if (!LOGIN_NAME.test(login)) {
      throw new AccountError(
        `${JSON.stringify(login)} cannot be a login: letters, digits, . _ @ and -, at most 64`,
      );
    }
    if (this.#row(login)) throw new AccountError(`there is an instructor ${login} already`);
    const hash = await hashPassword(checked(password));
    const instructor = { id: newId(), login, createdAt: this.#now(), disabledAt: null };
    this.#database
      .prepare('INSERT INTO instructors (id, login, password, created_at) VALUES (?, ?, ?, ?)')
      .run(instructor.id, login, hash, instructor.createdAt);
    return instructor;
  }

  /** Changes a password and ends every login with the old one. Rejects with AccountError. */
  async setPassword(login: string, password: string): Promise<void> {
    const { id } = this.#known(login);
    const hash = await hashPassword(checked(password));
    inTransaction(this.#database, () => {
      this.#database.prepare('UPDATE instructors SET password = ? WHERE id = ?').run(hash, id);
      this.#database.prepare('DELETE FROM logins WHERE instructor = ?').run(id);
    });
  }

  /** Locks an account and ends its logins, or opens it again. What it taught stays. Throws AccountError. */
  setDisabled(login: string, disabled: boolean): void {
    const { id } = this.#known(login);
    inTransaction(this.#database, () => {
      this.#database
        .prepare('UPDATE instructors SET disabled_at = ? WHERE id = ?')
        .run(disabled ? this.#now() : null, id);
      if (disabled) this.#database.prepare('DELETE FROM logins WHERE instructor = ?').run(id);
    });
  }

  /** All of them, by login. */
  all(): Instructor[] {
    return this.#database
      .prepare('SELECT id, login, created_at, disabled_at FROM instructors ORDER BY login')
      .all()
      .map(instructorOf);
  }

  /** The account with this id; null: none. */
  byId(id: string): Instructor | null {
    const row = this.#database.prepare('SELECT * FROM instructors WHERE id = ?').get(id);
    return row ? instructorOf(row) : null;
  }

  /** The account with this login; null: none. */
  byLogin(login: string): Instructor | null {
    const row = this.#row(login);
    return row ? instructorOf(row) : null;
  }

  /** The token for a new login; null when login or password is wrong, or the account is locked: which, is not told. */
  async logIn(login: string, password: string): Promise<string | null> {
    const row = this.#row(login);
    // A login that does not exist costs as much time as one that does: the time must not tell who has an account.
    const right = await isPassword(password, row ? String(row.password) : await decoy);
    if (!row || !right || row.disabled_at !== null) return null;
    const token = randomBytes(32).toString('base64url');
    const now = this.#now();
    inTransaction(this.#database, () => {
      this.#database.prepare('DELETE FROM logins WHERE expires_at <= ?').run(now);
      this.#database
        .prepare('INSERT INTO logins (token, instructor, created_at, expires_at) VALUES (?, ?, ?, ?)')
        .run(digest(token), String(row.id), now, now + LOGIN_MS);
    });
    return token;
  }

  /** Who is logged in with this token; null: nobody any more. */
  byToken(token: string): Instructor | null {
    const row = this.#database
      .prepare(
        `SELECT i.id, i.login, i.created_at, i.disabled_at FROM logins l JOIN instructors i ON i.id = l.instructor
         WHERE l.token = ? AND l.expires_at > ? AND i.disabled_at IS NULL`,
      )
      .get(digest(token), this.#now());
    return row ? instructorOf(row) : null;
  }

  logOut(token: string): void {
    this.#database.prepare('DELETE FROM logins WHERE token = ?').run(digest(token));
  }

  #row(login: string) {
    return this.#database.prepare('SELECT * FROM instructors WHERE login = ?').get(login);
  }

  #known(login: string): Instructor {
    const row = this.#row(login);
    if (!row) throw new AccountError(`there is no instructor ${login}; "instructor list" shows who there is`);
    return instructorOf(row);
  }
}

/** The hash of a password that nobody knows. */
const decoy = hashPassword(randomBytes(32).toString('base64'));

function checked(password: string): string {
  if (password.length < SHORTEST_PASSWORD) {
    throw new AccountError(`a password has at least ${SHORTEST_PASSWORD} characters`);
  }
  if (password.length > LONGEST_PASSWORD) {
    throw new AccountError(`a password has at most ${LONGEST_PASSWORD} characters`);
  }
  return password;
}

function digest(token: string): Uint8Array {
  return createHash('sha256').update(`bulkhead login ${token}`).digest();
}

function instructorOf(row: Record<string, unknown>): Instructor {
  return {
    id: String(row.id),
    login: String(row.login),
    createdAt: Number(row.created_at),
    disabledAt: row.disabled_at === null ? null : Number(row.disabled_at),
  };
}
