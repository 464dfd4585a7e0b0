// Does what a server does while a class works: saves progress, and says "saved" (into the file `said`) after each.
// Arguments: the directory of the database, what must survive.
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Learners } from '../../../sandbox-server/src/people/learners.ts';
import { peopleMigrations } from '../../../sandbox-server/src/people/schema.ts';
import { openDatabase, type Survives } from '../../../sandbox-server/src/store/database.ts';

const [directory = '', survives] = process.argv.slice(2);
const database = openDatabase(join(directory, 'people.db'), {
  survives: survives as Survives,
  migrations: peopleMigrations,
});
// The log is folded into the file every few commits, so that cuts in the middle of that are among those played.
database.exec('PRAGMA wal_autocheckpoint = 20');
const learners = new Learners(database);
const said = openSync(join(directory, 'said'), 'w');
for (let step = 0; step < 40; step++) {
  learners.noteDone(`learner-${step % 5}`, 'lab', String(step), 'checked');
  writeSync(said, `${step}\n`);
}
