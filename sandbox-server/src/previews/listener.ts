// The port of previews: a server beside the site's, with limits of its own, that knows nothing but the proxy.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type PreviewOptions, PreviewProxy } from './proxy.ts';

/** Connections of all browsers; each of them opens six to a preview. */
const MOST_CONNECTIONS = 4_000;
const HEAD_MS = 10_000;
/** A connection on which nothing moves, in either direction. */
const IDLE_MS = 300_000;

export interface PreviewListener {
  port: number;
  close(): Promise<void>;
}

/** Listens. Rejects when the address cannot be listened on. */
export async function listenForPreviews(
  options: PreviewOptions,
  at: { address: string; port: number },
): Promise<PreviewListener> {
  const proxy = new PreviewProxy(options);
  const server = createServer(
    // A body may take its time: a file that somebody uploads, over a slow line.
    { headersTimeout: HEAD_MS, requestTimeout: 0, requireHostHeader: true },
    (request, response) => proxy.handle(request, response),
  );
  server.timeout = IDLE_MS;
  server.maxConnections = MOST_CONNECTIONS;
  server.on('upgrade', (request, socket, head) => proxy.upgrade(request, socket, head));
  await listen(server, at);
  const { port } = server.address() as AddressInfo;
  options.names.listenOn(port);
  const close = () =>
    new Promise<void>((resolve) => {
      proxy.close();
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { port, close };
}

function listen(server: Server, { address, port }: { address: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
