// The last step of the build, when every page is there: cards, the feed, robots.txt and the index of the search.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AstroIntegration } from 'astro';
import { readFacts } from '../facts/facts.ts';
import { cardOf, fullAddress, siteRoot } from './address.ts';
import { type BuiltPage, builtPages } from './built-pages.ts';
import { cardDrawing } from './cards.ts';
import { datesOfFiles, datesOfPage } from './dates.ts';
import { feed } from './feed.ts';
import { provideFonts } from './fonts.ts';
import { joinSheets } from './one-sheet.ts';
import { LIST_HERE, pageList } from './page-list.ts';
import { placesOfFacts, writeIndex } from './search-index.ts';

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));

/** Draws the card of every page. */
async function drawCards(dist: string, pages: readonly BuiltPage[], fonts: string): Promise<void> {
  provideFonts(fonts);
  const { default: sharp } = await import('sharp');
  mkdirSync(join(dist, 'cards'), { recursive: true });
  for (const page of pages)
    await sharp(Buffer.from(cardDrawing(page)))
      .png({ palette: true })
      .toFile(join(dist, cardOf(page.path)));
}

const once = <T>(make: () => T): (() => T) => {
  let made: T | undefined;
  return () => (made ??= make());
};
const history = once(() => datesOfFiles(REPOSITORY));

/** A page as the sitemap has it. */
export function inSitemap<Item extends { url: string }>(item: Item): Item & { lastmod?: string } {
  const { pathname } = new URL(item.url);
  const dates = datesOfPage(pathname, REPOSITORY, history());
  return { ...item, url: fullAddress(pathname), ...(dates && { lastmod: dates.changed }) };
}

/** The sitemap's own index leaves out the folder that a site is in. */
function inFolder(index: string, root: string): void {
  const text = readFileSync(index, 'utf8');
  writeFileSync(index, text.replaceAll(`<loc>${new URL(root).origin}/`, `<loc>${root}`));
}

export function publish(): AstroIntegration {
  return {
    name: 'bulkhead:publish',
    hooks: {
      'astro:build:done': async ({ dir, logger }) => {
        const dist = fileURLToPath(dir);
        joinSheets(dist);
        const pages = builtPages(dist);
        const address = siteRoot();
        const dated = pages.map((page) => ({
          ...page,
          dates: datesOfPage(page.path, REPOSITORY, history()),
        }));
        writeFileSync(join(dist, 'feed.xml'), await feed(dated, address));
        writeFileSync(
          join(dist, 'robots.txt'),
          `User-agent: *\nDisallow: /api/\n${address.known ? `Sitemap: ${fullAddress('/sitemap-index.xml', address)}\n` : ''}`,
        );
        inFolder(join(dist, 'sitemap-index.xml'), address.root);
        const list = join(dist, 'search/index.html');
        writeFileSync(list, readFileSync(list, 'utf8').replace(LIST_HERE, pageList(pages)));
        const places = placesOfFacts(readFacts(join(REPOSITORY, 'site/src/content/facts')));
        await writeIndex(dist, pages, places);
        await drawCards(dist, pages, join(REPOSITORY, 'node_modules/.cache/bulkhead/fonts'));
        logger.info(
          `${pages.length} pages and ${places.length} entries in the search, the feed and on cards, for ${address.root}`,
        );
      },
    },
  };
}
