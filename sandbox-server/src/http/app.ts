// The HTTP server: checks that hold for every request, the API, the terminals' upgrades, the site.
import fastifyCookie from '@fastify/cookie';
import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  LogController,
} from 'fastify';
import type { Logger } from 'pino';
import { ZodError } from 'zod';
import type { SocketHost } from '../broker/socket.ts';
import type { Labs } from '../labs/labs.ts';
import type { Instructors } from '../people/instructors.ts';
import type { Learners } from '../people/learners.ts';
import type { Workshops } from '../people/workshops.ts';
import { Problem, problemOf } from '../problem.ts';
import type { Policy } from '../sandboxes/policy.ts';
import type { Sandboxes } from '../sandboxes/sandboxes.ts';
import type { Viewers } from '../terminals/viewers.ts';
import { Access } from './access.ts';
import { registerApi } from './api.ts';
import { attachHandler } from './attach.ts';
import { limitKey, type Proxies } from './client-address.ts';
import { registerHealth } from './health.ts';
import { RateLimit, rates } from './limits.ts';
import { LINUX_PATH, serveLinux } from './linux.ts';
import { registerOpenApi } from './openapi/document.ts';
import type { Origins } from './origins.ts';
import { registerPeople } from './people.ts';
import { apiPolicy, securityHeaders } from './policy.ts';
import type { Previews } from './previews.ts';
import { registerQueue } from './queue.ts';
import { refuseBytes } from './refusal.ts';
import { newRequestId, type Requests } from './requests.ts';
import { Sessions } from './session.ts';
import { serveSite } from './site.ts';
import { registerWorkshops } from './workshops.ts';

/** Bytes that a request's body may have; the largest honest one has a few hundred. */
const BODY_LIMIT = 16_384;

export interface AppOptions {
  broker: SocketHost;
  sandboxes: Sandboxes;
  learners: Learners;
  labs: Labs;
  instructors: Instructors;
  workshops: Workshops;
  viewers: Viewers;
  origins: Origins;
  proxies: Proxies;
  policy: Policy;
  /** Signs the session cookie. */
  secret: Buffer;
  previews: Previews;
  /** Directory of the built site. */
  site: string;
  /** Directory of the image of the Linux for the tab, if there is one. */
  linux: string;
  version: string;
  requests: Requests;
  log: Logger;
}

/** For answers of the API. */
const apiHeaders = { 'content-security-policy': apiPolicy, 'cache-control': 'no-store' };

declare module 'fastify' {
  interface FastifyRequest {
    /** Where it came from, as far as limits look. */
    from: string;
  }
}

export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const { origins, log } = options;
  const logger: FastifyBaseLogger = log;
  const app = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT,
    forceCloseConnections: true, // a page's open events must not hold up a restart
    // Requests are small: one that takes longer than this to arrive is not a page of ours.
    requestTimeout: 10_000,
    return503OnClosing: false,
    genReqId: newRequestId,
    // An address that the router cannot read comes by no hook and no error handler.
    frameworkErrors: (error, _request, reply) => {
      const problem = problemFor(error);
      void (reply as FastifyReply).headers(apiHeaders).code(problem.status).send(problem.body);
    },
    clientErrorHandler: refuseBytes,
  });
  app.decorateRequest('from', '');
  options.requests.watch(app);
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const problem = problemFor(error);
    if (problem.status === 500) log.error({ err: error, request: request.id }, 'cannot answer a request');
    // Not the message: it may quote what was sent.
    else log.debug({ code: problem.code, field: problem.field, request: request.id }, 'refused a request');
    if (problem.retryAfter !== undefined) reply.header('retry-after', problem.retryAfter);
    return reply.code(problem.status).send(problem.body);
  });
  await app.register(fastifyCookie, { secret: options.secret });
  const sessions = new Sessions(app, origins, options.instructors);

  guardEveryRequest(app, options);
  const access = new Access(options.sandboxes, sessions, options.workshops);
  access.changes.add(() => options.viewers.review());
  registerApi(app, { ...options, sessions, access });
  registerQueue(app, { ...options, sessions });
  registerHealth(app, options);
  registerOpenApi(app, options.version);
  registerPeople(app, { ...options, sessions, access });
  registerWorkshops(app, { ...options, sessions, access });
  await serveLinux(app, options.linux);
  const missingPage = await serveSite(app, options.site);
  app.setNotFoundHandler((request, reply) => {
    if (request.method === 'GET' && !isApi(request.url)) return missingPage(reply);
    throw new Problem('not_found', `There is nothing at ${request.method} ${request.url.split('?', 1)[0]}.`);
  });
  app.server.on('upgrade', attachHandler({ ...options, access }));
  return app;
}

/** Host on everything, Origin on everything that changes something, and a limit on how much anybody may ask. */
function guardEveryRequest(app: FastifyInstance, { origins, proxies }: AppOptions): void {
  const limit = new RateLimit(rates.any);
  const linuxLimit = new RateLimit(rates.linux);
  app.addHook('onRequest', async (request, reply) => {
    const { remoteAddress } = request.socket;
    request.from = limitKey(proxies.client(remoteAddress, request.headers['x-forwarded-for']));
    reply.headers(securityHeaders);
    const isLinux = request.url.startsWith(LINUX_PATH);
    if (isApi(request.url) || isLinux) {
      reply.headers(apiHeaders);
    }
    const { host, origin } = request.headers;
    if (!origins.isOurHost(host)) {
      const message = 'This server does not go by that name; --public-url adds one.';
      throw new Problem('forbidden', message);
    }
    const reads = request.method === 'GET' || request.method === 'HEAD';
    if (!reads && !origins.isOurPage(origin, host)) {
      throw new Problem('forbidden', 'Only pages of this site may do that.');
    }
    const retryAfter = (isLinux ? linuxLimit : limit).take(request.from);
    if (retryAfter > 0) throw new Problem('rate', 'Too many requests from your address.', { retryAfter });
  });
}

function isApi(url: string): boolean {
  return url === '/api' || url.startsWith('/api/');
}

/** What to tell whoever asked, without saying more about the inside than they can use. */
function problemFor(error: FastifyError): Problem {
  const known = problemOf(error);
  if (known instanceof Problem) return known;
  if (error instanceof ZodError) return malformed(error);
  if (error.statusCode === 413) return new Problem('too_large', `A request has at most ${BODY_LIMIT} bytes.`);
  if (error.statusCode !== undefined && error.statusCode < 500) {
    return new Problem('bad_request', error.message);
  }
  return new Problem('failed', 'Something went wrong in the server; its log says what.');
}

function malformed(error: ZodError): Problem {
  const issue = error.issues[0];
  if (!issue) return new Problem('bad_request', 'The request is malformed.');
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const field = [...issue.path, ...unknown].map(String).join('.');
  const message = field ? `${field}: ${issue.message}` : issue.message;
  return new Problem('bad_request', message, field ? { field } : {});
}
