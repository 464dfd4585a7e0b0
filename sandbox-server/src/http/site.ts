// The built site as files: hashed assets for ever, pages checked every time, and a page for what is not there.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { PagePolicies, pagePolicy, policyOf } from './policy.ts';

export const FOREVER = 'public, max-age=31536000, immutable';
export const ASK_EVERY_TIME = 'no-cache';
/** Astro puts a hash of the content into these names: assets/Site.BYXUblem.css. */
const hashed = /\/(?:assets|_astro)\/[^/]+\.[\w-]{8}\.\w+$/;

const notBuilt = `<!doctype html><html lang="en"><title>Bulkhead</title>
<h1>The site is not built yet</h1><p>Run <code>npm start</code>, which builds it, or <code>npm run build -w site</code>.</p></html>`;

/** Serves the files under `directory`. Returns how to answer for a page that is not there. */
export async function serveSite(
  app: FastifyInstance,
  directory: string,
): Promise<(reply: FastifyReply) => FastifyReply> {
  const policies = new PagePolicies();
  if (existsSync(join(directory, 'index.html'))) {
    await app.register(fastifyStatic, {
      root: directory,
      cacheControl: false,
      dotfiles: 'ignore',
      redirect: true,
      preCompressed: true,
      decorateReply: false,
      setHeaders: (reply, path, stat) => {
        // The build puts a compressed file beside each that is worth it.
        const file = path.replace(/\.(br|gz)$/, '');
        const isPage = file.endsWith('.html');
        reply.header('cache-control', hashed.test(file) ? FOREVER : ASK_EVERY_TIME);
        reply.header('content-security-policy', isPage ? policies.of(file, stat.mtimeMs) : policyOf(file));
      },
    });
  } else {
    app.get('/', (_request, reply) => sendPage(reply.code(503), notBuilt, pagePolicy(notBuilt)));
  }
  const missing = join(directory, '404.html');
  return (reply) => {
    reply.code(404);
    if (!existsSync(missing)) {
      return sendPage(
        reply,
        '<!doctype html><html lang="en"><title>Not found</title><h1>There is no such page</h1></html>',
        policyOf('404.html'),
      );
    }
    return sendPage(reply, readFileSync(missing, 'utf8'), policies.of(missing, statSync(missing).mtimeMs));
  };
}

function sendPage(reply: FastifyReply, html: string, policy: string): FastifyReply {
  return reply
    .header('cache-control', ASK_EVERY_TIME)
    .header('content-security-policy', policy)
    .type('text/html; charset=utf-8')
    .send(html);
}
