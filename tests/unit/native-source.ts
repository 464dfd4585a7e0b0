// Reads the C of native/ as text: files, functions and comments. It can be read so simply because clang-format lays it out:
// a function begins and ends in the first column.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const NATIVE = resolve(import.meta.dirname, '../../native');

export type NativeFunction = { readonly name: string; readonly line: number; readonly lines: number };
export type NativeFile = {
  /** From native/, as in `runtime/launch.c`. */
  readonly path: string;
  readonly text: string;
  /** Lines that are not empty. */
  readonly lines: number;
  /** Of them, those that hold nothing but a comment. */
  readonly comments: number;
  readonly functions: readonly NativeFunction[];
};

const FOLDERS = ['base', 'runtime', 'probe', 'monitor', 'broker', 'guest', 'seccomp', 'fuzz'];

/** The functions that `text` defines, each from the line with its name to its closing brace. */
export const functionsIn = (text: string): NativeFunction[] => {
  const found: NativeFunction[] = [];
  const lines = text.split('\n');
  let open: { name: string; line: number } | undefined;
  for (const [index, line] of lines.entries()) {
    const head = line.replace(/^__attribute__\(\(.*\)\) (?=\w)/, '');
    const name = /^(?:[\w*]+[ *]+)*?(\w+)\(/.exec(head)?.[1];
    // A head may take several lines; the last one ends in a brace.
    if (!open && name && /^[a-z_]/i.test(line) && !line.startsWith('typedef'))
      open = { name, line: index + 1 };
    if (
      open &&
      /^(?!\s*\/\/).*;$/.test(line) &&
      !lines.slice(open.line - 1, index + 1).some((one) => one.endsWith('{'))
    )
      open = undefined; // a prototype, or a macro's use
    if (open && line === '}') {
      found.push({ ...open, lines: index + 2 - open.line });
      open = undefined;
    }
  }
  return found;
};

const read = (path: string): NativeFile => {
  const text = readFileSync(join(NATIVE, path), 'utf8');
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return {
    path,
    text,
    lines: lines.length,
    comments: lines.filter((line) => /^\s*(\/\/|\/\*|\*)/.test(line)).length,
    functions: functionsIn(text),
  };
};

/** Every .c and .h of native/, tests and fuzz harnesses too. */
export const nativeFiles = (): NativeFile[] =>
  FOLDERS.flatMap((folder) =>
    readdirSync(join(NATIVE, folder))
      .filter((name) => /\.[ch]$/.test(name))
      .map((name) => read(`${folder}/${name}`)),
  );

export const isTest = ({ path }: NativeFile): boolean => /_test\.c$|^fuzz\//.test(path);
