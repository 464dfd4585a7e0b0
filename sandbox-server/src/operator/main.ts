// `npm run operate`: the operator's commands. As root it becomes the user whom the server's state belongs to, so that
// nothing in there comes to belong to somebody else.
import { statSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { AccountError } from '../people/instructors.ts';
import { messageOf } from '../problem.ts';
import { operate, UsageError, usage } from './commands.ts';

async function firstLine(): Promise<string | null> {
  if (process.stdin.isTTY) return null;
  for await (const line of createInterface({ input: process.stdin })) return line;
  throw new AccountError('there was no password on standard input');
}

function readArguments() {
  try {
    const state = { type: 'string', default: '/var/lib/bulkhead/server' } as const;
    const help = { type: 'boolean', default: false } as const;
    return parseArgs({ options: { state, help }, allowPositionals: true });
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

function becomeOwnerOf(directory: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(directory);
  process.setgroups?.([]);
  process.setgid?.(gid);
  process.setuid?.(uid);
}

try {
  const { values, positionals } = readArguments();
  if (values.help) {
    process.stdout.write(usage);
    process.exit(0);
  }
  // A configuration file has nothing to do with the state, and may be there before it.
  if (positionals[0] !== 'config') becomeOwnerOf(values.state);
  await operate(positionals, {
    state: values.state,
    password: firstLine,
    print: (line) => process.stdout.write(`${line}\n`),
  });
} catch (error) {
  process.stderr.write(`bulkhead: ${messageOf(error)}\n${error instanceof UsageError ? `\n${usage}` : ''}`);
  process.exit(error instanceof UsageError ? 2 : 1);
}
