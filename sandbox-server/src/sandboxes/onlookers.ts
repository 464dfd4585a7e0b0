// Pages that want the host's view of machines: each is told what it has not been told yet.
import type { LearnerMachine } from '../machines/machine.ts';
import type { HostView, SandboxEvent } from '../protocol/api.ts';

type Listener = (event: SandboxEvent) => void;

/** A look takes a process of the broker's: while more pages than this look on, the machines of each are looked at less
 * often, by so much for each page more. */
const USUAL_PAGES = 20;
const MORE_MS = 25;
/** Pages that look on, at whatever sandbox. */
let pages = 0;

export class Onlookers {
  /** Of each, by machine, what it was told last. */
  readonly #told = new Map<Listener, Map<string, string>>();
  #looking = false;
  #lookedAt = Number.NEGATIVE_INFINITY;

  /** Returns the function that leaves. */
  add(listener: Listener, machines: readonly string[]): () => void {
    if (machines.length === 0) return () => {};
    this.#told.set(listener, new Map(machines.map((name) => [name, ''])));
    pages++;
    return () => {
      if (this.#told.delete(listener)) pages--;
    };
  }

  /** Looks at what is wanted and tells what has changed. One look at a time: what does not let itself be looked at holds up
   * nobody else. */
  async look(machines: readonly LearnerMachine[], now: () => number): Promise<void> {
    const began = performance.now();
    const due = began - this.#lookedAt >= (pages - USUAL_PAGES) * MORE_MS;
    if (this.#looking || this.#told.size === 0 || !due) return;
    this.#looking = true;
    this.#lookedAt = began;
    const wanted = new Set([...this.#told.values()].flatMap((told) => [...told.keys()]));
    await Promise.all(
      machines.filter(({ view }) => wanted.has(view.name)).map((one) => this.#lookAt(one, now)),
    );
    this.#looking = false;
  }

  async #lookAt(machine: LearnerMachine, now: () => number): Promise<void> {
    const { name, state } = machine.view;
    if (state !== 'running' && state !== 'booting') return;
    let view: HostView;
    try {
      view = await machine.hostView();
    } catch {
      return; // it ended, or the broker is away: both are told as such
    }
    const text = JSON.stringify(view);
    for (const [listener, told] of this.#told) {
      if (!told.has(name) || told.get(name) === text) continue;
      told.set(name, text);
      listener({ event: 'view', data: { machine: name, at: now(), ...view } });
    }
  }
}
