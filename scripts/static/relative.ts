// Makes a page that was built for the root of a host one of a folder that may be anywhere: addresses of the site become relative,
// and the page says where its root is (site/src/site-address.ts).
import { pagePolicy } from '../../sandbox-server/src/http/policy.ts';

/** Attributes that hold one address. The islands' are Astro's. */
const ADDRESSES = /(\s(?:href|src|action|poster|component-url|renderer-url|before-hydration-url)=")\/(?!\/)/g;
const SETS = /(\ssrcset=")([^"]*)/g;

/** `root`: the way from the page to the site's root, such as `../../` (`./` for a page that is there). */
export function relativePage(html: string, root: string): string {
  const relative = html
    .replace(ADDRESSES, `$1${root}`)
    .replace(
      SETS,
      (_whole, attribute: string, set: string) => attribute + set.replace(/(^|,\s*)\/(?!\/)/g, `$1${root}`),
    )
    .replace(/<html\b/, `<html data-root="${root}"`);
  return withPolicy(relative);
}

/** The same of a style sheet. */
export const relativeStyle = (css: string, root: string): string =>
  css.replace(/(\burl\(["']?)\/(?!\/)/g, `$1${root}`);

/** The way from a file of the site to its root. */
export const rootFrom = (file: string): string => '../'.repeat(file.split('/').length - 1) || './';

/** What sandbox-server says in a header, as far as a page may say it of itself: a plain web host says nothing. */
function withPolicy(html: string): string {
  const policy = pagePolicy(html)
    .split('; ')
    .filter((part) => !part.startsWith('frame-ancestors'))
    .join('; ');
  return html.replace(
    /<head>\s*(<meta charset="[^"]*"\s*\/?>)?/,
    (head) => `${head}<meta http-equiv="Content-Security-Policy" content="${policy}">`,
  );
}
