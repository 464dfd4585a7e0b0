// An instructor, from the account that an operator makes to a browser that is logged in.
import { join } from 'node:path';
import { Instructors } from '../../sandbox-server/src/people/instructors.ts';
import { PEOPLE_DATABASE, peopleMigrations } from '../../sandbox-server/src/people/schema.ts';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import { openDatabase } from '../../sandbox-server/src/store/database.ts';
import { Learner } from './learner.ts';
import type { Stack } from './stack.ts';

const PASSWORD = 'correct horse battery';

/** Makes an account beside the running server, as `npm run operate` does, and logs in with it. */
export async function arriveAsInstructor(stack: Stack, login: string): Promise<Learner> {
  const people = openDatabase(join(stack.state, 'server', PEOPLE_DATABASE), {
    survives: 'power',
    migrations: peopleMigrations,
  });
  await new Instructors(people).add(login, PASSWORD);
  people.close();
  const instructor = await Learner.arrive(stack.url);
  await instructor.logIn(login, PASSWORD);
  return instructor;
}

/** The code of a new workshop of this instructor's. */
export async function openWorkshop(instructor: Learner): Promise<string> {
  const wish = { title: 'By hand', lab: 'build-a-container' };
  const { body } = await instructor.ask('POST', apiPaths.workshops, wish);
  return (body as { code: string }).code;
}
