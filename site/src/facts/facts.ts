// Reads the facts behind the reading pages (content/facts/*.yaml) and refuses what does not hold together: an unknown
// key, a source, era or note that does not exist, two entries with one name. The build stops there.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'astro/zod';
import { parse } from 'yaml';
import {
  claimSchema,
  eraSchema,
  figureSchema,
  noteSchema,
  propertySchema,
  sourceSchema,
  technologySchema,
  termSchema,
  timelineSchema,
} from './schemas.ts';

export const schemas = {
  sources: sourceSchema,
  eras: eraSchema,
  timeline: timelineSchema,
  claims: claimSchema,
  technologies: technologySchema,
  properties: propertySchema,
  notes: noteSchema,
  figures: figureSchema,
  glossary: termSchema,
};
export type Collection = keyof typeof schemas;
export const collectionNames = Object.keys(schemas) as Collection[];

/** One YAML document for each collection: a mapping from keys to entries. */
export type FactTexts = Record<Collection, string>;
export type Facts = { [name in Collection]: Map<string, z.infer<(typeof schemas)[name]>> };

/** The facts as they are in the source tree. */
export function readFacts(folder: string): Facts {
  const texts = collectionNames.map((name) => [name, readFileSync(join(folder, `${name}.yaml`), 'utf8')]);
  return parseFacts(Object.fromEntries(texts));
}

/** Throws one error that lists everything that is wrong, each with the file and the entry. */
export function parseFacts(texts: FactTexts): Facts {
  const problems: string[] = [];
  const read = <Name extends Collection>(name: Name) => entriesOf(name, texts[name], problems);
  const facts: Facts = {
    sources: read('sources'),
    eras: read('eras'),
    timeline: read('timeline'),
    claims: read('claims'),
    technologies: read('technologies'),
    properties: read('properties'),
    notes: read('notes'),
    figures: read('figures'),
    glossary: read('glossary'),
  };
  // References are only worth checking among documents that are themselves in order.
  if (problems.length === 0) problems.push(...brokenReferences(facts));
  if (problems.length > 0)
    throw new Error(`the facts of the site are not in order:\n  ${problems.join('\n  ')}`);
  return facts;
}

function entriesOf<Name extends Collection>(name: Name, yaml: string, problems: string[]): Facts[Name] {
  type Entry = z.infer<(typeof schemas)[Name]>;
  const entries = new Map<string, Entry>();
  let document: unknown;
  try {
    // `yaml` refuses a key that is there twice, which js-yaml's default would also do, but Astro's loader only logs.
    document = parse(yaml);
  } catch (error) {
    problems.push(`${name}.yaml: ${error instanceof Error ? error.message : String(error)}`);
    return entries as Facts[Name];
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    problems.push(`${name}.yaml: must be a mapping from keys to entries`);
    return entries as Facts[Name];
  }
  for (const [key, raw] of Object.entries(document)) {
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(key))
      problems.push(`${name}.yaml: ${key}: not a key of lower-case words`);
    const result = schemas[name].safeParse(raw);
    if (result.success) entries.set(key, result.data as Entry);
    else {
      for (const { path, message } of result.error.issues) {
        problems.push(`${name}.yaml: ${[key, ...path].join('.')}: ${message}`);
      }
    }
  }
  return entries as Facts[Name];
}

function brokenReferences(facts: Facts): string[] {
  const problems: string[] = [];
  const mustHave = (map: Map<string, unknown>, what: string, key: string, where: string) => {
    if (!map.has(key)) problems.push(`${where}: there is no ${what} ${key}`);
  };
  const sourced = (keys: readonly string[], where: string) => {
    for (const key of keys) mustHave(facts.sources, 'source', key, where);
  };
  for (const [id, entry] of facts.timeline) {
    const where = `timeline.yaml: ${id}`;
    sourced([...entry.sources, ...entry.date.sources], where);
    for (const account of entry.date.accounts ?? []) sourced(account.sources, where);
    mustHave(facts.eras, 'era', entry.era, where);
  }
  for (const [id, claim] of facts.claims) {
    sourced(claim.sources, `claims.yaml: ${id}`);
    if (claim.sources.length === 0 && !claim.tried && !claim.unsourced) {
      problems.push(
        `claims.yaml: ${id}: has neither a source nor an experiment that was run, and does not say so`,
      );
    }
  }
  for (const [id, note] of facts.notes) sourced(note.sources, `notes.yaml: ${id}`);
  for (const [id, figure] of facts.figures) {
    sourced(figure.sources, `figures.yaml: ${id}`);
    if (figure.sources.length === 0 && !figure.ours) {
      problems.push(`figures.yaml: ${id}: is neither sourced nor ours`);
    }
  }
  problems.push(...brokenMatrix(facts));
  return problems;
}

/** Every property answers for every technology, and every note that a cell points to exists. */
function brokenMatrix({ properties, technologies, notes }: Facts): string[] {
  const numbers = new Set([...notes.values()].map(({ number }) => number));
  return [...properties].flatMap(([id, { cells }]) => [
    ...[...technologies.keys()]
      .filter((key) => !(key in cells))
      .map((key) => `properties.yaml: ${id}: says nothing of ${key}`),
    ...Object.entries(cells).flatMap(([key, cell]) => [
      ...(technologies.has(key) ? [] : [`properties.yaml: ${id}: there is no technology ${key}`]),
      ...notesOfCell(cell)
        .filter((number) => !numbers.has(number))
        .map((number) => `properties.yaml: ${id}.${key}: there is no note ${number}`),
    ]),
  ]);
}

/** The notes that a cell of the matrix points to: `partly [2,4]` to 2 and 4. */
export function notesOfCell(cell: string): number[] {
  return (/\[([\d,]+)\]$/.exec(cell)?.[1] ?? '').split(',').filter(Boolean).map(Number);
}

/** What a cell of the matrix says, without its notes. */
export function markOfCell(cell: string): string {
  return cell.replace(/ \[[\d,]+\]$/, '');
}
