// Who is let in to a sandbox, and as what. Every route and every upgrade asks here before it does anything else, so that
// there is one place that can be wrong.
import type { FastifyRequest } from 'fastify';
import { Listeners } from '../listeners.ts';
import type { LearnerMachine } from '../machines/machine.ts';
import { type Deed, may, type Person, type Standing, standingOf } from '../people/authority.ts';
import type { Instructor } from '../people/instructors.ts';
import type { Workshops } from '../people/workshops.ts';
import { Problem } from '../problem.ts';
import { sandboxIdSchema } from '../protocol/api.ts';
import type { Sandbox } from '../sandboxes/sandbox.ts';
import type { Sandboxes } from '../sandboxes/sandboxes.ts';
import type { Sessions } from './session.ts';

/** The machine that a request names, for whoever may do `deed` with it. Throws Problem. */
export type MachineFor = (
  request: FastifyRequest,
  deed: Deed,
) => { sandbox: Sandbox; machine: LearnerMachine };

/** Somebody who was let in. */
export interface Entry {
  sandbox: Sandbox;
  standing: Exclude<Standing, 'stranger'>;
  /** What they are called by others in the sandbox; empty for a learner outside of a workshop. */
  name: string;
  may(deed: Deed): boolean;
  /** Whether they may still do `deed`: a workshop can end, or a login, while somebody looks on. */
  mayStill(deed: Deed): boolean;
}

const refusals: Partial<Record<Deed, string>> = {
  work: 'Only its learner runs commands and changes files out of sight: type where it can be seen.',
  end: 'Only its learner may end a sandbox.',
};

export class Access {
  /** Somebody's rights may have changed: whoever is in a sandbox by them is to be asked for again. */
  readonly changes = new Listeners<void>();
  readonly #sandboxes: Sandboxes;
  readonly #sessions: Sessions;
  readonly #workshops: Workshops;

  constructor(sandboxes: Sandboxes, sessions: Sessions, workshops: Workshops) {
    this.#sandboxes = sandboxes;
    this.#sessions = sessions;
    this.#workshops = workshops;
  }

  /** Lets whoever sent this Cookie header in to the sandbox `id`, to do `deed`. What an instructor does there, but for
   * looking at its state, is written down for the learner. Throws Problem `no_session` for nobody, `not_found` for whoever
   * may not even know that it exists, `forbidden` with the reason for a deed beyond their rights. */
  enter(cookie: string | undefined, id: string, deed: Deed): Entry {
    const { person, instructor } = this.#who(cookie);
    if (person.learner === null && person.instructor === null) {
      const next = 'allow cookies for this site, then reload the page';
      throw new Problem('no_session', `Your browser sent no valid cookie: ${next}.`);
    }
    const sandbox = sandboxIdSchema.safeParse(id).success ? this.#sandboxes.find(id) : null;
    const standing = sandbox ? this.#standing(person, sandbox) : 'stranger';
    if (!sandbox || standing === 'stranger') {
      throw new Problem('not_found', 'There is no such sandbox: it was ended, or it is not yours.');
    }
    if (!may(standing, deed)) {
      throw new Problem('forbidden', refusals[deed] ?? 'You may not do that in this sandbox.');
    }
    const name = standing === 'owner' ? this.#workshops.nameOf(sandbox.owner) : (instructor?.login ?? '');
    if (standing === 'instructor' && person.instructor !== null && deed !== 'see') {
      this.#workshops.noteUse(person.instructor, `sandbox.${deed}`, sandbox.owner, sandbox.id);
    }
    return {
      sandbox,
      standing,
      name,
      may: (other) => may(standing, other),
      // A learner's own stays theirs, also under another cookie, when a recovery code has made two learners one.
      mayStill: (other) =>
        standing === 'owner' || may(this.#standing(this.#who(cookie).person, sandbox), other),
    };
  }

  #who(cookie: string | undefined): { person: Person; instructor: Instructor | null } {
    const instructor = this.#sessions.instructor(cookie);
    return {
      person: { learner: this.#sessions.learner(cookie), instructor: instructor?.id ?? null },
      instructor,
    };
  }

  #standing(person: Person, sandbox: Sandbox): Standing {
    return standingOf(person, sandbox.owner, (instructor, learner) =>
      this.#workshops.teaches(instructor, learner),
    );
  }
}
