// Who may do what with a sandbox: one table, asked before every answer.

/** Whoever sent a request: always a learner, by the cookie; an instructor too, once logged in. */
export interface Person {
  learner: string | null;
  instructor: string | null;
}

/** How somebody stands to a sandbox. */
export type Standing = 'owner' | 'instructor' | 'stranger';

/** What can be done with a sandbox. */
export type Deed =
  | 'see' // its machines, their states and costs
  | 'watch' // a terminal, without typing
  | 'type' // in a terminal, where everybody at it sees it
  | 'work' // run commands, read and write files: what nobody at a terminal sees
  | 'change' // reset or restart a machine, save and return to snapshots, move
  | 'extend' // its time
  | 'end'; // it

const rights: Record<Standing, readonly Deed[]> = {
  owner: ['see', 'watch', 'type', 'work', 'change', 'extend', 'end'],
  // An instructor helps: types where the learner can see it, resets what is stuck, gives time. Ending a learner's sandbox
  // would take away work, so that is the learner's own, or the clock's; and what a learner cannot see being done is no help.
  instructor: ['see', 'watch', 'type', 'change', 'extend'],
  stranger: [],
};

/** How `person` stands to the sandbox of `owner`. `teaches` says whether an instructor teaches a workshop that goes on and
 * that the learner is in. */
export function standingOf(
  person: Person,
  owner: string,
  teaches: (instructor: string, learner: string) => boolean,
): Standing {
  if (person.learner === owner) return 'owner';
  if (person.instructor !== null && teaches(person.instructor, owner)) return 'instructor';
  return 'stranger';
}

export function may(standing: Standing, deed: Deed): boolean {
  return rights[standing].includes(deed);
}
