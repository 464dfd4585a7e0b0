// When the emulator gets the thread again: at once, but after whatever else waits, or at its guest's next alarm; and not at
// all while it sleeps.

export class Pace {
  /** A message is the shortest way to the end of the queue: timers are held back to 4 ms when they follow each other. */
  readonly #channel = new MessageChannel();
  #next: (() => void) | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asleep = false;
  #busyMs = 0;
  /** When the turn that is being taken began; null between two. */
  #began: number | null = null;
  /** It rests after each turn as long as that took, so that a device takes half of its processor at most. */
  sparing = false;

  constructor() {
    this.#channel.port1.onmessage = () => this.#go();
  }

  /** Milliseconds in which the emulator had the thread. */
  get busyMs(): number {
    return this.#busyMs;
  }

  /** Calls `again` after so many milliseconds, in place of what was to be called. */
  later(delayMs: number, again: () => void): void {
    clearTimeout(this.#timer);
    this.#next = again;
    if (this.#asleep) return;
    const waitMs =
      this.sparing && this.#began !== null ? Math.max(delayMs, performance.now() - this.#began) : delayMs;
    if (waitMs < 1) this.#channel.port2.postMessage(null);
    else this.#timer = setTimeout(() => this.#go(), waitMs);
  }

  sleep(): void {
    this.#asleep = true;
    clearTimeout(this.#timer);
  }

  wake(): void {
    if (!this.#asleep) return;
    this.#asleep = false;
    if (this.#next) this.#channel.port2.postMessage(null);
  }

  #go(): void {
    if (this.#asleep) return;
    const next = this.#next;
    this.#next = null;
    const began = performance.now();
    this.#began = began;
    next?.();
    this.#began = null;
    this.#busyMs += performance.now() - began;
  }
}
