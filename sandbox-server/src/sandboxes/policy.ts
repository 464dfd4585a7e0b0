// How much one learner may have, and for how long.

export interface Policy {
  /** Sandboxes at once, of one learner. */
  sandboxesPerLearner: number;
  /** Milliseconds without a key press after which a sandbox is ended. */
  idleMs: number;
  /** Milliseconds after which a sandbox is ended whatever happens. */
  longestMs: number;
  /** Milliseconds before the end at which a warning is given. */
  warningMs: number;
}

const MINUTE = 60_000;

export const defaultPolicy: Policy = {
  sandboxesPerLearner: 2,
  idleMs: 30 * MINUTE,
  longestMs: 240 * MINUTE,
  warningMs: 2 * MINUTE,
};
