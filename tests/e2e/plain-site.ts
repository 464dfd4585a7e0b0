// The built site on a web server that knows nothing of sandboxes, as any web host would serve it.
import { join } from 'node:path';
import { filesIn, type PlainHost, serveFiles } from '../../scripts/static/server.ts';

/** The built site: `npm test`'s, or another one (`astro build --outDir`). */
export const DIST = process.env.BULKHEAD_SITE ?? join(import.meta.dirname, '../../site/dist');

export type PlainSite = PlainHost;

/** Serves the files of DIST on a free port until it is closed; those below `/linux/` from the folder of the tab's image, where
 * one is given. */
export function servePlainly(linux?: string): Promise<PlainSite> {
  const inSite = filesIn(DIST);
  const fileAt = (path: string): string => {
    // The image's files are served in a folder named for their content, which is not looked at here.
    const image = /^\/linux\/(?:[0-9a-f]{16}\/)?(.*)$/.exec(path)?.[1];
    return linux && image ? filesIn(linux)(image) : inSite(path);
  };
  return serveFiles({ fileAt });
}
