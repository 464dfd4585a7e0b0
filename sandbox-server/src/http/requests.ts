// One line of log for every request, with an id that is also in the answer; the same id in every line that is written
// while the request is worked on; and, when the server stops, waiting for those that are.
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { metrics } from '../metrics/metrics.ts';
import { Problem } from '../problem.ts';
import { machineNameSchema, sandboxIdSchema } from '../protocol/api.ts';

export const REQUEST_ID_HEADER = 'x-request-id';
/** The status by which the log knows a request whose browser left before the answer, as nginx does. */
const GIVEN_UP = 499;

declare module 'fastify' {
  interface FastifyRequest {
    /** performance.now() when its head had been read. */
    arrivedAt: number;
    /** Its answer goes on until somebody leaves, as an event stream does: it is not timed, and not waited for. */
    goesOn(): void;
  }
}

const current = new AsyncLocalStorage<{ request: string }>();

/** An id for a request. Never one that the request brought: two could bring the same, or one that forges a line. */
export function newRequestId(): string {
  return randomBytes(9).toString('base64url');
}

/** What a line of log says of the request that it was written for: pino's `mixin`. A timer that a request started
 * speaks in its name. */
export function requestFields(): object {
  return { ...current.getStore() }; // pino puts the line's other fields into this very object
}

/** Does `work` in the name of a request. */
export function inRequest<T>(request: string, work: () => T): T {
  return current.run({ request }, work);
}

/** The requests being worked on. */
export class Requests {
  readonly #log: Logger;
  readonly #open = new Set<FastifyRequest>();
  #idle: (() => void) | null = null;
  #stopping = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Whether the server has been asked to stop. */
  get stopping(): boolean {
    return this.#stopping;
  }

  /** To be called before any other hook is added. */
  watch(app: FastifyInstance): void {
    const goesOn = (request: FastifyRequest) => this.#answered(request, 200);
    app.decorateRequest('arrivedAt', 0);
    app.decorateRequest('goesOn', function (this: FastifyRequest) {
      goesOn(this);
    });
    app.addHook('onRequest', (request, reply, done) => {
      request.arrivedAt = performance.now();
      reply.header(REQUEST_ID_HEADER, request.id);
      this.#open.add(request);
      // Also where Fastify tells of no end: whoever asked left after the last byte of the request, or sent no HTTP after it.
      reply.raw.once('close', () => this.#answered(request, GIVEN_UP));
      done(this.#stopping ? refusal() : undefined);
    });
    // Not before: a body is read in the context of its socket, and the handler would begin in that.
    app.addHook('preValidation', (request, _reply, done) => inRequest(request.id, done));
    app.addHook('onResponse', (request, reply, done) => {
      this.#answered(request, reply.statusCode);
      done();
    });
  }

  /** From now on new requests are refused; resolves when those under way are answered, or after `limitMs`. */
  async drain(limitMs: number): Promise<void> {
    this.#stopping = true;
    if (this.#open.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idle = resolve;
    const timer = setTimeout(() => {
      const routes = [...this.#open].map(({ method, url }) => `${method} ${url.split('?', 1)[0]}`);
      this.#log.warn({ routes }, 'stopping without an answer to some requests');
      resolve();
    }, limitMs);
    await promise;
    clearTimeout(timer);
  }

  #answered(request: FastifyRequest, status: number): void {
    if (!this.#open.delete(request)) return;
    this.#note(request, status);
    if (this.#open.size === 0) this.#idle?.();
  }

  /** The route as it was registered, not the address: a query may name files, and an address may hold anything. What
   * only reads is for whoever debugs. */
  #note(request: FastifyRequest, status: number): void {
    const { method } = request;
    const route = request.routeOptions.url ?? 'none';
    const ms = Math.round((performance.now() - request.arrivedAt) * 1_000) / 1_000;
    metrics.noteRequest(method, route, status, ms);
    const level = method === 'GET' || method === 'HEAD' ? 'debug' : 'info';
    const { id, name } = (request.params ?? {}) as { id?: string; name?: string };
    const sandbox = sandboxIdSchema.safeParse(id).data;
    const machine = machineNameSchema.safeParse(name).data;
    this.#log[level]({ request: request.id, method, route, status, ms, sandbox, machine }, 'answered');
  }
}

function refusal(): Problem {
  const message = 'The server is being started again: ask once more in a moment.';
  return new Problem('no_host', message, { retryAfter: 1 });
}
