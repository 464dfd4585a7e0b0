// Where the site is. On a server of its own it is at the root; as a folder on a web host it may be anywhere, and then each
// page says in <html data-root> how its root is reached from it (scripts/static/relative.ts writes that).

/** The way from this page to the site's root, as the page was built: `../`, or nothing on a server. */
const writtenRoot = (): string | undefined =>
  typeof document === 'undefined' ? undefined : document.documentElement.dataset.root;

/** The address of a page or file of the site, given as if the site were at the root: `/compare/`. For links and requests that
 * are made by programs; in what is built as HTML and CSS the static build writes them relative by itself. */
export function siteAddress(path: `/${string}`): string {
  const root = writtenRoot();
  return root === undefined ? path : new URL(root + path.slice(1), document.baseURI).href;
}

/** Whether these pages were built to have no sandbox-server behind them: none is then asked for. */
export const isStatic = (): boolean => writtenRoot() !== undefined;
