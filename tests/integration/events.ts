// The events of a sandbox as a page follows them, each with the moment in which it came.
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import {
  type Machine,
  type SandboxEvent,
  type SandboxEventName,
  sandboxEvents,
} from '../../sandbox-server/src/protocol/api.ts';
import { patiently } from '../patience.ts';

export interface Seen {
  /** performance.now() when it came. */
  at: number;
  event: SandboxEvent;
}

export class Events {
  readonly seen: Seen[] = [];
  readonly #waitMs: number;
  #leave = () => {};
  #wake: (() => void) | null = null;

  /** `waitMs`: how long each event is waited for. */
  constructor(waitMs = patiently(30_000)) {
    this.#waitMs = waitMs;
  }

  /** Follows a sandbox until `close`. `cookie`: its learner's; `view`: machines whose host's view is wanted too. */
  static async follow(url: string, cookie: string, id: string, view: string[] = []): Promise<Events> {
    const events = new Events();
    const leaving = new AbortController();
    const { signal } = leaving;
    events.#leave = () => leaving.abort();
    const response = await fetch(url + apiPaths.events(id, view), { headers: { cookie }, signal });
    void events.#read(response).catch(() => {}); // closed, by either side
    return events;
  }

  /** The same of whoever tells them by calling; `follow` gives the function that ends it. */
  async hear(follow: (listener: (event: SandboxEvent) => void) => Promise<() => void>): Promise<this> {
    this.#leave = await follow((event) => this.#note(event));
    return this;
  }

  close(): void {
    this.#leave();
  }

  /** The first event after `from` that fits. */
  async when(fits: (event: SandboxEvent) => boolean, what: string, from = 0): Promise<Seen> {
    const end = performance.now() + this.#waitMs;
    for (;;) {
      const found = this.seen.find(({ at, event }) => at >= from && fits(event));
      if (found) return found;
      const left = end - performance.now();
      if (left <= 0) throw new Error(`no ${what}; the last: ${JSON.stringify(this.seen.slice(-3))}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** The first view of a machine after `from` in this state. */
  async machine(name: string, state: Machine['state'], from = 0): Promise<{ at: number; machine: Machine }> {
    const fits = ({ event, data }: SandboxEvent) =>
      event === 'machine' && data.name === name && data.state === state;
    const { at, event } = await this.when(fits, `${name} that is ${state}`, from);
    return { at, machine: event.data as Machine };
  }

  async #read(response: Response): Promise<void> {
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        this.#take(text.slice(0, end));
        text = text.slice(end + 2);
      }
    }
  }

  #take(block: string): void {
    const [, name] = /^event: (\w+)$/m.exec(block) ?? [];
    const [, data] = /^data: (.*)$/m.exec(block) ?? [];
    if (!name || !data) return;
    const event = name as SandboxEventName;
    this.#note({ event, data: sandboxEvents[event].parse(JSON.parse(data)) } as SandboxEvent);
  }

  #note(event: SandboxEvent): void {
    this.seen.push({ at: performance.now(), event });
    this.#wake?.();
  }
}
