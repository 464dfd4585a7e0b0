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
import { Labs } from './labs/labs.ts';
import { loadLabs } from './labs/load.ts';
import { listenForScrapes, type MetricsListener } from './metrics/listener.ts';
import { metrics } from './metrics/metrics.ts';
import { readFrom } from './metrics/sources.ts';
import { type Options, policyOf } from './options.ts';
import { Instructors } from './people/instructors.ts';
import { Learners } from './people/learners.ts';
import { PEOPLE_DATABASE, peopleMigrations } from './people/schema.ts';
import { Workshops } from './people/workshops.ts';
import { PreviewKeys } from './previews/keys.ts';
import { listenForPreviews, type PreviewListener } from './previews/listener.ts';
import { PreviewNames } from './previews/names.ts';
import type { PreviewOptions } from './previews/proxy.ts';
import { messageOf } from './problem.ts';
import { Sandboxes } from './sandboxes/sandboxes.ts';
import { SandboxStore } from './sandboxes/store.ts';
import { openDatabase } from './store/database.ts';
import { Viewers } from './terminals/viewers.ts';

/** How long a server that was asked to stop waits for answers that are being worked out; systemd gives it longer. */
const DRAIN_MS = 10_000;
/** How long the pages that were told then have to say goodbye themselves: one that sleeps must not hold up a restart. */
const GOODBYE_MS = 1_000;

const DAY_MS = 86_400_000;
/** Learners who have not been here for so long are forgotten; their cookie has ended long before. */
const UNSEEN_DAYS = 365;

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
  const parts = await assemble(options, log);
  const { app, broker, sandboxes, viewers } = parts;
  const besides: Besides = { previews: null, scrapes: null };
  let stopping: Promise<void> | null = null;
  const close = () => {
    stopping ??= stop(parts, besides);
    return stopping;
  };
  const portOf = () => (app.server.address() as AddressInfo).port;
  try {
    await app.listen({ host: options.address, port: options.port });
    besides.previews = await startPreviews(parts.previews, options, portOf());
    if (options.metrics !== null) besides.scrapes = await listenForScrapes(metrics, options.metrics);
  } catch (error) {
    await close();
    throw error;
  }
  parts.origins.listenOn(portOf());
  const url = urlOf(options.address, portOf());
  readFrom(metrics, { broker, sandboxes, viewers, version: manifest.version });
  const metricsUrl = besides.scrapes?.url ?? null;
  log.info({ url, metrics: metricsUrl, previews: besides.previews?.port ?? null }, 'listening');
  await broker.start();
  if (!broker.connected) {
    log.warn({ socket: options.broker }, `${broker.problem}; pages are served, and it is tried again`);
  }
  return { url, metricsUrl, close };
}

/** What listens beside the site, where it is wanted. */
interface Besides {
  previews: PreviewListener | null;
  scrapes: MetricsListener | null;
}

type Parts = Awaited<ReturnType<typeof assemble>>;

/** Opens what is kept and makes the parts, none of which listens or talks to anybody yet. */
async function assemble(options: Options, log: Logger) {
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
  const labs = new Labs({ ...loadLabs(options.labs), sandboxes, learners, log });
  const forgetting = forgetDaily(learners, log);
  const viewers = new Viewers();
  const requests = new Requests(log);
  const origins = new Origins({ ...options, publicUrls: options['public-url'] });
  const secret = loadSecret(options.state);
  const keys = new PreviewKeys(secret);
  const names = new PreviewNames(origins, options['preview-url']);
  const previews: PreviewOptions = { sandboxes, keys, names, log };
  const app = await buildApp({
    ...{ broker, sandboxes, learners, labs, viewers, origins, policy, secret, previews, requests, log },
    instructors: new Instructors(people),
    workshops: new Workshops(people),
    proxies: new Proxies(options['trust-proxy']),
    site: options.site,
    linux: options.linux,
    version: manifest.version,
  });
  const sockets = new Set<Socket>();
  app.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return { app, broker, sandboxes, people, labs, forgetting, viewers, requests, origins, previews, sockets };
}

async function stop(
  { app, broker, sandboxes, people, labs, forgetting, viewers, requests, sockets }: Parts,
  { previews, scrapes }: Besides,
): Promise<void> {
  viewers.close();
  await requests.drain(DRAIN_MS);
  const patience = setTimeout(() => {
    for (const socket of sockets) socket.destroy();
  }, GOODBYE_MS);
  await app.close();
  clearTimeout(patience);
  scrapes?.close();
  labs.close();
  await previews?.close();
  sandboxes.close();
  broker.close();
  clearInterval(forgetting);
  people.close();
}

/** Nobody is remembered for ever who does not come back. */
function forgetDaily(learners: Learners, log: Logger): NodeJS.Timeout {
  const forget = () => {
    const forgotten = learners.forgetUnseen(UNSEEN_DAYS);
    if (forgotten > 0)
      log.info({ learners: forgotten, days: UNSEEN_DAYS }, 'forgot who has long not been here');
  };
  forget();
  return setInterval(forget, DAY_MS).unref();
}

/** Null when they are off. Nobody asked for the port after the site's by its number: that another program has it is no
 * reason not to serve the site. */
async function startPreviews(
  previews: PreviewOptions,
  { address, 'preview-port': wanted }: Options,
  sitePort: number,
): Promise<PreviewListener | null> {
  if (wanted === null) return null;
  if (wanted !== 'auto') return listenForPreviews(previews, { address, port: wanted });
  try {
    return await listenForPreviews(previews, { address, port: sitePort + 1 });
  } catch (error) {
    previews.log.warn({ reason: messageOf(error) }, 'there are no previews; --preview-port chooses a port');
    return null;
  }
}

function urlOf(address: string, port: number): string {
  const host = address === '0.0.0.0' || address === '::' ? 'localhost' : address;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
