// Loads the folder of labs. A lab with a mistake is left out, and its mistakes are kept with file, line and what was
// expected; the others are served.
import { readdirSync, readFileSync, type Stats, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { wishes } from '../machines/placement.ts';
import { messageOf } from '../problem.ts';
import { CHECK_SCRIPT_MAX } from '../protocol/broker.ts';
import { FILE_BYTES_MAX } from '../protocol/inside.ts';
import { type LabMatter, labMatterSchema } from '../protocol/labs.ts';
import { labSlugSchema } from '../protocol/people.ts';
import { LabError, readFrontMatter } from './front-matter.ts';
import type { Lab, LabFile, Step } from './lab.ts';
import { findSteps, type StepTag } from './steps.ts';

const MOST_FILES = 64;
const MOST_FILE_BYTES = 4 * FILE_BYTES_MAX;
/** The least with which the broker makes a VM, and what one has unless stated; MiB. */
const VM_LEAST_MIB = 96;
const VM_USUAL_MIB = wishes.vm.memory_bytes / 1_048_576;
/** A solution is run as `INTERPRETER -c TEXT`, and one argument has at most 128 KiB. */
const solvers = /^#!(\/usr)?\/bin\/(env )?(sh|bash)\n/;

export interface Loaded {
  /** By slug. */
  labs: ReadonlyMap<string, Lab>;
  mistakes: readonly LabError[];
}

/** Loads every folder in `directory` that has a lab.mdx. A directory that is not there has no labs. */
export function loadLabs(directory: string): Loaded {
  const labs = new Map<string, Lab>();
  const mistakes: LabError[] = [];
  const attempt = (place: string, what: () => void) => {
    try {
      what();
    } catch (error) {
      // A folder that may not be read, say: the pages are there all the same.
      mistakes.push(error instanceof LabError ? error : new LabError(place, 0, messageOf(error)));
    }
  };
  let slugs: string[] = [];
  attempt(directory, () => {
    slugs = foldersIn(directory);
  });
  for (const slug of slugs) {
    const folder = join(directory, slug);
    attempt(folder, () => labs.set(slug, loadLab(folder)));
  }
  for (const [slug, { matter }] of labs) {
    const file = join(directory, slug, 'lab.mdx');
    for (const before of matter.after ?? []) {
      if (!labs.has(before)) mistakes.push(new LabError(file, 1, `after: there is no lab ${before}`));
    }
  }
  return { labs, mistakes };
}

/** Loads one lab. Throws LabError for the first mistake. */
export function loadLab(folder: string): Lab {
  const slug = basename(folder);
  const file = join(folder, 'lab.mdx');
  if (!labSlugSchema.safeParse(slug).success)
    throw new LabError(folder, 0, 'expected a name of a-z, 0-9 and -, at most 64, not starting with -');
  const { value, lines, body, bodyLine } = readFrontMatter(readText(file), file);
  const parsed = labMatterSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const unknown = issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
    const path = [...(issue?.path ?? []), ...unknown].map(String);
    throw new LabError(file, lineOf(lines, path), `${path.join('.')}: ${issue?.message ?? 'is malformed'}`);
  }
  const matter = parsed.data;
  checkMachines(matter, file, lines);
  const steps = findSteps(body, bodyLine, file).map((tag) => loadStep(folder, tag, matter, file));
  if (steps.length === 0) throw new LabError(file, bodyLine, 'expected at least one <Step id="…">');
  checkFolders(folder, steps);
  return { slug, matter, steps, files: loadFiles(join(folder, 'files')) };
}

function checkMachines({ machines }: LabMatter, file: string, lines: ReadonlyMap<string, number>): void {
  const seen = new Map<string, string>();
  for (const [index, machine] of machines.entries()) {
    const { name, kind, profile, start, in: home } = machine;
    const fail = (field: string, expected: string) => {
      const path = ['machines', String(index), ...field.split('.')];
      throw new LabError(file, lineOf(lines, path), `${path.join('.')}: ${expected}`);
    };
    if (seen.has(name)) fail('name', `expected another name; there is a ${name} already`);
    if (kind === 'vm' && profile) fail('profile', 'expected none: only containers have a profile');
    if (kind === 'vm' && home) fail('in', 'expected none: only containers are in another machine');
    if (kind === 'container' && start) fail('start', 'expected none: only VMs boot');
    if (home && machines.every((other) => other.name !== home || other.kind !== 'vm'))
      fail('in', `expected the name of a VM of this lab, not ${home}`);
    checkSize(machine, machines, fail);
    seen.set(name, kind);
  }
}

function checkSize(
  { kind, size = {}, in: home }: LabMatter['machines'][number],
  machines: LabMatter['machines'],
  fail: (field: string, expected: string) => void,
): void {
  const { memory, processes, disk } = size;
  if (kind === 'vm') {
    if (processes !== undefined) fail('size.processes', 'expected none: the kernel of a VM is its limit');
    if (disk !== undefined) fail('size.disk', 'expected none: what is written in a VM is in its memory');
    if (memory !== undefined && memory < VM_LEAST_MIB)
      fail('size.memory', `expected at least ${VM_LEAST_MIB}: a VM has a kernel to hold as well`);
    return;
  }
  const around = machines.find(({ name }) => name === home)?.size?.memory ?? VM_USUAL_MIB;
  if (home !== undefined && memory !== undefined && memory * 2 >= around)
    fail('size.memory', `expected less than half of the ${around} MiB that ${home} has`);
}

function loadStep(folder: string, tag: StepTag, { machines }: LabMatter, file: string): Step {
  const { id, title = '', watch = false, machine = machines[0]?.name ?? '', line } = tag;
  if (machines.every(({ name }) => name !== machine)) {
    const names = machines.map(({ name }) => name).join(', ');
    throw new LabError(file, line, `step ${id}: expected a machine of this lab (${names}), not ${machine}`);
  }
  const check = readScript(join(folder, 'steps', id, 'check'));
  if (!check.startsWith('#!/'))
    throw new LabError(
      join(folder, 'steps', id, 'check'),
      1,
      'expected #! and an interpreter, such as #!/bin/sh',
    );
  const solve = readScript(join(folder, 'steps', id, 'solve'));
  if (!solvers.test(solve))
    throw new LabError(join(folder, 'steps', id, 'solve'), 1, 'expected #!/bin/sh or #!/bin/bash');
  return { id, title, machine, watch, check, solve };
}

function readScript(path: string): string {
  const text = readText(path);
  if (Buffer.byteLength(text) > CHECK_SCRIPT_MAX)
    throw new LabError(path, 0, `expected at most ${CHECK_SCRIPT_MAX} bytes`);
  if (text.includes('\0')) throw new LabError(path, 0, 'expected text, without zero bytes');
  return text;
}

/** A folder of a step that is nowhere in the text is a step that somebody has renamed. */
function checkFolders(folder: string, steps: readonly Step[]): void {
  for (const id of foldersIn(join(folder, 'steps'), '.')) {
    if (steps.every((step) => step.id !== id))
      throw new LabError(join(folder, 'steps', id), 0, `expected a <Step id="${id}"> in lab.mdx`);
  }
}

function loadFiles(folder: string): LabFile[] {
  const files: LabFile[] = [];
  let total = 0;
  for (const entry of entriesOf(folder, true)) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) continue;
    if (!entry.isFile())
      throw new LabError(path, 0, 'expected a file; links and devices are not put into machines');
    const bytes = readFileSync(path);
    total += bytes.length;
    if (bytes.length > FILE_BYTES_MAX)
      throw new LabError(path, 0, `expected at most ${FILE_BYTES_MAX} bytes`);
    const { mode } = statSync(path);
    const place = path.slice(folder.length);
    files.push({ path: place, mode: mode & 0o100 ? 0o755 : 0o644, content: bytes.toString('base64') });
  }
  if (files.length > MOST_FILES) throw new LabError(folder, 0, `expected at most ${MOST_FILES} files`);
  if (total > MOST_FILE_BYTES)
    throw new LabError(folder, 0, `expected at most ${MOST_FILE_BYTES} bytes in all`);
  return files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function readText(path: string): string {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    return decoder.decode(readFileSync(path));
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw new LabError(path, 0, missing ? 'expected this file; it is not there' : 'expected text in UTF-8');
  }
}

/** The folders in a directory that have this in them, by name. */
function foldersIn(directory: string, having = 'lab.mdx'): string[] {
  const has = (name: string): Stats | undefined =>
    statSync(join(directory, name, having), { throwIfNoEntry: false });
  return entriesOf(directory, false)
    .filter((entry) => entry.isDirectory() && has(entry.name))
    .map(({ name }) => name)
    .sort();
}

function entriesOf(directory: string, recursive: boolean) {
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(directory, { recursive, withFileTypes: true });
}

/** Where a field stands, or else what it would be in. */
function lineOf(lines: ReadonlyMap<string, number>, path: readonly string[]): number {
  for (let length = path.length; length > 0; length--) {
    const line = lines.get(path.slice(0, length).join('.'));
    if (line !== undefined) return line;
  }
  return 1;
}
