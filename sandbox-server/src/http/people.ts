// The routes about people: what a learner has done and how it is found again elsewhere, and an instructor's login.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import * as z from 'zod';
import type { Instructors } from '../people/instructors.ts';
import type { Learners } from '../people/learners.ts';
import { readRecoveryCode } from '../people/recovery-code.ts';
import { Problem } from '../problem.ts';
import {
  labSlugSchema,
  loginSchema,
  type Progress,
  placeSchema,
  recoverSchema,
  stepIdSchema,
} from '../protocol/people.ts';
import type { Sandboxes } from '../sandboxes/sandboxes.ts';
import type { Access } from './access.ts';
import { RateLimit, rates } from './limits.ts';
import { nothing } from './nothing.ts';
import type { Sessions } from './session.ts';

export interface PeopleOptions {
  learners: Learners;
  instructors: Instructors;
  sandboxes: Sandboxes;
  sessions: Sessions;
  access: Access;
}

/** Steps and places kept of one learner: ten times as many as there are. */
const MOST_STEPS = 2_000;

const labAddress = z.object({ lab: labSlugSchema });
const stepAddress = z.object({ lab: labSlugSchema, step: stepIdSchema });
export function registerPeople(app: FastifyInstance, options: PeopleOptions): void {
  registerProgress(app, options);
  registerRecovery(app, options);
  registerInstructor(app, options);
}

function registerProgress(app: FastifyInstance, { learners, sessions, access }: PeopleOptions): void {
  const labOf = (request: FastifyRequest) => labAddress.parse(request.params).lab;
  const withRoom = (learner: string) => {
    if (learners.done(learner).length + learners.places(learner).length < MOST_STEPS) return learner;
    throw new Problem(
      'quota',
      `${MOST_STEPS} steps are kept of a learner, and you have done them. Start a lab anew.`,
    );
  };

  app.get('/api/progress', (request) => {
    const learner = sessions.require(request);
    learners.noteHere(learner);
    return progressOf(learners, learner);
  });

  app.put('/api/progress/:lab/place', (request) => {
    const learner = withRoom(sessions.require(request));
    learners.notePlace(learner, labOf(request), placeSchema.parse(request.body).step);
    return progressOf(learners, learner);
  });

  app.put('/api/progress/:lab/steps/:step', (request) => {
    nothing.parse(request.body);
    const learner = withRoom(sessions.require(request));
    const { lab, step } = stepAddress.parse(request.params);
    learners.noteDone(learner, lab, step, 'told');
    return progressOf(learners, learner);
  });

  app.delete('/api/progress/:lab', (request) => {
    const learner = sessions.require(request);
    learners.forgetLab(learner, labOf(request));
    return progressOf(learners, learner);
  });

  app.delete('/api/me', async (request, reply) => {
    learners.forget(sessions.require(request));
    access.changes.emit();
    return reply.code(204).send();
  });
}

function registerRecovery(app: FastifyInstance, { learners, sandboxes, sessions }: PeopleOptions): void {
  const guesses = new RateLimit(rates.guess);

  app.post('/api/recovery-code', (request, reply) => {
    nothing.parse(request.body);
    const code = learners.newCode(sessions.require(request));
    return reply.code(201).send({ code });
  });

  app.post('/api/recover', (request, reply) => {
    const here = sessions.require(request);
    const { code: typed } = recoverSchema.parse(request.body);
    slowDown(guesses, request.from);
    const code = readRecoveryCode(typed);
    if (code === null) {
      throw new Problem(
        'bad_request',
        'That is no recovery code: it has four groups of five. Look for a slip of the pen.',
        {
          field: 'code',
        },
      );
    }
    const learner = learners.byCode(code);
    if (learner === null) {
      throw new Problem('not_found', 'Nobody has that recovery code: a newer one may have taken its place.');
    }
    learners.merge(here, learner);
    sandboxes.handOver(here, learner);
    sessions.become(learner, request, reply);
    return progressOf(learners, learner);
  });
}

function registerInstructor(app: FastifyInstance, { instructors, sessions, access }: PeopleOptions): void {
  const guesses = new RateLimit(rates.guess);

  app.post('/api/instructor/login', async (request, reply) => {
    const { login, password } = loginSchema.parse(request.body);
    // By address and by account: neither one guesser with many accounts nor many guessers at one get far.
    slowDown(guesses, request.from);
    slowDown(guesses, `login ${login.toLowerCase()}`);
    const token = await instructors.logIn(login, password);
    if (token === null) {
      throw new Problem(
        'forbidden',
        'Login or password is wrong, or the account is locked; the operator can set a new one.',
      );
    }
    sessions.logIn(token, request, reply);
    return { login: instructors.byToken(token)?.login };
  });

  app.get('/api/instructor', (request) => ({ login: sessions.requireInstructor(request).login }));

  app.delete('/api/instructor/login', (request, reply) => {
    const token = sessions.logOut(request, reply);
    if (token !== null) instructors.logOut(token);
    access.changes.emit();
    return reply.code(204).send();
  });
}

function progressOf(learners: Learners, learner: string): Progress {
  return { done: learners.done(learner), places: learners.places(learner) };
}

function slowDown(limit: RateLimit, key: string): void {
  const retryAfter = limit.take(key);
  if (retryAfter > 0)
    throw new Problem('rate', `Too many guesses; try again in ${retryAfter} s.`, { retryAfter });
}
