// Where the site will be read. Most pages need not know; a canonical link, a card, a feed and a sitemap must name it in full.

/** Where `npm start` serves the site when nobody says otherwise. */
const HERE = 'http://localhost:7080/';

/** An address on which the site is published: a server of its own, or a folder of one. */
export interface Address {
  /** Ends in a slash. */
  root: string;
  /** Somebody said so. Without that a page names no address of its own: it may be read under any. */
  known: boolean;
}

/** Reads BULKHEAD_SITE_URL: `https://learn.example.org`, or `https://example.org/walls/`. Throws Error for what is no address. */
export function siteRoot(text = process.env.BULKHEAD_SITE_URL): Address {
  if (text === undefined || text === '') return { root: HERE, known: false };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash || url.username)
    throw new Error(
      `BULKHEAD_SITE_URL is ${JSON.stringify(text)}, but must be an address such as https://example.org/walls/`,
    );
  return { root: `${url.origin}${url.pathname.replace(/\/*$/, '/')}`, known: true };
}

/** The full address of a page or file, given from the site's root: `/compare/`. */
export const fullAddress = (path: string, { root }: Address = siteRoot()): string =>
  new URL(path.replace(/^\/+/, ''), root).href;

/** The file of a page's card: /concepts/chroot/ has /cards/concepts-chroot.png. */
export const cardOf = (path: string): string =>
  `/cards/${path.replaceAll(/^\/|\/$/g, '').replaceAll('/', '-') || 'index'}.png`;
