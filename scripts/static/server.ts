// A web host that knows nothing of Bulkhead: files of a folder, at a path, compressed where that is worth it.
import { once } from 'node:events';
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { pipeline } from 'node:stream';
import { createGzip } from 'node:zlib';

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.xml': 'application/xml',
  '.txt': 'text/plain; charset=utf-8',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
};
const COMPRESSED = /^(text|application\/(json|wasm|xml)|image\/svg)/;

export interface PlainHost {
  /** Where the site begins, without a slash at the end. */
  url: string;
  /** Bytes of files that were sent so far, as they were sent. */
  sent: () => number;
  close: () => void;
}

export interface HostOptions {
  /** Which file answers for a path of the site (`/compare/index.html`); undefined: none. */
  fileAt: (path: string) => string | undefined;
  /** The folder that the site is in, as an address has it: `/` or `/walls/`. */
  under?: string;
  address?: string;
  /** 0, unless given: a free one. */
  port?: number;
}

/** The files of a folder and of nothing outside it. */
export const filesIn =
  (folder: string) =>
  (path: string): string =>
    join(folder, normalize(`/${path}`));

/** Serves until it is closed. Rejects when the port cannot be had. */
export async function serveFiles({
  fileAt,
  under = '/',
  address = '127.0.0.1',
  port = 0,
}: HostOptions): Promise<PlainHost> {
  let sent = 0;
  const server = createServer((request, response) => {
    const pathname = decoded(request.url ?? '/');
    const path = pathname?.startsWith(under) ? `/${pathname.slice(under.length)}` : undefined;
    const file = path === undefined ? undefined : fileAt(path.endsWith('/') ? `${path}index.html` : path);
    const found = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false });
    if (found?.isDirectory()) {
      response.writeHead(301, { location: `${pathname}/` }).end();
      return;
    }
    if (!file || !found?.isFile()) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('no such file');
      return;
    }
    const type = types[extname(file)] ?? 'application/octet-stream';
    const packs = COMPRESSED.test(type) && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
    response.writeHead(200, {
      'content-type': type,
      'cache-control': 'max-age=600', // as GitHub Pages has it
      ...(packs ? { 'content-encoding': 'gzip', vary: 'accept-encoding' } : { 'content-length': found.size }),
    });
    // A browser that goes away in the middle is no event here.
    const gone = () => {};
    const content = createReadStream(file);
    const count = (bytes: Buffer) => {
      sent += bytes.length;
    };
    if (packs) pipeline(content, createGzip().on('data', count), response, gone);
    else
      pipeline(
        content.on('data', (bytes) => count(bytes as Buffer)),
        response,
        gone,
      );
  }).listen(port, address);
  await once(server, 'listening');
  const at = server.address();
  if (at === null || typeof at === 'string') throw new Error('no port');
  return {
    url: `http://${address}:${at.port}${under.replace(/\/$/, '')}`,
    sent: () => sent,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function decoded(url: string): string | undefined {
  try {
    return decodeURIComponent(new URL(url, 'http://host').pathname);
  } catch {
    return undefined;
  }
}
