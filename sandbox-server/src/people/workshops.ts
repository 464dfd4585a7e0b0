// Workshops: who teaches, who attends, and what follows from it for somebody's sandbox.
import type { DatabaseSync } from 'node:sqlite';
import { newId } from '../ids.ts';
import { inTransaction } from '../store/database.ts';
import { newJoinCode } from './join-code.ts';

export type TeachingRole = 'lead' | 'helper';

export interface Workshop {
  id: string;
  title: string;
  /** The lab's slug. */
  lab: string;
  createdAt: number;
  /** Unix time; null: goes on. */
  endedAt: number | null;
}

/** The workshops of people.db. */
export class Workshops {
  readonly #database: DatabaseSync;
  readonly #now: () => number;

  constructor(database: DatabaseSync, now: () => number = Date.now) {
    this.#database = database;
    this.#now = now;
  }

  /** Makes a workshop that `lead` leads; the code is what learners join with. */
  create(lead: string, title: string, lab: string): { workshop: Workshop; code: string } {
    const workshop = { id: newId(), title, lab, createdAt: this.#now(), endedAt: null };
    const code = newJoinCode();
    inTransaction(this.#database, () => {
      this.#database
        .prepare('INSERT INTO workshops (id, title, lab, join_code, created_at) VALUES (?, ?, ?, ?, ?)')
        .run(workshop.id, title, lab, code, workshop.createdAt);
      this.#teach(workshop.id, lead, 'lead');
      this.#audit(`instructor:${lead}`, 'workshop.create', workshop.id, title);
    });
    return { workshop, code };
  }

  /** Another instructor helps. */
  addHelper(workshop: string, instructor: string): void {
    inTransaction(this.#database, () => this.#teach(workshop, instructor, 'helper'));
  }

  /** The workshop that this code (as readJoinCode returns it) opens; null: none, or one that has ended. */
  byCode(code: string): Workshop | null {
    const row = this.#database
      .prepare('SELECT * FROM workshops WHERE join_code = ? AND ended_at IS NULL')
      .get(code);
    return row ? workshopOf(row) : null;
  }

  /** A learner is in the room, or in it again, under a name of their choice. */
  join(workshop: string, learner: string, name: string): void {
    const now = this.#now();
    inTransaction(this.#database, () => {
      this.#database
        .prepare('INSERT INTO learners (id, created_at, seen_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
        .run(learner, now, now);
      this.#database
        .prepare(
          `INSERT INTO attendance (workshop, learner, name, joined_at) VALUES (?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET name = excluded.name, left_at = NULL`,
        )
        .run(workshop, learner, name, now);
    });
  }

  leave(workshop: string, learner: string): void {
    this.#database
      .prepare('UPDATE attendance SET left_at = ? WHERE workshop = ? AND learner = ? AND left_at IS NULL')
      .run(this.#now(), workshop, learner);
  }

  /** The workshop is over: nobody joins, and nobody may look at anybody any more. */
  end(workshop: string, by: string): void {
    inTransaction(this.#database, () => {
      this.#database
        .prepare('UPDATE workshops SET ended_at = ?, join_code = NULL WHERE id = ? AND ended_at IS NULL')
        .run(this.#now(), workshop);
      this.#audit(`instructor:${by}`, 'workshop.end', workshop, '');
    });
  }

  /** A workshop that goes on; null: it has ended, or there is none. */
  find(workshop: string): (Workshop & { code: string }) | null {
    const row = this.#database
      .prepare('SELECT * FROM workshops WHERE id = ? AND ended_at IS NULL')
      .get(workshop);
    return row ? { ...workshopOf(row), code: String(row.join_code) } : null;
  }

  /** The workshops that go on and that `instructor` teaches, oldest first. */
  taughtBy(instructor: string): (Workshop & { code: string; role: TeachingRole })[] {
    return this.#database
      .prepare(
        `SELECT w.*, t.role FROM workshops w JOIN teaching t ON t.workshop = w.id
         WHERE t.instructor = ? AND w.ended_at IS NULL ORDER BY w.created_at, w.id`,
      )
      .all(instructor)
      .map((row) => ({ ...workshopOf(row), code: String(row.join_code), role: roleOf(row) }));
  }

  /** The workshops that go on and that `learner` is in, and under which name, the latest joined first. */
  attendedBy(learner: string): (Workshop & { name: string })[] {
    return this.#database
      .prepare(
        `SELECT w.*, a.name FROM workshops w JOIN attendance a ON a.workshop = w.id
         WHERE a.learner = ? AND a.left_at IS NULL AND w.ended_at IS NULL ORDER BY a.joined_at DESC, w.id`,
      )
      .all(learner)
      .map((row) => ({ ...workshopOf(row), name: String(row.name) }));
  }

  /** What a learner is called in the room; empty outside of one. */
  nameOf(learner: string): string {
    return this.attendedBy(learner)[0]?.name ?? '';
  }

  /** Who is in the room, in the order in which they came. */
  roster(workshop: string): { learner: string; name: string; joinedAt: number }[] {
    return this.#database
      .prepare(
        `SELECT learner, name, joined_at FROM attendance WHERE workshop = ? AND left_at IS NULL
         ORDER BY joined_at, learner`,
      )
      .all(workshop)
      .map((row) => ({
        learner: String(row.learner),
        name: String(row.name),
        joinedAt: Number(row.joined_at),
      }));
  }

  /** What `instructor` is in this workshop; null: nothing. */
  role(workshop: string, instructor: string): TeachingRole | null {
    const row = this.#database
      .prepare('SELECT role FROM teaching WHERE workshop = ? AND instructor = ?')
      .get(workshop, instructor);
    return row ? roleOf(row) : null;
  }

  /** Whether `instructor` teaches a workshop that goes on and that `learner` is in. */
  teaches(instructor: string, learner: string): boolean {
    return (
      this.#database
        .prepare(
          `SELECT 1 FROM teaching t
             JOIN workshops w ON w.id = t.workshop AND w.ended_at IS NULL
             JOIN attendance a ON a.workshop = t.workshop AND a.learner = ? AND a.left_at IS NULL
           WHERE t.instructor = ? LIMIT 1`,
        )
        .get(learner, instructor) !== undefined
    );
  }

  /** Who did what to `subject`, the latest first, at most 200: a learner may know who looked. */
  auditOf(subject: string): { at: number; actor: string; action: string; detail: string }[] {
    return this.#database
      .prepare(
        'SELECT at, actor, action, detail FROM audit WHERE subject = ? ORDER BY at DESC, id DESC LIMIT 200',
      )
      .all(subject)
      .map((row) => ({
        at: Number(row.at),
        actor: String(row.actor),
        action: String(row.action),
        detail: String(row.detail),
      }));
  }

  /** Writes down that `instructor` used a right over something of somebody else's. */
  noteUse(instructor: string, action: string, subject: string, detail = ''): void {
    this.#audit(`instructor:${instructor}`, action, subject, detail);
  }

  #teach(workshop: string, instructor: string, role: TeachingRole): void {
    this.#database
      .prepare('INSERT INTO teaching (workshop, instructor, role) VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
      .run(workshop, instructor, role);
  }

  #audit(actor: string, action: string, subject: string, detail: string): void {
    this.#database
      .prepare('INSERT INTO audit (at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)')
      .run(this.#now(), actor, action, subject, detail);
  }
}

function roleOf(row: Record<string, unknown>): TeachingRole {
  return row.role === 'lead' ? 'lead' : 'helper';
}

function workshopOf(row: Record<string, unknown>): Workshop {
  return {
    id: String(row.id),
    title: String(row.title),
    lab: String(row.lab),
    createdAt: Number(row.created_at),
    endedAt: row.ended_at === null ? null : Number(row.ended_at),
  };
}
