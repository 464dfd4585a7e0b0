// How many checks run at once, of everybody together, and who is next: each in turn, however many others wait.

interface Waiting {
  go: () => void;
}

export class Gate {
  readonly #most: number;
  #running = 0;
  /** Who waits, in the order of their turns. */
  readonly #queues = new Map<string, Waiting[]>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Does `what` when there is room; `who` has one turn, then everybody else who waits has one. */
  async pass<T>(who: string, what: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#most) await new Promise<void>((go) => this.#wait(who, { go }));
    else this.#running++;
    try {
      return await what();
    } finally {
      this.#next();
    }
  }

  #wait(who: string, waiting: Waiting): void {
    const queue = this.#queues.get(who);
    if (queue) queue.push(waiting);
    else this.#queues.set(who, [waiting]);
  }

  /** The place that became free is handed on, and whoever gets it goes to the end of the line. */
  #next(): void {
    const [first] = this.#queues;
    if (!first) {
      this.#running--;
      return;
    }
    const [who, queue] = first;
    const turn = queue.shift();
    this.#queues.delete(who);
    if (queue.length > 0) this.#queues.set(who, queue);
    turn?.go();
  }
}
