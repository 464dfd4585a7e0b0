// Reading a configuration file: YAML, one setting a line, by the names that the command line has. YAML because people
// may write comments into it, it says of each value in which line it is, and JSON is YAML too.
import { readFileSync } from 'node:fs';
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import type { ZodType } from 'zod';
import { messageOf } from '../problem.ts';

/** Everything that is wrong with a file; each line of the message is one mistake, with the file and the line. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/** The settings in a file as texts, such as a command line would give them; lists are joined with commas. `fields`: what
 * there may be, and what each has to be as a text. Throws ConfigError with all mistakes at once. */
export function readConfig(path: string, fields: Readonly<Record<string, ZodType>>): Record<string, string> {
  return parseConfig(readText(path), path, fields);
}

/** The same of a file's text; `path` is for the messages. */
export function parseConfig(
  source: string,
  path: string,
  fields: Readonly<Record<string, ZodType>>,
): Record<string, string> {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines });
  const mistakes: { at: number; message: string }[] = document.errors.map(({ pos, message }) => ({
    at: pos[0],
    message: sentenceOf(message),
  }));
  const values: Record<string, string> = {};
  const { contents } = document;
  if (contents !== null && !isMap(contents)) {
    mistakes.push({ at: 0, message: 'this is no list of settings: write lines such as `port: 7080`' });
  }
  for (const { key, value } of isMap<Node, Node | null>(contents) ? contents.items : []) {
    const name = String(key);
    const at = key.range?.[0] ?? 0;
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (!field) {
      mistakes.push({ at, message: `there is no setting ${name}${suggestion(name, Object.keys(fields))}` });
      continue;
    }
    const text = textOf(value);
    const checked = text === null ? null : field.safeParse(text);
    if (text !== null && checked?.success) values[name] = text;
    else {
      const shown = text === null ? 'more than a value' : JSON.stringify(text);
      const wanted = checked?.error?.issues[0]?.message ?? 'one value, or a list of values';
      mistakes.push({ at: value?.range?.[0] ?? at, message: `${name} is ${shown}, but must be: ${wanted}` });
    }
  }
  if (mistakes.length === 0) return values;
  const told = mistakes
    .toSorted((a, b) => a.at - b.at)
    .map(({ at, message }) => `${path}:${lines.linePos(at).line}: ${message}`);
  throw new ConfigError(told.join('\n'));
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : messageOf(error);
    throw new ConfigError(`${path}: ${why}; name another with --config, or leave that out`);
  }
}

/** A scalar as it stands, a list of scalars joined; null for anything else. Nothing at all is an empty text. */
function textOf(value: Node | null): string | null {
  if (value === null) return '';
  if (isScalar(value)) return value.value === null ? '' : String(value.source ?? value.value);
  if (!isSeq<Node>(value)) return null;
  const texts = value.items.map(textOf);
  return texts.includes(null) || value.items.some((item) => isSeq(item)) ? null : texts.join(',');
}

/** The parser's first line; what follows is a picture of the place, which the line number says. */
function sentenceOf(message: string): string {
  return (message.split('\n')[0] ?? message).replace(/ at line \d+, column \d+:?$/, '');
}

function suggestion(name: string, known: readonly string[]): string {
  const near = known
    .map((one) => ({ one, distance: distanceOf(name, one) }))
    .toSorted((a, b) => a.distance - b.distance)[0];
  const list = 'npm run operate -- config reference lists them';
  return near && near.distance <= 2 ? `; did you mean ${near.one}?` : `; ${list}`;
}

/** How many letters are to be put in, taken out or changed (Levenshtein). */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + same));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
