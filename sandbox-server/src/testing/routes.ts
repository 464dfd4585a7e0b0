// Which routes a server has, seen as they are registered: nothing that a person could forget to list.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { FastifyInstance } from 'fastify';

/** Starts a server by `start`, and puts every route that it registers, as `METHOD /path`, into `registered`. */
export async function watchRoutes<T>(start: () => Promise<T>, registered: Set<string>): Promise<T> {
  // Fastify says when it makes an app, so that the routes can be seen without the app's knowledge.
  const watch = (message: unknown) =>
    (message as { fastify: FastifyInstance }).fastify.addHook('onRoute', ({ method, url }) => {
      for (const one of [method].flat()) registered.add(`${one} ${url}`);
    });
  subscribe('fastify.initialization', watch);
  try {
    return await start();
  } finally {
    unsubscribe('fastify.initialization', watch);
  }
}
