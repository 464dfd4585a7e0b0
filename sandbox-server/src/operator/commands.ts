// What an operator does by hand: accounts of instructors, copies of what must not be lost, the configuration file.
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { loadLabs } from '../labs/load.ts';
import { randomCharacters } from '../people/handwriting.ts';
import { Instructors } from '../people/instructors.ts';
import { PEOPLE_DATABASE, peopleMigrations } from '../people/schema.ts';
import { backUp, openDatabase } from '../store/database.ts';
import { configCommands, wantsFile } from './config.ts';

const OUR_LABS = new URL('../../../labs', import.meta.url).pathname;

/** A wrong command line; the message says what would have been right. */
export class UsageError extends Error {
  override name = 'UsageError';
}

export interface Surroundings {
  /** The server's state directory. */
  state: string;
  /** The first line of standard input; null when a person sits at a terminal. */
  password(): Promise<string | null>;
  print(line: string): void;
}

export const usage = `Usage: npm run operate -- [--state DIRECTORY] COMMAND

  instructor add LOGIN       a new account; its password is read from standard input, or made up and printed
  instructor password LOGIN  a new password, likewise; ends every login with the old one
  instructor lock LOGIN      no login any more, and ends those there are
  instructor unlock LOGIN    undoes that
  instructor list            who there is
  labs [DIRECTORY]           which labs there are, and every mistake in them, with file and line
  backup DIRECTORY           copies what must not be lost into a new directory, while the server runs
  config check FILE          says every mistake in a configuration file, with its line
  config example             a configuration file to begin with
  config reference           docs/configuration.md
  config broker FILE         what the file says to bulkheadd, for its unit
`;

/** Runs one command. Rejects with UsageError, AccountError, or an Error that names a file. */
export async function operate(args: readonly string[], surroundings: Surroundings): Promise<void> {
  const [command, ...rest] = args;
  if (command === 'instructor') return instructor(rest, surroundings);
  if (command === 'config') return config(rest, surroundings);
  if (command === 'labs' && rest.length <= 1) return listLabs(rest[0], surroundings);
  if (command === 'backup' && rest.length === 1) return copyAway(rest[0] ?? '', surroundings);
  throw new UsageError(
    command === undefined ? 'a command is missing' : `there is no command ${args.join(' ')}`,
  );
}

/** Rejects when there is a mistake, so that a script can tell. */
function listLabs(directory = OUR_LABS, { print }: Surroundings): void {
  const { labs, mistakes } = loadLabs(directory);
  for (const { slug, matter, steps, files } of labs.values())
    print(`${slug}: ${matter.title} (${steps.length} steps, ${files.length} files)`);
  for (const { message } of mistakes) print(message);
  const count = mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`;
  if (mistakes.length > 0) throw new Error(`the labs of ${directory} have ${count}`);
  if (labs.size === 0) print(`There are no labs in ${directory}.`);
}

async function config(args: readonly string[], { print }: Surroundings): Promise<void> {
  const [verb = '', file = ''] = args;
  const run = Object.hasOwn(configCommands, verb) ? configCommands[verb] : undefined;
  if (!run || args.length !== (wantsFile.has(verb) ? 2 : 1))
    throw new UsageError(`there is no command config ${args.join(' ')}`);
  print(run(file));
}

async function instructor(args: readonly string[], { state, password, print }: Surroundings): Promise<void> {
  const [verb, login] = args;
  if (args.length !== (verb === 'list' ? 1 : 2))
    throw new UsageError(`there is no command instructor ${args.join(' ')}`);
  const database = openDatabase(join(state, PEOPLE_DATABASE), {
    survives: 'power',
    migrations: peopleMigrations,
  });
  try {
    const instructors = new Instructors(database);
    if (verb === 'list') {
      for (const { login, disabledAt } of instructors.all())
        print(`${login}${disabledAt === null ? '' : '  (locked)'}`);
      return;
    }
    if (login === undefined) throw new UsageError('a login is missing');
    if (verb === 'lock' || verb === 'unlock') return instructors.setDisabled(login, verb === 'lock');
    if (verb !== 'add' && verb !== 'password') throw new UsageError(`there is no command instructor ${verb}`);
    const given = await password();
    const chosen = given ?? randomCharacters(20).replace(/.{5}(?=.)/g, '$&-');
    if (verb === 'add') await instructors.add(login, chosen);
    else await instructors.setPassword(login, chosen);
    if (given === null) print(`The password of ${login} is ${chosen}`);
  } finally {
    database.close();
  }
}

/** The database of people, and the key that makes their cookies worth anything: without it nobody would be known again. */
async function copyAway(target: string, { state, print }: Surroundings): Promise<void> {
  try {
    mkdirSync(target, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === 'EEXIST'
        ? 'exists already; name a new directory'
        : `cannot be made by the server's user (${code}); name a place where it may write, such as /var/tmp/bulkhead`;
    throw new Error(`${target} ${why}`);
  }
  try {
    await backUp(join(state, PEOPLE_DATABASE), join(target, PEOPLE_DATABASE));
    copyFileSync(join(state, 'secret'), join(target, 'secret'));
  } catch (error) {
    rmSync(target, { recursive: true, force: true }); // half a backup is worse than none
    throw error;
  }
  print(
    `Copied ${PEOPLE_DATABASE} and secret to ${target}; to go back to them, stop the server and put both into ${state}`,
  );
}
