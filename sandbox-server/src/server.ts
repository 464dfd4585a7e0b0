// Puts the parts together and starts them in order.
import { mkdirSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import type { Logger } from 'pino';
import manifest from '../package.json' with { type: 'json' };
import { SocketHost } from './broker/socket.ts';
import { buildApp } from './http/app.ts';
import { Proxies } from './http/client-address.ts';
import { Origins } from './http/origins.ts';
import { Requests } from './http/requests.ts';
import { loadSecret } from './http/session.ts';
import { listenForScrapes, type MetricsListener } from './metrics/listener.ts';
import { metrics } from './metrics/metrics.ts';
import { readFrom } from './metrics/sources.ts';
import { type Options, policyOf } from './options.ts';
import { Instructors } from './people/instructors.ts';
import { Learners } from './people/learners.ts';
import { PEOPLE_DATABASE, peopleMigrations } from './people/schema.ts';
import { Workshops } from './people/workshops.ts';
import { Sandboxes } from './sandboxes/sandboxes.ts';
import { SandboxStore } from './sandboxes/store.ts';
import { openDatabase } from './store/database.ts';
import { Viewers } from './terminals/viewers.ts';

/** How long a server that was asked to stop waits for answers that are being worked out; systemd gives it longer. */
const DRAIN_MS = 10_000;
/** How long the pages that were told then have to say goodbye themselves: one that sleeps must not hold up a restart. */
const GOODBYE_MS = 1_000;

export interface RunningServer {
  /** Where the site is, as seen from this machine. */
  url: string;
  /** Where its figures are; null when nobody is to read them. */
  metricsUrl: string | null;
  /** Finishes what is under way, tells the pages, stops serving; machines live on. */
  close(): Promise<void>;
}

/** Listens, whether or not a broker answers. Rejects when the address cannot be listened on. */
export async function startServer(options: Options, log: Logger): Promise<RunningServer> {
  mkdirSync(options.state, { recursive: true, mode: 0o700 });
  const policy = policyOf(options);
  const broker = new SocketHost(options.broker);
  const store = new SandboxStore(join(options.state, 'sandboxes.db'));
  const sandboxes = new Sandboxes({ broker, store, policy, log });
  const people = openDatabase(join(options.state, PEOPLE_DATABASE), {
    survives: 'power',
    migrations: peopleMigrations,
  });
  const learners = new Learners(people);
  const instructors = new Instructors(people);
  const workshops = new Workshops(people);
  const viewers = new Viewers();
  const requests = new Requests(log);
  const origins = new Origins({ ...options, publicUrls: options['public-url'] });
  const app = await buildApp({
    broker,
    sandboxes,
    learners,
    instructors,
    workshops,
    viewers,
    origins,
    proxies: new Proxies(options['trust-proxy']),
    policy,
    secret: loadSecret(options.state),
    site: options.site,
    version: manifest.version,
    requests,
    log,
  });
  const sockets = new Set<Socket>();
  app.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  let scrapes: MetricsListener | null = null;
  const stop = async () => {
    viewers.close();
    await requests.drain(DRAIN_MS);
    const patience = setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, GOODBYE_MS);
    await app.close();
    clearTimeout(patience);
    scrapes?.close();
    sandboxes.close();
    broker.close();
    people.close();
  };
  let stopping: Promise<void> | null = null;
  const close = () => {
    stopping ??= stop();
    return stopping;
  };
  try {
    await app.listen({ host: options.address, port: options.port });
    if (options.metrics !== null) scrapes = await listenForScrapes(metrics, options.metrics);
  } catch (error) {
    await close();
    throw error;
  }
  const { port } = app.server.address() as AddressInfo;
  origins.listenOn(port);
  const url = urlOf(options.address, port);
  readFrom(metrics, { broker, sandboxes, viewers, version: manifest.version });
  const metricsUrl = scrapes?.url ?? null;
  log.info({ url, metrics: metricsUrl }, 'listening');
  await broker.start();
  if (!broker.connected) log.warn(`${broker.problem}; pages are served, and it is tried again`);
  return { url, metricsUrl, close };
}

function urlOf(address: string, port: number): string {
  const host = address === '0.0.0.0' || address === '::' ? 'localhost' : address;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
