// The routes of the server, asked of the server itself: what is added to it is attacked without being named here.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { parseOptions } from '../../sandbox-server/src/options.ts';
import { startServer } from '../../sandbox-server/src/server.ts';
import { temporaryFolder } from '../temporary-folder.ts';

export interface Route {
  method: string;
  /** With its parameters as `:name`. */
  path: string;
}

/** Fastify tells of each instance before anything is registered with it (fastify.dev/docs/latest/Reference/Hooks). */
const CREATED = 'fastify.initialization';

export async function routesOfServer(): Promise<Route[]> {
  const routes: Route[] = [];
  const collect = (message: unknown) => {
    (message as { fastify: FastifyInstance }).fastify.addHook('onRoute', ({ method, url }) => {
      for (const one of [method].flat()) if (one !== 'HEAD') routes.push({ method: one, path: url });
    });
  };
  const state = temporaryFolder('routes');
  subscribe(CREATED, collect);
  try {
    const args = ['--port', '0', '--state', state, '--broker', join(state, 'none'), '--site', state];
    const server = await startServer(parseOptions(args, {}), pino({ level: 'silent' }));
    await server.close();
  } finally {
    unsubscribe(CREATED, collect);
    rmSync(state, { recursive: true, force: true });
  }
  if (routes.length === 0) throw new Error('the server told of no route');
  return routes;
}
