// One style sheet a page. The bundler makes one of every component's, and a browser waits for each of twenty before it paints
// anything: on a slow line, what they say costs less than asking for them.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const sheet = /<link rel="stylesheet" href="(\/assets\/[^"]+\.css)">/g;

/** The page with one link in place of all; `make` is given their addresses, in their order, and returns the address of the one. */
export function withOneSheet(html: string, make: (addresses: string[]) => string): string {
  const addresses = [...html.matchAll(sheet)].map(([, address = '']) => address);
  if (addresses.length < 2) return html;
  let at = 0;
  // Where the last was: sheets that are for paper only, or written into the page, keep their place before it.
  return html.replace(sheet, () =>
    ++at === addresses.length ? `<link rel="stylesheet" href="${make(addresses)}">` : '',
  );
}

/** Gives every page below `dist` one style sheet; pages with the same parts have the same one. */
export function joinSheets(dist: string): void {
  const pages = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.html'),
  );
  for (const page of pages) {
    const file = join(dist, page);
    const html = withOneSheet(readFileSync(file, 'utf8'), (addresses) => {
      const css = addresses.map((address) => readFileSync(join(dist, address), 'utf8').trim()).join('\n');
      const hash = createHash('sha256').update(css).digest('base64url').slice(0, 8);
      writeFileSync(join(dist, `assets/page.${hash}.css`), css);
      return `/assets/page.${hash}.css`;
    });
    writeFileSync(file, html);
  }
}
