// The routes of those who wait for room: where they are, and leaving.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Ticket } from '../capacity/queue.ts';
import { Problem } from '../problem.ts';
import { type Ticket as TicketView, ticketIdSchema } from '../protocol/api.ts';
import type { Sandboxes } from '../sandboxes/sandboxes.ts';
import { openEventStream } from './events.ts';
import type { Sessions } from './session.ts';

export interface QueueRouteOptions {
  sandboxes: Sandboxes;
  sessions: Sessions;
}

/** Pages that may follow one ticket: a learner's tabs. */
const MOST_FOLLOWERS = 8;

export function registerQueue(app: FastifyInstance, { sandboxes, sessions }: QueueRouteOptions): void {
  const own = (request: FastifyRequest): Ticket => {
    const learner = sessions.require(request);
    const id = ticketIdSchema.safeParse((request.params as { ticket: string }).ticket);
    return sandboxes.queue.get(learner, id.success ? id.data : '');
  };

  app.get('/api/queue/:ticket', (request) => sandboxes.queue.view(own(request)));

  app.delete('/api/queue/:ticket', async (request, reply) => {
    const ticket = own(request);
    if (ticket.state === 'starting') {
      throw new Problem('conflict', 'Your turn has come: end the sandbox instead, once it is there.');
    }
    sandboxes.leaveQueue(ticket);
    return reply.code(204).send();
  });

  // Not for HEAD as well, as with the events of a sandbox.
  app.get('/api/queue/:ticket/events', { exposeHeadRoute: false }, (request, reply) => {
    const ticket = own(request);
    if (ticket.changes.size >= MOST_FOLLOWERS) {
      throw new Problem('rate', `${MOST_FOLLOWERS} pages follow this place in the queue already: close one.`);
    }
    let told = '';
    const stream = openEventStream(request, reply, { closed: () => leave() });
    const tell = (view: TicketView) => {
      const data = JSON.stringify(view);
      if (data !== told) stream.send('ticket', data);
      told = data;
      if (view.state !== 'waiting' && view.state !== 'starting') stream.end();
    };
    const leave = ticket.changes.add(tell);
    tell(sandboxes.queue.view(ticket));
    return reply;
  });
}
