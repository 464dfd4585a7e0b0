// Who is let in and when: whoever asks while there is room and nobody waits, at once; everybody else in the order in which
// they asked. A decision and the taking of the place are one step, so two requests cannot share one.
import type { Logger } from 'pino';
import type { LearnerMachine } from '../machines/machine.ts';
import { type MachinePlan, placeSandbox, type Wanted, wishes } from '../machines/placement.ts';
import { planOfView } from '../machines/shown.ts';
import { messageOf, Problem } from '../problem.ts';
import type { Status } from '../protocol/api.ts';
import type { Probe } from '../protocol/broker.ts';
import type { Policy } from '../sandboxes/policy.ts';
import type { Sandbox } from '../sandboxes/sandbox.ts';
import {
  addTo,
  availableOf,
  type Books,
  type Cost,
  costOf,
  mostOf,
  neverFits,
  noCost,
  refusal,
  timesLeft,
} from './books.ts';
import { type Ending, Ends, estimate } from './estimate.ts';
import type { Pool } from './pool.ts';
import { type Asker, Queue, type Ticket } from './queue.ts';

/** How often those who wait are looked after, besides whenever something ends. */
const LOOK_MS = 2_000;
/** A machine is charged with what it takes until a measure shows it. */
const SETTLED_MS = 10_000;
/** When the broker refused what the books allowed, it is asked again after this. */
const AFTER_REFUSAL_MS = 5_000;

export interface AdmissionOptions {
  policy: Policy;
  log: Logger;
  pool: Pool;
  probe: () => Promise<Probe>;
  sandboxes: () => Iterable<Sandbox>;
  /** Machines on the host that are nobody's here. */
  foreign: () => number;
  /** Throws Problem `quota` or `rate` when the learner, or the address, has as much as one may have. */
  mustBeAllowed: (asker: Asker) => void;
  /** Takes the place at once, and resolves when the machines have been made. */
  start: (asker: Asker, plans: readonly MachinePlan[], zero: number) => Promise<Sandbox>;
}

export class Admission {
  readonly queue: Queue;
  readonly #options: AdmissionOptions;
  readonly #ends = new Ends(Date.now());
  readonly #rounds: NodeJS.Timeout;
  #looking = false;
  #lookAgain = false;
  #notBefore = 0;
  #closed = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.queue = new Queue({ most: options.policy.waiting });
    this.#rounds = setInterval(() => {
      if (this.queue.waiting.length > 0) void this.look();
      else this.queue.prune();
    }, LOOK_MS);
    this.#rounds.unref();
  }

  /** Lets in, or gives a place in the queue. Throws Problem `too_big` for what never fits, `full` when the queue is too. */
  async ask(asker: Asker, wanted: Wanted, zero: number): Promise<Sandbox | Ticket> {
    const probe = await this.#options.probe();
    // From here on nothing is waited for until the place is taken.
    this.#options.mustBeAllowed(asker);
    const plans = placeSandbox(wanted.machines, probe);
    const never = neverFits(mostOf(probe, this.#options.policy), costOf(plans));
    if (never !== null) throw new Problem('too_big', never);
    const why = this.#whyNot(plans, probe);
    if (why === null) return this.#start(asker, plans, zero, wanted);
    const ticket = this.queue.add(asker, wanted, why);
    this.#estimate(probe);
    this.queue.tell();
    return ticket;
  }

  /** Looks after those who wait: something may have become free. */
  async look(): Promise<void> {
    if (this.#looking) {
      this.#lookAgain = true;
      return;
    }
    this.#looking = true;
    try {
      do {
        this.#lookAgain = false;
        await this.#letIn();
      } while (this.#lookAgain && !this.#closed);
    } catch (error) {
      this.#options.log.warn({ reason: messageOf(error) }, 'cannot let anybody in');
    } finally {
      this.#looking = false;
    }
  }

  /** A sandbox has ended. */
  noteEnd(): void {
    this.#ends.note(Date.now());
    void this.look();
  }

  /** Whether the pool may take this too: nobody waits, nothing begins, and there is room beside it. */
  async mayPool(cost: Cost): Promise<boolean> {
    if (this.queue.head || this.#closed) return false;
    for (const { view } of this.#machines()) {
      if (view.state === 'starting' || view.state === 'booting') return false;
    }
    return refusal(this.#books(await this.#options.probe()), cost) === null;
  }

  /** What the host can still take, the pool given up. */
  room(probe: Probe): NonNullable<Status['room']> {
    const books = this.#withoutPool(this.#books(probe), []);
    const has = (kind: 'container' | 'vm') => probe.images.some((image) => image.kind === kind);
    const container = costOf([sample('container', probe)]);
    const containers = has('container') ? timesLeft(books, container) : 0;
    const vms = has('vm') && probe.vm.accel ? timesLeft(books, costOf([sample('vm', probe)])) : 0;
    const machines = books.given.promised.machines;
    const reason = has('container')
      ? refusal(books, container)
      : 'This host has no container image yet: npm start builds it.';
    const { waiting } = this.queue;
    const ready = this.#options.pool.ready;
    const full = waiting.length > 0 ? (reason ?? waiting[0]?.reason ?? null) : reason;
    const left = waiting.length > 0 ? { containers: 0, vms: 0 } : { containers, vms };
    return {
      machines,
      mostMachines: books.most.machines,
      ...left,
      waiting: waiting.length,
      ready,
      reason: full,
    };
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#rounds);
  }

  async #letIn(): Promise<void> {
    this.queue.prune();
    for (let head = this.queue.head; head && Date.now() >= this.#notBefore; head = this.queue.head) {
      const probe = await this.#options.probe();
      if (this.#closed || this.queue.head !== head) continue;
      if (!this.#admit(head, probe)) break;
    }
    if (this.queue.head) this.#estimate(await this.#options.probe());
    this.queue.tell();
  }

  /** Lets the first of the queue in if it fits. */
  #admit(ticket: Ticket, probe: Probe): boolean {
    try {
      const plans = placeSandbox(ticket.wanted.machines, probe);
      const why = this.#refusal(plans, probe);
      if (why !== null) {
        ticket.reason = why;
        return false;
      }
      this.queue.begin(ticket);
      void this.#begin(ticket, plans);
    } catch (error) {
      this.#refuse(ticket, error);
    }
    return true;
  }

  async #begin(ticket: Ticket, plans: readonly MachinePlan[]): Promise<void> {
    try {
      // Its clock begins now: that it waited is told beside it.
      const { id } = await this.#options.start(ticket.asker, plans, performance.now());
      this.queue.settle(ticket, { sandbox: id });
    } catch (error) {
      if (isFull(error)) this.#waitOn(ticket, error);
      else this.#refuse(ticket, error);
    }
  }

  #refuse(ticket: Ticket, error: unknown): void {
    if (this.queue.waiting.includes(ticket)) this.queue.begin(ticket);
    const known = error instanceof Problem;
    if (!known)
      this.#options.log.warn({ ticket: ticket.id, reason: messageOf(error) }, 'cannot let somebody in');
    this.queue.settle(ticket, { reason: messageOf(error) });
  }

  #waitOn(ticket: Ticket, error: unknown): void {
    this.#notBefore = Date.now() + AFTER_REFUSAL_MS;
    this.queue.putBack(ticket, messageOf(error));
  }

  /** Starts what fits by the books. Should the broker know better, whoever asked waits for a place as everybody does. */
  async #start(
    asker: Asker,
    plans: readonly MachinePlan[],
    zero: number,
    wanted: Wanted,
  ): Promise<Sandbox | Ticket> {
    try {
      return await this.#options.start(asker, plans, zero);
    } catch (error) {
      if (!isFull(error)) throw error;
      this.#notBefore = Date.now() + AFTER_REFUSAL_MS;
      return this.queue.add(asker, wanted, messageOf(error));
    }
  }

  #whyNot(plans: readonly MachinePlan[], probe: Probe): string | null {
    const others = this.queue.waiting.length;
    if (others === 0) return this.#refusal(plans, probe);
    return `${others === 1 ? 'Somebody else waits' : `${others} others wait`} for room on this host.`;
  }

  /** Why these do not fit now; null when they do, if need be without the pool. */
  #refusal(plans: readonly MachinePlan[], probe: Probe): string | null {
    return refusal(this.#withoutPool(this.#books(probe), plans), this.#missing(plans));
  }

  /** Whether the pool has to go for these to be made. */
  needsPool(plans: readonly MachinePlan[], probe: Probe): boolean {
    return refusal(this.#books(probe), this.#missing(plans)) !== null;
  }

  /** What has to be made of these beside what the pool has ready. */
  #missing(plans: readonly MachinePlan[]): Cost {
    return costOf(plans.filter((plan) => !this.#options.pool.has(plan)));
  }

  #books(probe: Probe): Books {
    const { policy, pool, foreign } = this.#options;
    const given = noCost();
    given.promised.machines = foreign();
    const now = Date.now();
    for (const machine of this.#machines()) {
      const { view } = machine;
      const cost = costOf([planOfView(view, machine.start)]);
      const begins = view.state === 'starting' || view.state === 'booting';
      const settled = !begins && now - view.createdAt > SETTLED_MS;
      addTo(given, settled ? { ...cost, taken: noCost().taken } : cost);
    }
    addTo(given, { promised: pool.cost().promised, taken: noCost().taken });
    return { most: mostOf(probe, policy), available: availableOf(probe, policy), given };
  }

  /** The same, were the pool given up but for what `plans` take of it. */
  #withoutPool(books: Books, plans: readonly MachinePlan[]): Books {
    const pooled = this.#options.pool.cost(plans);
    const given = noCost();
    addTo(given, books.given);
    addTo(given, pooled, -1);
    return { ...books, given };
  }

  *#machines(): Generator<LearnerMachine> {
    for (const { machines } of this.#options.sandboxes()) {
      for (const machine of machines) if (!machine.home) yield machine;
    }
  }

  #estimate(probe: Probe): void {
    const books = this.#books(probe);
    const { waiting } = this.queue;
    const costs = waiting.map(({ wanted }) => costOf(placeSandbox(wanted.machines, probe)));
    const endings = [...this.#options.sandboxes()].map(endingOf);
    // What is nobody's here does not end with any of these.
    const most = { ...books.most, machines: books.most.machines - this.#options.foreign() };
    const now = Date.now();
    const told = estimate(most, endings, costs, this.#ends.every(now), now);
    for (const [index, ticket] of waiting.entries()) Object.assign(ticket, told[index]);
  }
}

function endingOf(sandbox: Sandbox): Ending {
  const cost = noCost();
  for (const machine of sandbox.machines) {
    if (!machine.home) addTo(cost, costOf([planOfView(machine.view, machine.start)]));
  }
  const { expiresAt, latestAt } = sandbox.view;
  return { cost, expiresAt, latestAt };
}

/** A machine as most ask for it, to count how many there is room for. */
function sample(kind: 'container' | 'vm', { maxima, hostname, kernel }: Probe) {
  const wish = { ...wishes.container, ...wishes[kind] };
  const limits = { ...wish, memory_bytes: Math.min(wish.memory_bytes, maxima.memory_bytes) };
  const where = { depth: 'host', host: hostname, vm: null, kernel: kernel.release, accel: null } as const;
  return { kind, start: kind === 'vm' ? ('template' as const) : null, limits, where };
}

/** The broker, or the books, have no room. */
function isFull(error: unknown): boolean {
  return error instanceof Problem
    ? error.code === 'full'
    : error instanceof Error && 'code' in error && error.code === 'limit';
}
