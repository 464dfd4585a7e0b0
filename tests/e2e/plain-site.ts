// The built site on a web server that knows nothing of sandboxes, as any web host would serve it.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

/** The built site: `npm test`'s, or another one (`astro build --outDir`). */
export const DIST = process.env.BULKHEAD_SITE ?? join(import.meta.dirname, '../../site/dist');

const types: Record<string, string> = {
  html: 'text/html',
  js: 'text/javascript',
  css: 'text/css',
  svg: 'image/svg+xml',
  wasm: 'application/wasm',
};

export interface PlainSite {
  url: string;
  close: () => void;
}

/** Serves the files of DIST on a free port until it is closed; those below `/linux/` from the folder of the tab's image, where
 * one is given. */
export async function servePlainly(linux?: string): Promise<PlainSite> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://plain');
    try {
      const file = pathname.endsWith('/') ? `${pathname}index.html` : pathname;
      // The image's files are served in a folder named for their content, which is not looked at here.
      const image = /^\/linux\/(?:[0-9a-f]{16}\/)?(.*)$/.exec(file)?.[1];
      const bytes = readFileSync(linux && image ? join(linux, image) : join(DIST, file));
      const type = types[file.split('.').at(-1) ?? ''] ?? 'application/octet-stream';
      response.writeHead(200, { 'content-type': type }).end(bytes);
    } catch {
      response.writeHead(404).end('no such file');
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
