// The feed: every page, the newest first, with when it appeared and when it last changed.
import { getRssString } from '@astrojs/rss';
import { type Address, fullAddress } from './address.ts';
import type { BuiltPage } from './built-pages.ts';
import type { Dates } from './dates.ts';

export type DatedPage = BuiltPage & { dates: Dates | undefined };

/** The newest first; pages whose date is not known stay together at the end. */
const newestFirst = (one: DatedPage, other: DatedPage): number =>
  Date.parse(other.dates?.added ?? '1970-01-01') - Date.parse(one.dates?.added ?? '1970-01-01') ||
  one.path.localeCompare(other.path);

/** RSS 2.0. An entry's id is its address, so that a reader sees a page once; `atom:updated` says when it was changed. */
export function feed(pages: readonly DatedPage[], address: Address): Promise<string> {
  return getRssString({
    title: 'Bulkhead',
    description: 'How computers are partitioned, taught with real containers and real virtual machines.',
    site: address.root,
    xmlns: { atom: 'http://www.w3.org/2005/Atom' },
    customData: `<language>en</language><atom:link href="${fullAddress('/feed.xml', address)}" rel="self" type="application/rss+xml"/>`,
    items: [...pages].sort(newestFirst).map(({ path, title, description, dates }) => ({
      title,
      description,
      link: fullAddress(path, address),
      ...(dates && {
        pubDate: new Date(dates.added),
        customData: `<atom:updated>${new Date(dates.changed).toISOString()}</atom:updated>`,
      }),
    })),
  });
}
