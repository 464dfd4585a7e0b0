// The tables of people.db: learners and what they have done, instructors, workshops, and who did what to whom. Times are
// Unix times in milliseconds.

/** Its name in the server's state directory. */
export const PEOPLE_DATABASE = 'people.db';

/** See DatabaseOptions.migrations: a step is added at the end, and none is ever changed. */
export const peopleMigrations = [
  `
  -- Nobody is here until there is something to remember of them: a visitor who only reads leaves no row.
  CREATE TABLE learners (
    id TEXT PRIMARY KEY,             -- what the cookie says
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,        -- to the day; decides what is old enough to be forgotten
    recovery BLOB UNIQUE             -- digest of the recovery code; null: none was asked for
  ) STRICT;

  CREATE TABLE progress (
    learner TEXT NOT NULL REFERENCES learners ON DELETE CASCADE ON UPDATE CASCADE,
    lab TEXT NOT NULL,
    step TEXT NOT NULL,
    done_at INTEGER NOT NULL,
    -- checked: a check of ours saw it on a machine of ours; told: the page says so, as of the Linux in the tab
    proof TEXT NOT NULL CHECK (proof IN ('checked', 'told')),
    PRIMARY KEY (learner, lab, step)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE places (                -- where a learner was in a lab
    learner TEXT NOT NULL REFERENCES learners ON DELETE CASCADE ON UPDATE CASCADE,
    lab TEXT NOT NULL,
    step TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (learner, lab)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE instructors (
    id TEXT PRIMARY KEY,
    login TEXT NOT NULL UNIQUE COLLATE NOCASE,
    password TEXT NOT NULL,          -- people/password.ts
    created_at INTEGER NOT NULL,
    disabled_at INTEGER              -- null: may log in
  ) STRICT;

  CREATE TABLE logins (
    token BLOB PRIMARY KEY,          -- digest of what the cookie says
    instructor TEXT NOT NULL REFERENCES instructors ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE workshops (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    lab TEXT NOT NULL,
    join_code TEXT UNIQUE,           -- shown on the wall of the room; null once nobody may join any more
    created_at INTEGER NOT NULL,
    ended_at INTEGER                 -- null: goes on
  ) STRICT;

  CREATE TABLE teaching (
    workshop TEXT NOT NULL REFERENCES workshops ON DELETE CASCADE,
    instructor TEXT NOT NULL REFERENCES instructors ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('lead', 'helper')),
    PRIMARY KEY (workshop, instructor)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE attendance (
    workshop TEXT NOT NULL REFERENCES workshops ON DELETE CASCADE,
    learner TEXT NOT NULL REFERENCES learners ON DELETE CASCADE ON UPDATE CASCADE,
    name TEXT NOT NULL,              -- what the learner wants to be called in the room
    joined_at INTEGER NOT NULL,
    left_at INTEGER,                 -- null: is there
    PRIMARY KEY (workshop, learner)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX attendance_of_learner ON attendance (learner);

  CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,             -- instructor:<id>, learner:<id> or operator
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
  ) STRICT;
  CREATE INDEX audit_of_subject ON audit (subject, at);
  `,
];
