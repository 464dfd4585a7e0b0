// native/README.md tells how a container is made, in the order in which it happens, and names the C at each step. Here it is
// taken apart, and each function that it names is read from the tree: nothing of the source stands on a page twice.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A function as it stands in the tree. */
export interface Shown {
  /** As the guide and the trace name it: `native/…/file.c`. */
  file: string;
  name: string;
  line: number;
  code: string;
}

/** A step as the trace has it, and the source that takes it. */
export interface Told {
  by: 'runtime' | 'child' | 'either';
  trace: string;
  functions: Shown[];
}

export interface Section {
  id: string;
  title: string;
  /** The number of a step, or null for what stands between steps. */
  number: number | null;
  blocks: ({ prose: string } | Told)[];
}

const FIRST = '## The program starts: nobody may overwrite it';
const AFTER = '## The error contract';
const TOLD = /^> (runtime|child|either) · trace `([^`]+)` · (.*)$/;

/** The sections of the guide that tell a launch. Throws when it has another shape, or names what is not there. */
export function readGuide(native: string): Section[] {
  const guide = readFileSync(join(native, 'README.md'), 'utf8');
  const from = guide.indexOf(FIRST);
  const to = guide.indexOf(AFTER);
  if (from < 0 || to < from) throw new Error(`native/README.md has no “${FIRST}” before “${AFTER}”`);
  const sections = guide
    .slice(from, to)
    .split(/^(?=#{2,3} )/m)
    .map((text) => readSection(native, text));
  return sections.filter(({ blocks }) => blocks.length > 0);
}

function readSection(native: string, text: string): Section {
  const [heading = '', ...lines] = text.split('\n');
  const [, numbered, title = ''] = /^#+ (?:(\d+)\. )?(.*)$/.exec(heading) ?? [];
  const section: Section = {
    id: title
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, ''),
    title,
    number: numbered ? Number(numbered) : null,
    blocks: [],
  };
  let prose: string[] = [];
  const flush = () => {
    const said = prose.join('\n').trim();
    if (said) section.blocks.push({ prose: said });
    prose = [];
  };
  for (const line of lines) {
    const [, by, trace = '', sources = ''] = TOLD.exec(line) ?? [];
    if (!by) {
      prose.push(line);
      continue;
    }
    flush();
    section.blocks.push({ by: by as Told['by'], trace, functions: functionsOf(native, sources) });
  }
  flush();
  return section;
}

function functionsOf(native: string, text: string): Shown[] {
  return [...text.matchAll(/`([a-z0-9]+\/\w+\.[ch]):(\w+)`/g)].map(([, file = '', name = '']) =>
    readFunction(native, file, name),
  );
}

/** A function's definition with the comment above it. Throws when the file has none of that name. */
export function readFunction(native: string, file: string, name: string): Shown {
  const lines = readFileSync(join(native, file), 'utf8').split('\n');
  const begins = (line: string) => new RegExp(`^[a-z].*\\b${name}\\(`).test(line);
  const at = lines.findIndex((line, index) => begins(line) && opensBody(lines, index));
  if (at < 0) throw new Error(`native/README.md names ${file}:${name}, and there is no such function`);
  let first = at;
  while (/^(\/\/|\/\*| \*)/.test(lines[first - 1] ?? '')) first--;
  const last = lines.indexOf('}', at);
  return { file: `native/${file}`, name, line: at + 1, code: lines.slice(first, last + 1).join('\n') };
}

/** Whether what begins in this line is a definition, and not a declaration or a call. */
function opensBody(lines: readonly string[], at: number): boolean {
  for (const line of lines.slice(at)) {
    if (line.endsWith('{')) return true;
    if (line.endsWith(';') || line === '') return false;
  }
  return false;
}
