// Machines that were made before anybody asked for them, so that a click is answered at once. Each is a machine like any
// other, of a sort that was asked for lately, with a shell at its prompt; nobody has been in it. It is given to one learner
// and never comes back. It takes nobody's room: where that is needed, the pool is given up.
import type { Logger } from 'pino';
import { newId } from '../ids.ts';
import type { LearnerMachine } from '../machines/machine.ts';
import type { MachinePlan } from '../machines/placement.ts';
import { Stopwatch } from '../machines/stopwatch.ts';
import { VirtualMachine } from '../machines/vm.ts';
import { messageOf } from '../problem.ts';
import type { MachineRecord } from '../protocol/broker.ts';
import type { Policy } from '../sandboxes/policy.ts';
import { addTo, type Cost, costOf, noCost } from './books.ts';

/** A sort that nobody has asked for in this time is not kept ready any more. */
const FORGET_MS = 15 * 60_000;
/** Sorts that are kept ready at once, of containers and of VMs: those that were asked for last. */
const MOST_SORTS = { container: 4, vm: 2 };
/** When a sort that could not be made is tried again. */
const AFTER_FAILURE_MS = 60_000;
/** After a machine was given, its learner's shell has the processor for this long. */
const AFTER_CLAIM_MS = 200;
const LOOK_MS = 5_000;
/** The terminal's size until its first viewer says its own. */
const SIZE = { columns: 80, rows: 24 };

export interface PoolOptions {
  policy: Pick<Policy, 'pooledContainers' | 'pooledVms'>;
  log: Logger;
  /** A machine as an object; nothing is made yet. */
  build: (id: string, labels: Record<string, string>, plan: MachinePlan) => LearnerMachine;
  /** Whether there is room for this beside everything else, and nobody waits, starts or boots anything. */
  mayMake: (cost: Cost) => Promise<boolean>;
}

interface Sort {
  plan: MachinePlan;
  /** Unix time; Infinity for the sort that is always kept. */
  askedAt: number;
  notBefore: number;
  ready: LearnerMachine[];
}

export class Pool {
  readonly #options: PoolOptions;
  readonly #sorts = new Map<string, Sort>();
  /** Being made, or being ended: the broker has it, and it is nobody's. */
  readonly #others = new Map<LearnerMachine, MachinePlan>();
  readonly #rounds: NodeJS.Timeout;
  #soon: NodeJS.Timeout | undefined;
  #filling: Promise<void> | null = null;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#rounds = setInterval(() => void this.fill(), LOOK_MS);
    this.#rounds.unref();
  }

  /** Machines that wait for somebody. */
  get ready(): number {
    return [...this.#sorts.values()].reduce((sum, { ready }) => sum + ready.length, 0);
  }

  /** Whether the broker's machine of this id is the pool's. */
  owns(id: string): boolean {
    return [...this.#machines()].some(({ machine }) => machine.id === id);
  }

  /** What its machines cost, together, without those that `plans` would be given. */
  cost(plans: readonly MachinePlan[] = []): Cost {
    const total = noCost();
    const claimed = new Set(plans.map((plan) => this.#find(plan)));
    for (const { machine, plan } of this.#machines()) {
      if (!claimed.has(machine)) addTo(total, costOf([plan]));
    }
    return total;
  }

  has(plan: MachinePlan): boolean {
    return this.#find(plan) !== undefined;
  }

  /** Gives a machine of this sort away; null when there is none. From now on it is the caller's. */
  take(plan: MachinePlan): LearnerMachine | null {
    this.noteWish(plan);
    const machine = this.#find(plan);
    const sort = this.#sorts.get(sortOf(plan));
    if (!machine || !sort) return null;
    sort.ready.splice(sort.ready.indexOf(machine), 1);
    this.#fillSoon();
    return machine;
  }

  /** A machine of this sort was asked for: some are kept ready from now on, for a while, or (`always`) for good. */
  noteWish(plan: MachinePlan, always = false): void {
    if (!isPoolable(plan) || this.#most(plan) === 0) return;
    const key = sortOf(plan);
    const sort = this.#sorts.get(key) ?? { plan: asPooled(plan), askedAt: 0, notBefore: 0, ready: [] };
    sort.askedAt = always ? Infinity : Math.max(sort.askedAt, Date.now());
    this.#sorts.set(key, sort);
    this.#fillSoon();
  }

  /** Makes what is missing, one after another, while nobody is kept from anything by it. */
  fill(): Promise<void> {
    this.#filling ??= this.#fill()
      .catch((error) => this.#options.log.warn({ reason: messageOf(error) }, 'cannot fill the pool'))
      .finally(() => {
        this.#filling = null;
      });
    return this.#filling;
  }

  /** Ends all of it: there is somebody who needs the room. */
  async giveUp(): Promise<void> {
    const sorts = [...this.#sorts.values()];
    await Promise.all(
      sorts.flatMap(({ ready, plan }) => ready.splice(0).map((machine) => this.#end(machine, plan))),
    );
  }

  /** A broker that was started again may have lost some: these are all it had at `askedAt`. */
  noteMissing(records: readonly MachineRecord[], askedAt: number): void {
    const known = new Set(records.map(({ machine }) => machine));
    for (const { ready } of this.#sorts.values()) {
      const lost = ready.filter(({ id, view }) => !known.has(id) && view.createdAt < askedAt);
      for (const machine of lost) ready.splice(ready.indexOf(machine), 1);
      if (lost.length > 0) this.#fillSoon();
    }
  }

  /** The server stops; one that starts ends what this leaves behind. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#rounds);
    clearTimeout(this.#soon);
  }

  #most({ kind }: MachinePlan): number {
    const { pooledContainers, pooledVms } = this.#options.policy;
    return kind === 'vm' ? pooledVms : pooledContainers;
  }

  #find(plan: MachinePlan): LearnerMachine | undefined {
    const running = ({ view }: LearnerMachine) => view.state === 'running';
    return isPoolable(plan) ? this.#sorts.get(sortOf(plan))?.ready.find(running) : undefined;
  }

  *#machines(): Generator<{ machine: LearnerMachine; plan: MachinePlan }> {
    for (const { ready, plan } of this.#sorts.values()) {
      for (const machine of ready) yield { machine, plan };
    }
    for (const [machine, plan] of this.#others) yield { machine, plan };
  }

  #fillSoon(): void {
    if (this.#closed) return;
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => void this.fill(), AFTER_CLAIM_MS);
    this.#soon.unref();
  }

  async #fill(): Promise<void> {
    await this.#clearAway();
    for (const sort of this.#sorts.values()) {
      const missing = () => this.#most(sort.plan) - sort.ready.length;
      while (!this.#closed && missing() > 0 && Date.now() >= sort.notBefore) {
        // Twice what it costs: what is left after it is enough for whoever comes next.
        const cost = costOf([sort.plan, sort.plan]);
        if (!(await this.#options.mayMake(cost))) return;
        if (!(await this.#makeOne(sort))) sort.notBefore = Date.now() + AFTER_FAILURE_MS;
      }
    }
  }

  /** What has died, and what nobody asks for any more. */
  async #clearAway(): Promise<void> {
    const byTime = [...this.#sorts].toSorted(([, a], [, b]) => b.askedAt - a.askedAt);
    const kept = { container: 0, vm: 0 };
    for (const [key, { plan, askedAt, ready }] of byTime) {
      const wanted = Date.now() - askedAt < FORGET_MS && kept[plan.kind]++ < MOST_SORTS[plan.kind];
      const gone = ready.filter(({ view }) => !wanted || view.state !== 'running');
      for (const machine of gone) ready.splice(ready.indexOf(machine), 1);
      if (!wanted) this.#sorts.delete(key);
      await Promise.all(gone.map((machine) => this.#end(machine, plan)));
    }
  }

  async #makeOne(sort: Sort): Promise<boolean> {
    const { plan } = sort;
    const labels = { pool: 'yes', name: plan.name };
    const machine = this.#options.build(newId(), labels, plan);
    this.#others.set(machine, plan);
    try {
      await machine.create(plan, new Stopwatch(performance.now()));
      if (machine instanceof VirtualMachine) await machine.running();
      // As whoever gets it will: a broker that cannot do this yet, for it is older, must not fail a learner's click.
      await machine.label(labels);
    } catch (error) {
      const reason = messageOf(error);
      this.#options.log.warn({ machine: machine.id, reason }, 'cannot make a machine for the pool');
      await this.#end(machine, plan);
      return false;
    }
    this.#others.delete(machine);
    sort.ready.push(machine);
    return true;
  }

  async #end(machine: LearnerMachine, plan: MachinePlan): Promise<void> {
    this.#others.set(machine, plan);
    try {
      await machine.end();
    } catch (error) {
      // The next comparison with the broker finds that nobody claims it.
      this.#options.log.error(
        { machine: machine.id, reason: messageOf(error) },
        'cannot end a pooled machine',
      );
    } finally {
      this.#others.delete(machine);
    }
  }
}

/** A container on the host, or a copy of a template: what boots is asked for because it boots. */
function isPoolable({ kind, start, where }: MachinePlan): boolean {
  return where.vm === null && (kind === 'container' || start === 'template');
}

/** What two machines have in common of which one can stand in for the other. Its name is its host name. */
function sortOf({ kind, profile, start, image, limits, needs, name, terminal }: MachinePlan): string {
  return JSON.stringify([kind, profile, start, image, limits, needs, name, terminal !== null]);
}

function asPooled(plan: MachinePlan): MachinePlan {
  return { ...plan, carrier: false, terminal: plan.terminal && SIZE };
}

/** Whether a broker's record is of a machine that some server's pool had. */
export function wasPooled({ labels }: MachineRecord): boolean {
  return labels.pool !== undefined;
}
