// Everything that is wrong with a lab, in one list: what the server would not load, and what is wrong in its text.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LabError, readFrontMatter } from '@bulkhead/sandbox-server/labs/front-matter';
import type { Lab } from '@bulkhead/sandbox-server/labs/lab';
import { loadLab, loadLabs } from '@bulkhead/sandbox-server/labs/load';
import { checkText, readText } from './text.ts';

export interface Checked {
  /** Null where the server would not load it. */
  lab: Lab | null;
  mistakes: readonly LabError[];
}

export function checkLab(folder: string): Checked {
  const mistakes: LabError[] = [];
  const file = join(folder, 'lab.mdx');
  let lab: Lab | null = null;
  try {
    lab = loadLab(folder);
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    mistakes.push(error);
  }
  try {
    const { body, bodyLine } = readFrontMatter(readFileSync(file, 'utf8'), file);
    const text = readText(body, bodyLine, file);
    const found = [...text.mistakes, ...(lab ? checkText(lab, text.parts, file) : [])];
    // What both parsers saw is one mistake.
    const known = mistakes[0]?.line;
    mistakes.push(...found.filter(({ line }) => line !== known));
  } catch {
    // Without front matter, or without a lab.mdx, the loader has said so.
  }
  return { lab, mistakes: mistakes.toSorted((a, b) => a.line - b.line) };
}

/** The labs of a folder that have no mistake, in order of their names, and the mistakes of the others. */
export function soundLabs(directory: string): { labs: Lab[]; mistakes: LabError[] } {
  const loaded = loadLabs(directory);
  const mistakes = [...loaded.mistakes];
  const labs = [...loaded.labs.values()].filter((lab) => {
    const found = checkLab(join(directory, lab.slug)).mistakes;
    mistakes.push(...found);
    return found.length === 0;
  });
  return { labs, mistakes };
}
