// What the gauges read when somebody scrapes.
import type { SocketHost } from '../broker/socket.ts';
import type { Sandboxes } from '../sandboxes/sandboxes.ts';
import type { Viewers } from '../terminals/viewers.ts';
import type { Metrics, Reading } from './metrics.ts';

export interface Watched {
  broker: SocketHost;
  sandboxes: Sandboxes;
  viewers: Viewers;
  version: string;
}

/** Points the gauges at a server's parts. */
export function readFrom(metrics: Metrics, { broker, sandboxes, viewers, version }: Watched): void {
  const one = (value: number, labels: Record<string, string> = {}): Reading[] => [{ labels, value }];
  metrics.read('bulkhead_build_info', () => one(1, { version, node: process.versions.node }));
  metrics.read('bulkhead_sandboxes', () => one([...sandboxes.all()].length));
  metrics.read('bulkhead_terminal_viewers', () => one(viewers.count));
  metrics.read('bulkhead_broker_connected', () => one(broker.connected ? 1 : 0));
  metrics.read('bulkhead_queue_length', () => one(sandboxes.queue.waiting.length));
  metrics.read('bulkhead_pool_machines', () => one(sandboxes.pool.ready));
  metrics.read('bulkhead_event_followers', () => one(followers(sandboxes)));
  metrics.read('bulkhead_machines', function* () {
    for (const sandbox of sandboxes.all()) {
      for (const { view } of sandbox.machines) {
        yield { labels: { kind: view.kind, state: view.state, place: view.where.depth }, value: 1 };
      }
    }
  });
}

function followers(sandboxes: Sandboxes): number {
  let count = 0;
  for (const { events } of sandboxes.all()) count += events.size;
  return count;
}
