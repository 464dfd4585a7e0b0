// A place in the queue for room on the host: followed until there is a sandbox, or no place any more.
import type { Ticket } from '@bulkhead/sandbox-server/protocol';
import { apiPaths } from '@bulkhead/sandbox-server/protocol/addresses';
import { RequestFailed, type request } from './api.ts';
import type { EventsLike } from './place.ts';

const AGAIN_MS = 2_000;

export interface TurnOptions {
  ask: typeof request;
  listen: (path: string) => EventsLike;
  /** The place, or what is known of it, has changed; also that the turn has come, that it was refused, or left elsewhere. */
  onchange: (ticket: Ticket) => void;
  /** The server does not know the place any more: it was started again, or could not be reached for too long. */
  onlost: () => void;
}

export class Turn {
  readonly #options: TurnOptions;
  #ticket: Ticket;
  #events: EventsLike | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #over = false;

  constructor(ticket: Ticket, options: TurnOptions) {
    this.#ticket = ticket;
    this.#options = options;
    this.#listen();
  }

  get ticket(): Ticket {
    return this.#ticket;
  }

  /** Gives the place up. Throws RequestFailed. */
  async leave(): Promise<void> {
    this.dispose(); // first, or the news that it was left is heard before the answer
    try {
      await this.#options.ask(apiPaths.ticket(this.#ticket.ticket), { method: 'DELETE' });
    } catch (error) {
      this.#over = false;
      this.#listen();
      throw error;
    }
  }

  dispose(): void {
    this.#over = true;
    this.#events?.close();
    clearTimeout(this.#retry);
  }

  #listen(): void {
    this.#events?.close();
    const events = this.#options.listen(apiPaths.ticketEvents(this.#ticket.ticket));
    this.#events = events;
    events.addEventListener('ticket', (event) => {
      this.#hear(JSON.parse((event as MessageEvent<string>).data) as Ticket);
    });
    // EventSource comes back by itself after a broken connection, but not after an answer such as 404.
    events.onerror = () => {
      if (events.readyState === events.CLOSED && !this.#over) void this.#lookAfter();
    };
  }

  #hear(ticket: Ticket): void {
    if (this.#over) return;
    this.#ticket = ticket;
    const waits = ticket.state === 'waiting' || ticket.state === 'starting';
    if (!waits) this.dispose();
    this.#options.onchange(ticket);
  }

  async #lookAfter(): Promise<void> {
    try {
      this.#hear(await this.#options.ask<Ticket>(apiPaths.ticket(this.#ticket.ticket)));
      if (!this.#over) this.#listen();
    } catch (error) {
      if (this.#over) return;
      const code = error instanceof RequestFailed ? error.problem.code : 'failed';
      if (code === 'not_found' || code === 'no_session') {
        this.dispose();
        this.#options.onlost();
      } else this.#retry = setTimeout(() => void this.#lookAfter(), AGAIN_MS);
    }
  }
}
