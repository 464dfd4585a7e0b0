// The words of a citation, and which sources a page's text cites. Without Astro, so that it can be tested.
import type { Source } from './schemas.ts';

/** "Losh, Whither chroot? (2020)"; organisations that are their own publisher are not named twice. */
export function citation(source: Source): string {
  const { author, title } = citationParts(source);
  return `${author}, ${title}`;
}

/** Who, and what and when: the second part is left out where there is no room. */
export function citationParts({ author, title, year, trust }: Source): { author: string; title: string } {
  const named = title.startsWith(`${author} `) ? title.slice(author.length + 1) : title;
  const dated = typeof year === 'number' ? `${named} (${year})` : named;
  return { author, title: trust === 'secondary' ? `${dated}, second-hand` : dated };
}

/** The year of a source, in words where it has none. */
export function yearOf(year: Source['year']): string {
  return year === 'living' ? 'kept up to date' : year === 'undated' ? 'undated' : String(year);
}

/** Keys of all sources that an essay cites with <Source of="…" />, in the order of their first use. */
export function citedKeys(mdx: string): string[] {
  const uses = [...mdx.matchAll(/<Source\s+of="([a-z0-9 -]+)"/g)];
  return [...new Set(uses.flatMap(([, keys = '']) => keys.split(' ')))];
}
