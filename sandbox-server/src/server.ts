// Puts the parts together and starts them in order.
import { mkdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Logger } from 'pino';
import manifest from '../package.json' with { type: 'json' };
import { SocketHost } from './broker/socket.ts';
import { buildApp } from './http/app.ts';
import { Proxies } from './http/client-address.ts';
import { Origins } from './http/origins.ts';
import { loadSecret } from './http/session.ts';
import { type Options, policyOf } from './options.ts';
import { Instructors } from './people/instructors.ts';
import { Learners } from './people/learners.ts';
import { PEOPLE_DATABASE, peopleMigrations } from './people/schema.ts';
import { Workshops } from './people/workshops.ts';
import { Sandboxes } from './sandboxes/sandboxes.ts';
import { SandboxStore } from './sandboxes/store.ts';
import { openDatabase } from './store/database.ts';
import { Viewers } from './terminals/viewers.ts';

export interface RunningServer {
  /** Where the site is, as seen from this machine. */
  url: string;
  /** Stops serving; machines live on. */
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
    log,
  });
  const close = async () => {
    viewers.close();
    await app.close();
    sandboxes.close();
    broker.close();
    people.close();
  };
  try {
    await app.listen({ host: options.address, port: options.port });
  } catch (error) {
    await close();
    throw error;
  }
  const { port } = app.server.address() as AddressInfo;
  origins.listenOn(port);
  const url = urlOf(options.address, port);
  log.info({ url }, 'listening');
  await broker.start();
  if (!broker.connected) log.warn(`${broker.problem}; pages are served, and it is tried again`);
  return { url, close };
}

function urlOf(address: string, port: number): string {
  const host = address === '0.0.0.0' || address === '::' ? 'localhost' : address;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
