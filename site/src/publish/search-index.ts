// The index of the search: every page, a section a place; and each term, claim, entry of the timeline and property of the matrix
// as a place of its own, because readers look for those by name.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { close, createIndex } from 'pagefind';
import { type Facts, notesOfCell } from '../facts/facts.ts';
import type { BuiltPage } from './built-pages.ts';

/** What a reader can be sent to. */
export interface Place {
  url: string;
  title: string;
  /** What it is, in a word or two, beside the title. */
  kind: string;
  text: string;
}

/** In pages: what is not the page's own text, and entries, which are places of their own. */
const passedOver = [
  ...['.rail', '.onward', '.in-era', '.cited', '.says', 'template', 'svg', '[hidden]', '.visually-hidden'],
  ...[
    '.claim',
    '.all',
    '.entry-card',
    '.chart',
    'matrix-table',
    '.page-list',
    '.lab > astro-island',
    'dl > div[id]',
  ],
];

const sections: Record<string, string> = { concepts: 'Concept', history: 'History', labs: 'Lab' };

/** Beside the title of a page. */
const kindOfPage = (path: string): string => sections[path.split('/')[1] ?? ''] ?? 'Page';

/** The entries of the data as places. */
export function placesOfFacts(facts: Facts): Place[] {
  const texts = (...parts: (string | undefined)[]): string =>
    parts.flatMap((part) => part?.replace(/[^.?!]$/, '$&.') ?? []).join(' ');
  return [
    ...[...facts.glossary].map(([id, { term, also, says }]) => ({
      url: `/glossary/#${id}`,
      title: term,
      kind: 'Glossary',
      text: texts(term, also?.join(', '), says),
    })),
    ...[...facts.claims].map(([id, { number, claim, in2013, now, see }]) => ({
      url: `/2013/#${id}`,
      title: claim,
      kind: `2013, claim ${number}`,
      text: texts(claim, in2013, now, see),
    })),
    ...[...facts.timeline].map(([id, entry]) => ({
      url: `/history/#${id}`,
      title: entry.title,
      kind: `Timeline, ${entry.date.on.slice(0, 4)}`,
      text: texts(
        entry.title,
        entry.short,
        entry.who,
        entry.what,
        entry.matters,
        entry.isolates,
        entry.shares,
        entry.today,
      ),
    })),
    ...[...facts.properties].map(([id, { label, contentious, cells }]) => {
      const numbers = new Set(Object.values(cells).flatMap(notesOfCell));
      const notes = [...facts.notes.values()].filter(({ number }) => numbers.has(number));
      return {
        url: `/matrix/#${id}`,
        title: label,
        kind: 'Matrix',
        text: texts(label, contentious, ...notes.map(({ text }) => text)),
      };
    }),
  ];
}

/** Writes the index of `pages` and `places` below `dist`. Throws Error with what Pagefind could not take. */
export async function writeIndex(
  dist: string,
  pages: readonly BuiltPage[],
  places: readonly Place[],
): Promise<void> {
  const failed = (what: string, errors: readonly string[]): void => {
    if (errors.length > 0) throw new Error(`the search cannot index ${what}: ${errors.join('; ')}`);
  };
  const { index, errors } = await createIndex({ rootSelector: 'main', excludeSelectors: passedOver });
  if (!index) throw new Error(`the search makes no index: ${errors.join('; ')}`);
  for (const { path, html } of pages) {
    // The language of its words is the page's; the body that Starlight marks is only that of its own pages.
    const content = html
      .replace(' data-pagefind-body', '')
      .replace(/<main\b/, `<main data-pagefind-meta="kind:${kindOfPage(path)}"`);
    failed(path, (await index.addHTMLFile({ url: path, content })).errors);
  }
  for (const { url, title, kind, text } of places)
    failed(
      url,
      (await index.addCustomRecord({ url, content: text, language: 'en', meta: { title, kind } })).errors,
    );
  const folder = join(dist, 'pagefind');
  failed('what there is', (await index.writeFiles({ outputPath: folder })).errors);
  // Its own user interfaces: this site has one.
  for (const file of ['component-ui', 'modular-ui', 'ui'])
    for (const type of ['css', 'js']) rmSync(join(folder, `pagefind-${file}.${type}`), { force: true });
  for (const file of ['pagefind-highlight.js', 'wasm.unknown.pagefind'])
    rmSync(join(folder, file), { force: true });
  await close();
}
