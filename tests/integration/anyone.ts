// Programs for tests that run as somebody else, who may not be able to enter the directory this checkout is in (/root).
import { chmodSync, copyFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Copies `program` into `directory`, opens both to everyone, and returns the copy's path. */
export const copyForAnyone = (program: string, directory: string): string => {
  const copy = join(directory, basename(program));
  copyFileSync(program, copy);
  chmodSync(copy, 0o755);
  chmodSync(directory, 0o755);
  return copy;
};
