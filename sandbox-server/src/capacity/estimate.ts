// When those who wait are likely to be let in: what can be known is what was promised and what has been seen.
import { addTo, type Cost, noCost, type Promised, promises } from './books.ts';

/** How far back ends count. */
const WINDOW_MS = 30 * 60_000;
/** Fewer ends than this tell nothing about the next. */
const LEAST_ENDS = 3;

/** When sandboxes have ended, as far back as it says something about the next ends. */
export class Ends {
  #seen: number[] = [];
  /** Since when they are counted. */
  readonly #since: number;

  constructor(now: number) {
    this.#since = now;
  }

  note(now: number): void {
    this.#seen.push(now);
    this.#forget(now);
  }

  /** The mean time between two of them, milliseconds; null while too few have been seen. */
  every(now: number): number | null {
    this.#forget(now);
    if (this.#seen.length < LEAST_ENDS) return null;
    return (now - Math.max(this.#since, now - WINDOW_MS)) / this.#seen.length;
  }

  #forget(now: number): void {
    this.#seen = this.#seen.filter((at) => at > now - WINDOW_MS);
  }
}

/** A sandbox that will end. */
export interface Ending {
  cost: Cost;
  /** When it is ended unless somebody types. */
  expiresAt: number;
  /** When it is ended whatever happens. */
  latestAt: number;
}

export interface Estimate {
  expectedAt: number | null;
  latestAt: number | null;
}

/** For each of those who wait, in their order, when its turn comes: expected by the rate of ends, and at the latest by the
 * ends that nobody can put off. Where the promises alone would let one in, it waits for memory, disk or pids that are used,
 * and nobody can say when that ends. `every`: milliseconds from one end to the next, null if unknown. */
export function estimate(
  most: Promised,
  endings: readonly Ending[],
  waiting: readonly Cost[],
  every: number | null,
  now: number,
): Estimate[] {
  const sooner = endings.toSorted((a, b) => a.expiresAt - b.expiresAt);
  const later = endings.toSorted((a, b) => a.latestAt - b.latestAt);
  const ends = endsNeeded(most, sooner, waiting);
  const lastEnds = endsNeeded(most, later, waiting);
  return waiting.map((_, index) => {
    const next = ends[index];
    const last = later[(lastEnds[index] ?? 0) - 1];
    const known = next !== null && next !== undefined && every !== null;
    return {
      expectedAt: known ? Math.round(now + Math.max(1, next) * every) : null,
      latestAt: last?.latestAt ?? null,
    };
  });
}

/** How many of `endings`, in their order, must end until each of those who wait fits, all before it being let in first;
 * null when it does not fit even then. */
function endsNeeded(most: Promised, endings: readonly Ending[], waiting: readonly Cost[]): (number | null)[] {
  const given = noCost();
  for (const { cost } of endings) addTo(given, cost);
  let ended = 0;
  return waiting.map((cost) => {
    while (!fits(most, given.promised, cost.promised)) {
      const next = endings[ended];
      if (!next) return null;
      addTo(given, next.cost, -1);
      ended++;
    }
    addTo(given, cost);
    return ended;
  });
}

function fits(most: Promised, given: Promised, more: Promised): boolean {
  return promises.every((key) => more[key] === 0 || given[key] + more[key] <= most[key]);
}
