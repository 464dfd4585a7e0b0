// What is remembered of learners: the steps they have done, where they were, and the code that finds both again from
// another browser.
import type { DatabaseSync } from 'node:sqlite';
import { inTransaction } from '../store/database.ts';
import { digestOf, newRecoveryCode } from './recovery-code.ts';

const DAY_MS = 86_400_000;

export type Proof = 'checked' | 'told';

export interface StepDone {
  lab: string;
  step: string;
  /** Unix time in milliseconds. */
  doneAt: number;
  proof: Proof;
}

export interface Place {
  lab: string;
  step: string;
  /** Unix time in milliseconds. */
  at: number;
}

/** The learners of people.db. Every call that changes something returns when it is on the disk. */
export class Learners {
  readonly #database: DatabaseSync;
  readonly #now: () => number;

  constructor(database: DatabaseSync, now: () => number = Date.now) {
    this.#database = database;
    this.#now = now;
  }

  /** A step is done. Done once stays done; a check's word takes the place of the learner's own. */
  noteDone(learner: string, lab: string, step: string, proof: Proof): void {
    inTransaction(this.#database, () => {
      this.#remember(learner);
      this.#database
        .prepare(
          `INSERT INTO progress (learner, lab, step, done_at, proof) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET proof = 'checked', done_at = excluded.done_at
             WHERE proof = 'told' AND excluded.proof = 'checked'`,
        )
        .run(learner, lab, step, this.#now(), proof);
    });
  }

  /** Where the learner is in a lab now. */
  notePlace(learner: string, lab: string, step: string): void {
    inTransaction(this.#database, () => {
      this.#remember(learner);
      this.#database
        .prepare(
          `INSERT INTO places (learner, lab, step, at) VALUES (?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET step = excluded.step, at = excluded.at`,
        )
        .run(learner, lab, step, this.#now());
    });
  }

  /** Every step done, in the order in which they were. */
  done(learner: string): StepDone[] {
    return this.#database
      .prepare('SELECT lab, step, done_at, proof FROM progress WHERE learner = ? ORDER BY done_at, lab, step')
      .all(learner)
      .map((row) => ({
        lab: String(row.lab),
        step: String(row.step),
        doneAt: Number(row.done_at),
        proof: row.proof === 'checked' ? 'checked' : 'told',
      }));
  }

  /** Where the learner was, the latest first. */
  places(learner: string): Place[] {
    return this.#database
      .prepare('SELECT lab, step, at FROM places WHERE learner = ? ORDER BY at DESC, lab')
      .all(learner)
      .map((row) => ({ lab: String(row.lab), step: String(row.step), at: Number(row.at) }));
  }

  /** Forgets what was done in a lab, so that it can be done again. */
  forgetLab(learner: string, lab: string): void {
    inTransaction(this.#database, () => {
      for (const table of ['progress', 'places']) {
        this.#database.prepare(`DELETE FROM ${table} WHERE learner = ? AND lab = ?`).run(learner, lab);
      }
    });
  }

  /** A new recovery code for this learner; the one before opens nothing any more. It is told once and not kept. */
  newCode(learner: string): string {
    const code = newRecoveryCode();
    inTransaction(this.#database, () => {
      this.#remember(learner);
      this.#database.prepare('UPDATE learners SET recovery = ? WHERE id = ?').run(digestOf(code), learner);
    });
    return code;
  }

  /** Whose code it is; null: nobody's. `code` as readRecoveryCode returns it. */
  byCode(code: string): string | null {
    const row = this.#database.prepare('SELECT id FROM learners WHERE recovery = ?').get(digestOf(code));
    return row ? String(row.id) : null;
  }

  /** Brings what `from` has done to `to`, so that nothing is lost when somebody who began anew here finds a code. `from` is
   * forgotten. A step that both have done keeps the older date, unless only the later one was checked. */
  merge(from: string, to: string): void {
    if (from === to) return;
    inTransaction(this.#database, () => {
      this.#remember(to);
      this.#database
        .prepare(
          `INSERT INTO progress (learner, lab, step, done_at, proof)
             SELECT ?, lab, step, done_at, proof FROM progress WHERE learner = ?
           -- 'checked' is before 'told' in the alphabet as it is in worth
           ON CONFLICT DO UPDATE SET proof = excluded.proof, done_at = excluded.done_at
             WHERE excluded.proof < proof OR (excluded.proof = proof AND excluded.done_at < done_at)`,
        )
        .run(to, from);
      this.#database
        .prepare(
          `INSERT INTO places (learner, lab, step, at) SELECT ?, lab, step, at FROM places WHERE learner = ?
           ON CONFLICT DO UPDATE SET step = excluded.step, at = excluded.at WHERE excluded.at > at`,
        )
        .run(to, from);
      this.#database.prepare('UPDATE audit SET subject = ? WHERE subject = ?').run(to, from);
      this.#database.prepare('UPDATE OR IGNORE attendance SET learner = ? WHERE learner = ?').run(to, from);
      this.#database.prepare('DELETE FROM learners WHERE id = ?').run(from);
    });
  }

  /** A learner of whom something is remembered is here today. */
  noteHere(learner: string): void {
    const now = this.#now();
    this.#database
      .prepare('UPDATE learners SET seen_at = ? WHERE id = ? AND seen_at < ?')
      .run(now, learner, now - DAY_MS);
  }

  /** Everything that is known of a learner is removed, also what others did in their sandboxes. */
  forget(learner: string): void {
    inTransaction(this.#database, () => {
      this.#database.prepare('DELETE FROM learners WHERE id = ?').run(learner);
      this.#database.prepare('DELETE FROM audit WHERE subject = ?').run(learner);
    });
  }

  /** Forgets learners who have not been here for `days`, and who did what before that. Returns how many learners. */
  forgetUnseen(days: number): number {
    const before = this.#now() - days * DAY_MS;
    return inTransaction(this.#database, () => {
      this.#database.prepare('DELETE FROM audit WHERE at < ?').run(before);
      return Number(this.#database.prepare('DELETE FROM learners WHERE seen_at < ?').run(before).changes);
    });
  }

  #remember(learner: string): void {
    const now = this.#now();
    this.#database
      .prepare(
        `INSERT INTO learners (id, created_at, seen_at) VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET seen_at = excluded.seen_at WHERE seen_at < excluded.seen_at - ${DAY_MS}`,
      )
      .run(learner, now, now);
  }
}
