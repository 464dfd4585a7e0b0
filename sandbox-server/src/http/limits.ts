// How often somebody may ask: a bucket of tokens for each address, refilled steadily.

export interface Rate {
  /** Requests that may come at once. */
  burst: number;
  /** Requests a second that may go on for ever. */
  perSecond: number;
}

/** One classroom may share an address, so these are for a room of 200, not for one person. */
export const rates = {
  any: { burst: 600, perSecond: 100 },
  // A machine for the tab is some 30 files, or 500 with its whole disk; a browser asks for them once.
  linux: { burst: 8_000, perSecond: 500 },
  create: { burst: 60, perSecond: 5 },
  // And of one learner: a lab is begun again now and then, not all the time.
  createOwn: { burst: 20, perSecond: 1 / 3 },
  // A room logs in or recovers within a minute; a guesser gets 500 tries an hour.
  guess: { burst: 60, perSecond: 1 / 8 },
  // A room joins within a minute, each once or twice. Of a thousand million codes a guesser gets 900 tries an hour, and
  // wins a seat by one.
  join: { burst: 400, perSecond: 1 / 4 },
} satisfies Record<string, Rate>;

/** Above this many addresses, those with a full bucket are forgotten. */
const MOST_KEYS = 10_000;

export class RateLimit {
  readonly #rate: Rate;
  readonly #now: () => number;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(rate: Rate, now: () => number = performance.now.bind(performance)) {
    this.#rate = rate;
    this.#now = now;
  }

  /** Takes one token for `key`. Returns 0, or the seconds after which there is one again. */
  take(key: string): number {
    const now = this.#now();
    const bucket = this.#buckets.get(key) ?? { tokens: this.#rate.burst, at: now };
    bucket.tokens = this.#filled(bucket, now);
    bucket.at = now;
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MOST_KEYS) this.#forgetFull(now);
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) / this.#rate.perSecond);
    bucket.tokens -= 1;
    return 0;
  }

  #filled(bucket: { tokens: number; at: number }, now: number): number {
    return Math.min(this.#rate.burst, bucket.tokens + ((now - bucket.at) / 1_000) * this.#rate.perSecond);
  }

  #forgetFull(now: number): void {
    for (const [key, bucket] of this.#buckets) {
      if (this.#filled(bucket, now) >= this.#rate.burst) this.#buckets.delete(key);
    }
  }
}
