// Content hashes that decide whether a step has anything to do, and the stamps that remember them.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const IGNORED = new Set(['node_modules', 'build', 'dist', '.astro', '.git']);

function* filesBelow(path: string): Generator<string> {
  if (!existsSync(path)) return;
  if (!statSync(path).isDirectory()) {
    yield path;
    return;
  }
  for (const entry of readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (IGNORED.has(entry.name)) continue;
    const child = join(path, entry.name);
    if (entry.isDirectory()) yield* filesBelow(child);
    else if (entry.isFile()) yield child;
  }
}

/** SHA-256 over names and contents of the files at and below `paths`, and over `extra`; build products are passed over. */
export const fingerprint = (paths: readonly string[], extra = ''): string => {
  const hash = createHash('sha256').update(extra);
  for (const path of paths)
    for (const file of filesBelow(path)) hash.update(`\0${file}\0`).update(readFileSync(file));
  return hash.digest('hex');
};

/** Remembers in a file that a step was done for a fingerprint. */
export class Stamp {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  matches(key: string): boolean {
    return existsSync(this.#file) && readFileSync(this.#file, 'utf8') === key;
  }

  write(key: string): void {
    mkdirSync(dirname(this.#file), { recursive: true });
    writeFileSync(this.#file, key);
  }
}
