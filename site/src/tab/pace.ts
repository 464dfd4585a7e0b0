// When the emulator gets the thread again: at once, but after whatever else waits, or at its guest's next alarm; and not at
// all while it sleeps.

export class Pace {
  /** A message is the shortest way to the end of the queue: timers are held back to 4 ms when they follow each other. */
  readonly #channel = new MessageChannel();
  #next: (() => void) | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asleep = false;
  #busyMs = 0;

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
    if (delayMs < 1) this.#channel.port2.postMessage(null);
    else this.#timer = setTimeout(() => this.#go(), delayMs);
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
    next?.();
    this.#busyMs += performance.now() - began;
  }
}
