// Where Prometheus scrapes: a listener of its own, so that what the site is open to need not be open to the figures.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Origins } from '../http/origins.ts';
import { messageOf } from '../problem.ts';
import type { Metrics } from './metrics.ts';

export interface MetricsListener {
  /** Where the figures are, as seen from this machine. */
  url: string;
  close(): void;
}

/** Serves `GET /metrics` at `address` and `port` (0: a free one). Rejects when that cannot be listened on. */
export async function listenForScrapes(
  metrics: Metrics,
  { address, port }: { address: string; port: number },
): Promise<MetricsListener> {
  const origins = new Origins({ address, port, publicUrls: [] });
  const server = createServer((request, response) => {
    const answer = (status: number, type: string, text: string) => {
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(text);
    };
    // A page whose name was made to point here is not to read along (DNS rebinding).
    if (!origins.isOurHost(request.headers.host)) {
      return answer(403, 'text/plain', 'This listener does not go by that name.\n');
    }
    if (request.url !== '/metrics') return answer(404, 'text/plain', 'The figures are at /metrics.\n');
    if (request.method !== 'GET') return answer(405, 'text/plain', 'Figures can be read, with GET.\n');
    metrics.registry.metrics().then(
      (text) => answer(200, metrics.registry.contentType, text),
      (error: unknown) => answer(500, 'text/plain', `${messageOf(error)}\n`),
    );
  });
  server.requestTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
  const { port: listens } = server.address() as AddressInfo;
  origins.listenOn(listens);
  const host = address.includes(':') ? `[${address}]` : address;
  return {
    url: `http://${host}:${listens}/metrics`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
