// `node scripts/pages-table.ts [folder of the built site]`: every page with its words and its live parts, as a Markdown table, read
// from what was built. Words are those that are in the page, without code, transcripts and the frame; of an essay also those of its
// text alone: no figures, no experiments, no
// sources, no explanations of the glossary.
import { join } from 'node:path';
import { builtPages } from '../site/src/publish/built-pages.ts';

/** What is alive on a page, by what it is in the HTML; a function says what of several. */
const parts: [RegExp, string][] = [
  [/component-url="[^"]*\/Landing\./g, 'a container made in the drawing'],
  [/component-url="[^"]*\/Compare\./g, 'a container and a VM side by side'],
  [/component-url="[^"]*\/TabLinux\./g, 'the Linux in the tab'],
  [/component-url="[^"]*\/Yours\./g, 'the machines that are the reader’s'],
  [/component-url="[^"]*\/Player\./g, 'a lab: machines, checks, editor'],
  [/<try-it/g, 'shell with commands'],
  [/<your-launch/g, 'the reader’s own launch beside the source'],
  [/<measure-here/g, 'this server measured beside the charts'],
  [/<time-line/g, 'timeline: zoom, filters, threads'],
  [/<matrix-table/g, 'table: columns, sorting, notes'],
  [/name="verdict"[^>]*value="all"/g, 'claims filtered by verdict'],
  [/class="climb/g, 'a drawing in four moves'],
  [/class="predict/g, 'guess first'],
  [/<terminal-recording/g, 'recording'],
];

const instruments = (html: string): string[] => [
  ...new Set(
    [...html.matchAll(/data-instruments="([^"]+)"/g)].flatMap(([, names]) => names?.split(' ') ?? []),
  ),
];

function liveParts(main: string): string {
  const found = parts.flatMap(([mark, what]) => {
    const count = main.match(mark)?.length ?? 0;
    return count === 0 ? [] : [count === 1 ? what : `${what} ×${count}`];
  });
  const seen = instruments(main);
  return [...found, ...(seen.length > 0 ? [`instruments: ${seen.join(', ')}`] : [])].join('; ');
}

function wordsOf(main: string): number {
  const text = main
    .replace(/<(script|style|template|svg|pre|noscript)\b[\s\S]*?<\/\1>/g, ' ')
    .replace(/<[^>]+>/g, ' ')
    .replace(/&[#\w]+;/g, ' ');
  return text.match(/[\p{L}\p{N}][\p{L}\p{N}'’.-]*/gu)?.length ?? 0;
}

/** The text of an essay, or null where the page is none. */
function textOf(main: string): string | null {
  if (!main.includes('class="prose')) return null;
  const [text = ''] = main.split(/<h2[^>]* id="(?:in-era|cited)"/);
  return withoutAsides(text.replace(/<(try-it|form|figure|details|table|nav|aside)\b[\s\S]*?<\/\1>/g, ' '));
}

/** Without sources in the margin and what the glossary says on hover: spans, which may hold others. */
function withoutAsides(text: string): string {
  const [before = '', ...rest] = text.split(/(?=<span[^>]* class="[^"]*\b(?:sidenote|says)\b)/);
  const kept = rest.map((piece) => {
    let depth = 0;
    for (const tag of piece.matchAll(/<(\/?)span\b[^>]*>/g)) {
      depth += tag[1] ? -1 : 1;
      if (depth === 0) return piece.slice(tag.index + tag[0].length);
    }
    return '';
  });
  return [before, ...kept].join(' ');
}

const site = process.argv[2] ?? join(import.meta.dirname, '../site/dist');
console.log('| page | words | of an essay | live parts |\n| --- | ---: | ---: | --- |');
for (const { path, html } of builtPages(site)) {
  const main = /<main\b[\s\S]*<\/main>/.exec(html)?.[0] ?? '';
  const text = textOf(main);
  const count = (html: string) => wordsOf(html).toLocaleString('en');
  console.log(`| ${path} | ${count(main)} | ${text === null ? '' : count(text)} | ${liveParts(main)} |`);
}
