// The routes about workshops: instructors make them, a room joins with a code, and from then until the workshop ends its
// instructors may see and help in what the room runs (people/authority.ts).
import type { FastifyInstance, FastifyRequest } from 'fastify';
import * as z from 'zod';
import type { Instructor, Instructors } from '../people/instructors.ts';
import { readJoinCode } from '../people/join-code.ts';
import type { TeachingRole, Workshops } from '../people/workshops.ts';
import { Problem } from '../problem.ts';
import {
  createWorkshopSchema,
  helperSchema,
  joinWorkshopSchema,
  type Me,
  type Roster,
  workshopIdSchema,
} from '../protocol/workshops.ts';
import type { Sandboxes } from '../sandboxes/sandboxes.ts';
import type { Access } from './access.ts';
import { RateLimit, rates } from './limits.ts';
import type { Sessions } from './session.ts';

export interface WorkshopOptions {
  workshops: Workshops;
  instructors: Instructors;
  sandboxes: Sandboxes;
  sessions: Sessions;
  access: Access;
}

const address = z.object({ workshop: workshopIdSchema });
const visitDeeds = ['watch', 'type', 'change', 'extend'] as const;

export function registerWorkshops(app: FastifyInstance, options: WorkshopOptions): void {
  registerTeaching(app, options);
  registerAttendance(app, options);
}

function registerTeaching(app: FastifyInstance, options: WorkshopOptions): void {
  const { workshops, instructors, sandboxes, sessions, access } = options;

  /** The workshop that a request names, for an instructor who teaches it. */
  const taught = (request: FastifyRequest) => {
    const instructor = sessions.requireInstructor(request);
    const named = address.safeParse(request.params);
    const workshop = named.success ? workshops.find(named.data.workshop) : null;
    const role = workshop ? workshops.role(workshop.id, instructor.id) : null;
    if (!workshop || !role) {
      throw new Problem('not_found', 'There is no such workshop: it has ended, or you do not teach it.');
    }
    return { instructor, workshop: { ...shown(workshop), code: workshop.code, role } };
  };
  const led = (request: FastifyRequest): { instructor: Instructor; id: string } => {
    const { instructor, workshop } = taught(request);
    if (workshop.role === 'lead') return { instructor, id: workshop.id };
    throw new Problem('forbidden', 'Only who leads a workshop asks others to help, and ends it.');
  };

  app.post('/api/workshops', (request, reply) => {
    const instructor = sessions.requireInstructor(request);
    const { title, lab } = createWorkshopSchema.parse(request.body);
    const { workshop, code } = workshops.create(instructor.id, title, lab);
    const role: TeachingRole = 'lead';
    return reply.code(201).send({ ...shown(workshop), code, role });
  });

  app.get('/api/workshops', (request) => ({
    workshops: workshops
      .taughtBy(sessions.requireInstructor(request).id)
      .map(({ code, role, ...workshop }) => ({ ...shown(workshop), code, role })),
  }));

  app.get('/api/workshops/:workshop', (request): Roster => {
    const { workshop } = taught(request);
    const learners = workshops.roster(workshop.id).map(({ learner, name, joinedAt }) => ({
      name,
      joinedAt,
      sandboxes: sandboxes.of(learner).map(({ id }) => id),
    }));
    return { ...workshop, learners };
  });

  app.post('/api/workshops/:workshop/helpers', async (request, reply) => {
    const { id } = led(request);
    const { login } = helperSchema.parse(request.body);
    const helper = instructors.byLogin(login);
    if (!helper)
      throw new Problem('not_found', 'There is no instructor with that login.', { field: 'login' });
    workshops.addHelper(id, helper.id);
    return reply.code(204).send();
  });

  app.delete('/api/workshops/:workshop', async (request, reply) => {
    const { instructor, id } = led(request);
    workshops.end(id, instructor.id);
    access.changes.emit();
    return reply.code(204).send();
  });
}

function registerAttendance(app: FastifyInstance, options: WorkshopOptions): void {
  const { workshops, instructors, sessions, access } = options;
  const guesses = new RateLimit(rates.join);

  app.post('/api/workshops/join', (request) => {
    const learner = sessions.require(request);
    const { code: typed, name } = joinWorkshopSchema.parse(request.body);
    const retryAfter = guesses.take(request.from);
    if (retryAfter > 0) {
      throw new Problem('rate', `Too many codes were tried; try again in ${retryAfter} s.`, { retryAfter });
    }
    const code = readJoinCode(typed);
    const workshop = code === null ? null : workshops.byCode(code);
    if (!workshop) {
      const message =
        'No workshop that goes on has that code: look at the wall again, or ask your instructor.';
      throw new Problem('not_found', message, { field: 'code' });
    }
    workshops.join(workshop.id, learner, name);
    const { id, title, lab } = workshop;
    return { id, title, lab, name };
  });

  app.delete('/api/workshops/:workshop/attendance', async (request, reply) => {
    const learner = sessions.require(request);
    const named = address.safeParse(request.params);
    if (!named.success) throw new Problem('not_found', 'There is no such workshop.');
    workshops.leave(named.data.workshop, learner);
    access.changes.emit();
    return reply.code(204).send();
  });

  app.get('/api/me', (request): Me => {
    const learner = sessions.require(request);
    const visits = workshops.auditOf(learner).flatMap(({ at, actor, action, detail }) => {
      const deed = visitDeeds.find((one) => action === `sandbox.${one}`);
      const instructor = instructors.byId(actor.replace(/^instructor:/, ''))?.login ?? '';
      return deed ? [{ at, instructor, deed, sandbox: detail }] : [];
    });
    const attended = workshops
      .attendedBy(learner)
      .map(({ id, title, lab, name }) => ({ id, title, lab, name }));
    return { workshops: attended, visits };
  });
}

/** What anybody who is part of it may know of a workshop. */
function shown({ id, title, lab, createdAt }: { id: string; title: string; lab: string; createdAt: number }) {
  return { id, title, lab, createdAt };
}
