// What is done for one machine, one after the other.

interface Job {
  key: string;
  run: () => Promise<void>;
}

export class Lane {
  readonly #queue: Job[] = [];
  #busy = false;

  /** Whether something with this key waits; it has not begun, so it will see whatever is so by now. */
  waits(key: string): boolean {
    return this.#queue.some((job) => job.key === key);
  }

  /** Does `run`, which must not reject, when everything asked for before is done. */
  add(key: string, run: () => Promise<void>): void {
    this.#queue.push({ key, run });
    if (!this.#busy) void this.#work();
  }

  /** Forgets what has not begun. */
  clear(): void {
    this.#queue.length = 0;
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let job = this.#queue.shift(); job; job = this.#queue.shift()) await job.run();
    this.#busy = false;
  }
}
