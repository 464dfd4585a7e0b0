// Who may begin now, when many ask at once. VMs that start together share the processors, so all of them come late and,
// emulated, too late for their own deadlines; one after another the first is there in the time of one, and the last no later.

/** Told to somebody who waits each time when so many are before them; above it every tenth time, for a room of two hundred
 * would be told twenty thousand times. */
const TOLD_EXACTLY = 10;

export interface Turn {
  /** Resolves when it has come, at once where nobody is before; also when it was given up by `done`. */
  readonly come: Promise<void>;
  /** Whether it had to be waited for. */
  readonly waits: boolean;
  /** It is over, or not wanted any more. Safe to call twice. */
  done(): void;
}

interface Place {
  begin: () => void;
  told: (before: number) => void;
}

export class Turns {
  readonly #most: number;
  readonly #waiting: Place[] = [];
  #busy = 0;

  /** `most`: how many may be at it at once. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Takes a place at the end. `told`, of one that waits: how many are before it, those included that are at it; 0 when it
   * begins. */
  take(told: (before: number) => void): Turn {
    const { promise, resolve } = Promise.withResolvers<void>();
    let isOver = false;
    const place: Place = { begin: resolve, told };
    const waits = this.#busy >= this.#most;
    if (waits) {
      this.#waiting.push(place);
      told(this.#waiting.length - 1 + this.#busy);
    } else {
      this.#busy++;
      resolve();
    }
    const done = () => {
      if (isOver) return;
      isOver = true;
      const at = this.#waiting.indexOf(place);
      if (at >= 0) this.#waiting.splice(at, 1);
      else this.#busy--;
      resolve();
      this.#next();
    };
    return { come: promise, waits, done };
  }

  #next(): void {
    while (this.#busy < this.#most) {
      const next = this.#waiting.shift();
      if (!next) break;
      this.#busy++;
      next.told(0);
      next.begin();
    }
    for (const [index, { told }] of this.#waiting.entries()) {
      const before = index + this.#busy;
      if (before <= TOLD_EXACTLY || before % TOLD_EXACTLY === 0) told(before);
    }
  }
}
