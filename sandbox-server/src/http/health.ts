// What a supervisor or a load balancer asks: does the process answer, and can it give machines now?
import type { FastifyInstance } from 'fastify';
import type { SocketHost } from '../broker/socket.ts';
import type { Sandboxes } from '../sandboxes/sandboxes.ts';

/** `GET /healthz`: 200 while this process answers at all; otherwise start it again. `GET /readyz`: 200 when a click can
 * be answered with a machine, 503 with one sentence when it cannot; pages and terminals may work all the same. */
export function registerHealth(
  app: FastifyInstance,
  { broker, sandboxes }: { broker: SocketHost; sandboxes: Sandboxes },
): void {
  app.get('/healthz', (_request, reply) =>
    reply.header('cache-control', 'no-store').type('text/plain').send('ok\n'),
  );
  app.get('/readyz', async (_request, reply) => {
    reply.header('cache-control', 'no-store').type('text/plain');
    if (!broker.connected) return reply.code(503).send(`${broker.problem}\n`);
    if (!sandboxes.recovered) return reply.code(503).send('the broker is being asked what runs\n');
    return reply.send('ready\n');
  });
}
