// What the operator decides: how much of the host may be given, how much one learner may have, and for how long.

export interface Policy {
  /** Sandboxes at once, of one learner. */
  sandboxesPerLearner: number;
  /** Sandboxes at once, of all learners behind one address. A room of 200 may share one. */
  sandboxesPerAddress: number;
  /** Milliseconds without a key press after which a sandbox is ended. */
  idleMs: number;
  /** Milliseconds without a page or a terminal that is connected to it after which a sandbox is ended. */
  orphanMs: number;
  /** Milliseconds after which a sandbox is ended whatever happens. */
  longestMs: number;
  /** Milliseconds before the end at which a warning is given. */
  warningMs: number;
  /** VMs at once; containers and VMs together are the broker's to limit (`bulkheadd --max-machines`). */
  vms: number;
  /** Bytes of memory, and of disk, left alone for the host, the server and what runs beside them. */
  reserveBytes: number;
  /** How many times the rest of the memory may be promised: what all machines would take if each took all that its
   * limit allows. An idle one takes a tenth. */
  overcommit: number;
  /** Learners' requests that may wait for room at once. */
  waiting: number;
  /** Containers, and VMs, of one sort that are kept ready for whoever asks next. */
  pooledContainers: number;
  pooledVms: number;
}

const MINUTE = 60_000;
const MIB = 1_048_576;

export const defaultPolicy: Policy = {
  sandboxesPerLearner: 2,
  sandboxesPerAddress: 500,
  idleMs: 30 * MINUTE,
  orphanMs: 10 * MINUTE,
  longestMs: 240 * MINUTE,
  warningMs: 2 * MINUTE,
  vms: 400,
  reserveBytes: 768 * MIB,
  overcommit: 6,
  waiting: 200,
  pooledContainers: 3,
  pooledVms: 1,
};
