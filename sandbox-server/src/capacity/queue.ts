// Who waits for room: in the order in which they asked, each known to its learner by a ticket. Whoever stops asking loses
// the place; whoever reloads the page keeps it. It is not kept on a disk: after a restart of the server pages queue again.
import { newId } from '../ids.ts';
import { Listeners } from '../listeners.ts';
import type { Wanted } from '../machines/placement.ts';
import { metrics } from '../metrics/metrics.ts';
import { Problem } from '../problem.ts';
import type { Ticket as TicketView } from '../protocol/api.ts';

/** Milliseconds after which a ticket that nobody asks about is dropped: a reload, or a train in a tunnel, is shorter. */
const PATIENCE_MS = 30_000;
/** How long the news of an admission can be asked for. */
const NEWS_MS = 60_000;

/** Who asks: the learner, the address the request came from, and the lab that it is for. */
export interface Asker {
  owner: string;
  address: string;
  lab?: string | null;
}

export class Ticket {
  readonly id = newId();
  readonly since: number;
  readonly asker: Asker;
  readonly wanted: Wanted;
  /** Told the view after every change. */
  readonly changes = new Listeners<TicketView>();
  state: TicketView['state'] = 'waiting';
  reason: string;
  sandbox: string | null = null;
  expectedAt: number | null = null;
  latestAt: number | null = null;
  /** Unix time of the last sign that somebody wants it; one that is listened to is wanted anyhow. */
  askedAt: number;

  constructor(asker: Asker, wanted: Wanted, reason: string, now: number) {
    this.asker = { ...asker };
    this.wanted = wanted;
    this.reason = reason;
    this.since = now;
    this.askedAt = now;
  }
}

export interface QueueOptions {
  /** How many may wait. */
  most: number;
  patienceMs?: number;
  now?: () => number;
}

export class Queue {
  /** Those that wait, in order. */
  #waiting: Ticket[] = [];
  /** And those that do not any more, for a while. */
  readonly #all = new Map<string, Ticket>();
  readonly #most: number;
  readonly #patienceMs: number;
  readonly #now: () => number;

  constructor({ most, patienceMs = PATIENCE_MS, now = Date.now }: QueueOptions) {
    this.#most = most;
    this.#patienceMs = patienceMs;
    this.#now = now;
  }

  get waiting(): readonly Ticket[] {
    return this.#waiting;
  }

  get head(): Ticket | undefined {
    return this.#waiting[0];
  }

  /** A learner's tickets that wait or are being admitted. */
  of(owner: string): Ticket[] {
    return [...this.#all.values()].filter(
      (ticket) => ticket.asker.owner === owner && (ticket.state === 'waiting' || ticket.state === 'starting'),
    );
  }

  from(address: string): number {
    return this.#waiting.filter(({ asker }) => asker.address === address).length;
  }

  /** A learner's own ticket. Throws Problem `not_found` for any other. */
  get(owner: string, id: string): Ticket {
    const ticket = this.#all.get(id);
    if (ticket?.asker.owner !== owner) {
      throw new Problem('not_found', 'There is no such place in the queue: it was left, or lost. Ask again.');
    }
    ticket.askedAt = this.#now();
    return ticket;
  }

  /** Gives a place at the end. Throws Problem `full` when too many wait already. */
  add(asker: Asker, wanted: Wanted, reason: string): Ticket {
    if (this.#waiting.length >= this.#most) {
      const message = `${reason} ${this.#most} learners wait for room already, as many as may.`;
      throw new Problem('full', message, { retryAfter: 30 });
    }
    const ticket = new Ticket(asker, wanted, reason, this.#now());
    this.#all.set(ticket.id, ticket);
    this.#waiting.push(ticket);
    return ticket;
  }

  /** Its turn has come: it is no longer in anybody's way. */
  begin(ticket: Ticket): void {
    this.#waiting = this.#waiting.filter((one) => one !== ticket);
    ticket.state = 'starting';
    this.tell();
  }

  /** The turn was taken back: it waits on where it was. */
  putBack(ticket: Ticket, reason: string): void {
    ticket.state = 'waiting';
    ticket.reason = reason;
    const behind = this.#waiting.findIndex(({ since }) => since > ticket.since);
    this.#waiting.splice(behind < 0 ? this.#waiting.length : behind, 0, ticket);
    this.tell();
  }

  /** It waits no more: `sandbox` is there, or it could not be made. */
  settle(ticket: Ticket, outcome: { sandbox: string } | { reason: string }): void {
    metrics.noteWait('served', this.#now() - ticket.since);
    const made = 'sandbox' in outcome;
    ticket.state = made ? 'admitted' : 'refused';
    if (made) ticket.sandbox = outcome.sandbox;
    else ticket.reason = outcome.reason;
    ticket.askedAt = this.#now();
    ticket.changes.emit(this.view(ticket));
  }

  /** It is given up. */
  leave(ticket: Ticket): void {
    this.#forget(ticket, 'left');
    this.tell();
  }

  /** Drops what nobody asks about any more. */
  prune(): void {
    const now = this.#now();
    for (const ticket of this.#all.values()) {
      if (ticket.changes.size > 0) ticket.askedAt = now;
      const patience = ticket.state === 'waiting' ? this.#patienceMs : NEWS_MS;
      if (ticket.state !== 'starting' && now - ticket.askedAt > patience) this.#forget(ticket, 'expired');
    }
  }

  #forget(ticket: Ticket, how: 'left' | 'expired'): void {
    if (ticket.state === 'waiting') metrics.noteWait(how, this.#now() - ticket.since);
    this.#all.delete(ticket.id);
    this.#waiting = this.#waiting.filter((one) => one !== ticket);
    if (ticket.state === 'waiting') ticket.state = 'left';
    ticket.changes.emit(this.view(ticket));
  }

  /** Tells everybody where they are. */
  tell(): void {
    for (const ticket of this.#all.values()) ticket.changes.emit(this.view(ticket));
  }

  /** What was `from`'s is `to`'s. */
  handOver(from: string, to: string): void {
    for (const { asker } of this.#all.values()) if (asker.owner === from) asker.owner = to;
  }

  view(ticket: Ticket): TicketView {
    const { id, state, since, reason, expectedAt, latestAt, sandbox } = ticket;
    const place = this.#waiting.indexOf(ticket) + 1;
    return {
      ...{ ticket: id, state, place, waiting: this.#waiting.length, since, reason },
      ...(place > 0 ? { expectedAt, latestAt } : { expectedAt: null, latestAt: null }),
      machines: ticket.wanted.machines.map(({ name, kind }) => ({ name, kind })),
      sandbox,
    };
  }
}
