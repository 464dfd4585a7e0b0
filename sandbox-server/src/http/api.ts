// The routes of the HTTP API. Each checks its input against protocol/api.ts and leaves the work to the sandboxes.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { SocketHost } from '../broker/socket.ts';
import { Ticket } from '../capacity/queue.ts';
import { machinesOf } from '../labs/lab.ts';
import type { Labs } from '../labs/labs.ts';
import type { Wanted } from '../machines/placement.ts';
import type { Deed } from '../people/authority.ts';
import { messageOf, Problem } from '../problem.ts';
import { apiPaths } from '../protocol/addresses.ts';
import {
  createLabSandboxSchema,
  createSandboxSchema,
  eventsQuerySchema,
  machineNameSchema,
  type Status,
} from '../protocol/api.ts';
import type { Probe } from '../protocol/broker.ts';
import type { Policy } from '../sandboxes/policy.ts';
import type { Sandboxes } from '../sandboxes/sandboxes.ts';
import type { Access, Entry, MachineFor } from './access.ts';
import { registerCheckpoints } from './checkpoints.ts';
import { streamEvents } from './events.ts';
import { registerInside } from './inside.ts';
import { registerLabs } from './labs.ts';
import { RateLimit, rates } from './limits.ts';
import { registerMachines } from './machines.ts';
import { nothing } from './nothing.ts';
import { type Previews, registerPreviews } from './previews.ts';
import type { Sessions } from './session.ts';
import { registerVms } from './vms.ts';

export interface ApiOptions {
  broker: SocketHost;
  sandboxes: Sandboxes;
  labs: Labs;
  sessions: Sessions;
  access: Access;
  policy: Policy;
  previews: Previews;
  version: string;
}

/** Pages that may follow the events of one sandbox: a learner's tabs. */
const MOST_FOLLOWERS = 16;

export function registerApi(app: FastifyInstance, options: ApiOptions): void {
  const { sandboxes, sessions, access, labs } = options;
  const startedAt = Date.now();
  const creations = new RateLimit(rates.create);
  const ownCreations = new RateLimit(rates.createOwn);

  app.get('/api/status', async (request, reply): Promise<Status> => {
    const learner = sessions.ensure(request, reply);
    return { ...(await describeHost(options)), ...describeServer(options, startedAt, learner) };
  });

  app.post('/api/sandboxes', async (request, reply) => {
    const owner = sessions.require(request);
    const { machines, lab } = wantedBy(request.body, labs);
    slowDown(creations, request.from, 'from your address');
    slowDown(ownCreations, owner, 'by you');
    const asker = { owner, address: request.from, lab };
    const got = await sandboxes.ask(asker, machines, request.arrivedAt);
    if (!(got instanceof Ticket)) {
      return reply.code(201).header('location', apiPaths.sandbox(got.id)).send(got.view);
    }
    return reply.code(202).header('location', apiPaths.ticket(got.id)).send(sandboxes.queue.view(got));
  });

  app.get('/api/sandboxes', (request) => ({
    sandboxes: sandboxes.list(sessions.require(request)).map(({ view }) => view),
  }));

  const enter: Enter = (request, deed) =>
    access.enter(request.headers.cookie, (request.params as { id: string }).id, deed);

  app.get('/api/sandboxes/:id', (request) => enter(request, 'see').sandbox.view);

  app.post('/api/sandboxes/:id/extend', (request) => {
    nothing.parse(request.body);
    const { sandbox } = enter(request, 'extend');
    sandbox.extend();
    return sandbox.view;
  });

  app.delete('/api/sandboxes/:id', async (request, reply) => {
    await sandboxes.end(enter(request, 'end').sandbox, 'You ended it.');
    return reply.code(204).send();
  });

  const machineFor: MachineFor = (request, deed) => {
    const { sandbox } = enter(request, deed);
    const name = machineNameSchema.safeParse((request.params as { name: string }).name);
    if (!name.success) throw new Problem('not_found', 'This sandbox has no machine of that name.');
    return { sandbox, machine: sandbox.machine(name.data) };
  };

  registerMachines(app, machineFor);
  registerInside(app, machineFor);
  registerLabs(app, labs, (request, deed) => enter(request, deed).sandbox);
  registerVms(app, machineFor);
  registerCheckpoints(app, machineFor);
  registerPreviews(app, machineFor, options.previews);
  registerEvents(app, enter, access);
}

type Enter = (request: FastifyRequest, deed: Deed) => Entry;

function registerEvents(app: FastifyInstance, enter: Enter, access: Access): void {
  // Not for HEAD as well, which would follow without ever being told a thing.
  app.get('/api/sandboxes/:id/events', { exposeHeadRoute: false }, (request, reply) => {
    const entry = enter(request, 'see');
    const { sandbox } = entry;
    if (sandbox.events.size >= MOST_FOLLOWERS) {
      throw new Problem('rate', `${MOST_FOLLOWERS} pages follow this sandbox already: close one.`);
    }
    const { view = [] } = eventsQuerySchema.parse(request.query);
    for (const name of view) sandbox.machine(name);
    streamEvents(entry, view, access.changes, request, reply);
    return reply;
  });
}

/** The machines that a body asks for, by themselves or as a lab's. Throws ZodError, or Problem `not_found`. */
function wantedBy(body: unknown, labs: Labs): { machines: Wanted; lab: string | null } {
  const named = typeof body === 'object' && body !== null && 'lab' in body;
  if (!named) return { machines: createSandboxSchema.parse(body), lab: null };
  const { lab: slug, columns = 80, rows = 24 } = createLabSandboxSchema.parse(body);
  const lab = labs.get(slug);
  return { machines: machinesOf(lab, { columns, rows }), lab: slug };
}

/** Everything of the status that the broker knows; why there is nothing, when it does not answer. */
async function describeHost({
  broker,
  sandboxes,
}: ApiOptions): Promise<Pick<Status, 'host' | 'reason' | 'room'>> {
  try {
    if (!sandboxes.recovered)
      throw new Error(broker.connected ? 'it is being asked what runs' : broker.problem);
    const probe = await sandboxes.probe();
    return { host: hostOf(probe), reason: null, room: sandboxes.room(probe) };
  } catch (error) {
    const reason = `No machine can be started now: ${messageOf(error)}. The pages can be read all the same; npm start starts everything.`;
    return { host: null, reason, room: null };
  }
}

function describeServer(
  { sandboxes, policy, version }: ApiOptions,
  startedAt: number,
  learner: string,
): Pick<Status, 'server' | 'you'> {
  return {
    server: { version, startedAt },
    you: {
      sandboxes: sandboxes.of(learner).map(({ id }) => id),
      mostSandboxes: policy.sandboxesPerLearner,
      waiting: sandboxes.queue.of(learner).map((ticket) => sandboxes.queue.view(ticket)),
    },
  };
}

function slowDown(limit: RateLimit, key: string, whose: string): void {
  const retryAfter = limit.take(key);
  if (retryAfter === 0) return;
  const message = `Too many sandboxes were asked for ${whose}; try again in ${retryAfter} s.`;
  throw new Problem('rate', message, { retryAfter });
}

function hostOf(probe: Probe): Status['host'] {
  return {
    hostname: probe.hostname,
    kernel: probe.kernel,
    cgroup: probe.cgroup,
    cpus: probe.capacity.cpus,
    memoryBytes: probe.capacity.memory_bytes,
    memoryAvailableBytes: probe.capacity.memory_available_bytes,
    nesting: probe.nesting,
    vm: { accel: probe.vm.accel, reason: probe.vm.reason },
    images: probe.images.map(({ name, kind }) => ({ name, kind })),
  };
}
