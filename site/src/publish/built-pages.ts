// What the build has made, read back from its HTML: so that a page has its card, its place in the feed and its entry in the
// search by being there, however it was made.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface BuiltPage {
  /** From the site's root, as /concepts/chroot/. */
  path: string;
  title: string;
  description: string;
  html: string;
}

/** What follows a page's own title in its <title>. */
const tail = /( · Lab)? · Bulkhead$/;

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", '#34': '"' };
/** Text of an attribute or of a title, as Astro writes them. */
const plain = (text: string): string => text.replace(/&([#\w]+);/g, (all, name) => entities[name] ?? all);

/** Every page below `dist` but the one for addresses that lead nowhere, by path. */
export function builtPages(dist: string): BuiltPage[] {
  return readdirSync(dist, { recursive: true, encoding: 'utf8' })
    .filter((file) => file === 'index.html' || file.endsWith('/index.html'))
    .sort()
    .map((file) => pageOf(`/${file.replace(/index\.html$/, '')}`, readFileSync(join(dist, file), 'utf8')));
}

/** Reads one page. Throws Error where it has no title or no description. */
export function pageOf(path: string, html: string): BuiltPage {
  const title = /<title[^>]*>([^<]+)<\/title>/.exec(html)?.[1];
  const description = /<meta name="description" content="([^"]+)"/.exec(html)?.[1];
  if (!title || !description)
    throw new Error(`${path} has no ${title ? 'description' : 'title'} in its head`);
  return { path, title: plain(title).replace(tail, ''), description: plain(description), html };
}
