// How the scripts tell what they are doing: one line a step, rewritten in place on a terminal, repeated now and then in a log.

/** An error whose message is meant for the person at the keyboard: what is wrong and the next step, in one line. */
export class PlainError extends Error {}

const onTerminal = process.stdout.isTTY === true;
const LOG_INTERVAL_MS = 10_000;

/** Formats a duration given in milliseconds, for people: `0.3 s`, `2 min 5 s`. */
export const duration = (ms: number): string => {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
};

/** One numbered step of a longer job; `say` shows how far it is, `done` ends it with its result and time. */
export class Step {
  readonly #label: string;
  readonly #started = performance.now();
  #lastLogged = 0;
  #ticker: NodeJS.Timeout | undefined;
  #message = '';

  constructor(number: number, of: number, name: string) {
    this.#label = ` ${number}/${of}  ${name.padEnd(16)}`;
    // On a terminal a long silence looks like a hang: the seconds go on counting.
    if (onTerminal) this.#ticker = setInterval(() => this.#draw(), 1000).unref();
  }

  /** Says what is going on now, such as `42 % · unpacking qemu`. */
  say(message: string): void {
    const changedTask = message.split(' · ')[1] !== this.#message.split(' · ')[1];
    this.#message = message.replaceAll('\n', ' ');
    const now = performance.now();
    if (onTerminal) this.#draw();
    else if (now - this.#lastLogged > LOG_INTERVAL_MS || (this.#lastLogged === 0 && changedTask)) {
      this.#lastLogged = now;
      console.log(`${this.#label} ${this.#message}`);
    }
  }

  done(result: string): void {
    clearInterval(this.#ticker);
    const line = `${this.#label} ${result}`;
    const time = duration(performance.now() - this.#started);
    process.stdout.write(`${onTerminal ? '\r\x1b[K' : ''}${line.padEnd(78)} ${time}\n`);
  }

  /** Ends the line without a result, so that an error can be printed below it. */
  abandon(): void {
    clearInterval(this.#ticker);
    if (onTerminal) process.stdout.write('\n');
  }

  #draw(): void {
    const seconds = Math.round((performance.now() - this.#started) / 1000);
    const width = (process.stdout.columns ?? 80) - 1;
    process.stdout.write(`\r\x1b[K${`${this.#label} ${this.#message}  ${seconds} s`.slice(0, width)}`);
  }
}
