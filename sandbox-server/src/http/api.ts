// The routes of the HTTP API. Each checks its input against protocol/api.ts and leaves the work to the sandboxes.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import * as z from 'zod';
import type { SocketHost } from '../broker/socket.ts';
import { Ticket } from '../capacity/queue.ts';
import { machinesOf } from '../labs/lab.ts';
import type { Labs } from '../labs/labs.ts';
import type { Wanted } from '../machines/placement.ts';
import { VirtualMachine } from '../machines/vm.ts';
import type { Deed } from '../people/authority.ts';
import { messageOf, Problem } from '../problem.ts';
import { apiPaths } from '../protocol/addresses.ts';
import {
  createLabSandboxSchema,
  createSandboxSchema,
  eventsQuerySchema,
  machineNameSchema,
  openTerminalSchema,
  restartSchema,
  type Status,
  snapshotNameSchema,
} from '../protocol/api.ts';
import type { Probe } from '../protocol/broker.ts';
import type { Policy } from '../sandboxes/policy.ts';
import type { Sandboxes } from '../sandboxes/sandboxes.ts';
import type { Access, MachineFor } from './access.ts';
import { registerCheckpoints } from './checkpoints.ts';
import { streamEvents } from './events.ts';
import { registerInside } from './inside.ts';
import { registerLabs } from './labs.ts';
import { RateLimit, rates } from './limits.ts';
import { type Previews, registerPreviews } from './previews.ts';
import type { Sessions } from './session.ts';

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

const nothing = z.strictObject({}).nullish();

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

  const enter = (request: FastifyRequest, deed: Deed) =>
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

  app.post('/api/sandboxes/:id/machines/:name/terminals', async (request, reply) => {
    const { sandbox, machine } = machineFor(request, 'type');
    const terminal = await machine.openTerminal(openTerminalSchema.parse(request.body));
    sandbox.noteActivity();
    return reply.code(201).send({ terminal });
  });

  registerInside(app, machineFor);
  registerLabs(app, labs, (request, deed) => enter(request, deed).sandbox);
  registerCheckpoints(app, machineFor);
  registerPreviews(app, machineFor, options.previews);
  app.post('/api/sandboxes/:id/machines/:name/restart', async (request) => {
    const { sandbox, machine } = machineFor(request, 'change');
    await machine.restart(restartSchema.parse(request.body ?? {}), request.arrivedAt);
    sandbox.noteActivity();
    return machine.view;
  });

  app.post('/api/sandboxes/:id/machines/:name/freeze', async (request) => {
    nothing.parse(request.body);
    const { machine } = machineFor(request, 'change');
    await machine.freeze();
    return machine.view;
  });

  app.post('/api/sandboxes/:id/machines/:name/thaw', async (request) => {
    nothing.parse(request.body);
    const { sandbox, machine } = machineFor(request, 'change');
    await machine.thaw();
    sandbox.noteActivity();
    return machine.view;
  });

  const vmFor = (request: FastifyRequest, deed: Deed): VirtualMachine => {
    const { sandbox, machine } = machineFor(request, deed);
    if (!(machine instanceof VirtualMachine)) {
      const message = `${machine.view.name} is a container: its memory is its host's, and stays there. Ask for a vm.`;
      throw new Problem('unsupported', message);
    }
    if (deed !== 'see') sandbox.noteActivity();
    return machine;
  };
  const snapshotOf = (request: FastifyRequest): string => {
    const name = snapshotNameSchema.safeParse((request.params as { snapshot: string }).snapshot);
    if (name.success) return name.data;
    throw new Problem('bad_request', `A snapshot's name ${name.error.issues[0]?.message}.`, {
      field: 'snapshot',
    });
  };

  app.post('/api/sandboxes/:id/machines/:name/migration', (request) => {
    nothing.parse(request.body);
    return vmFor(request, 'change').migrate();
  });

  app.delete('/api/sandboxes/:id/machines/:name/migration', async (request, reply) => {
    await vmFor(request, 'change').cancelMigration();
    return reply.code(204).send();
  });

  app.get('/api/sandboxes/:id/machines/:name/snapshots', async (request) => ({
    snapshots: await vmFor(request, 'see').snapshots(),
  }));

  app.put('/api/sandboxes/:id/machines/:name/snapshots/:snapshot', async (request, reply) => {
    nothing.parse(request.body);
    return reply.code(201).send(await vmFor(request, 'change').saveSnapshot(snapshotOf(request)));
  });

  app.post('/api/sandboxes/:id/machines/:name/snapshots/:snapshot/restore', async (request, reply) => {
    nothing.parse(request.body);
    await vmFor(request, 'change').restoreSnapshot(snapshotOf(request));
    return reply.code(204).send();
  });

  app.delete('/api/sandboxes/:id/machines/:name/snapshots/:snapshot', async (request, reply) => {
    await vmFor(request, 'change').deleteSnapshot(snapshotOf(request));
    return reply.code(204).send();
  });

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
