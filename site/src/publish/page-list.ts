// The list of all pages, for /search/.
import type { BuiltPage } from './built-pages.ts';

/** What stands in /search/ until the list can be made. */
export const LIST_HERE = '<!-- the list of all pages -->';

const headings: [string, (path: string) => boolean][] = [
  ['History', (path) => path.startsWith('/history/')],
  ['Concepts', (path) => path.startsWith('/concepts/')],
  ['Labs', (path) => path.startsWith('/labs/')],
  ['Reference, and places to try', () => true],
];

const escaped = (text: string): string => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** In the order in which the rail beside an essay has them; what is not in it comes after, by its address. */
function inOrder(pages: readonly BuiltPage[]): BuiltPage[] {
  const rail =
    pages.map(({ html }) => /<aside class="rail[\s\S]*?<\/aside>/.exec(html)?.[0]).find(Boolean) ?? '';
  const place = ({ path }: BuiltPage): number => {
    const at = rail.indexOf(`href="${path}"`);
    return at < 0 ? rail.length : at;
  };
  return [...pages].sort((one, other) => place(one) - place(other));
}

/** The list as HTML: a heading for each section that has pages. */
export function pageList(pages: readonly BuiltPage[]): string {
  const sections = headings.map(([heading]) => ({ heading, items: [] as string[] }));
  for (const { path, title, description } of inOrder(pages)) {
    const at = headings.findIndex(([, has]) => has(path));
    sections[at]?.items.push(
      `<li><a href="${path}">${escaped(title)}</a><p>${escaped(description)}</p></li>`,
    );
  }
  return sections
    .filter(({ items }) => items.length > 0)
    .map(({ heading, items }) => `<section><h2>${heading}</h2><ul>${items.join('')}</ul></section>`)
    .join('');
}
