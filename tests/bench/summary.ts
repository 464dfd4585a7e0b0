// What is said of many measured values: the middle, the slow end, and how many there were.

export interface Summary {
  median: number;
  min: number;
  /** Nine of ten values are below it. */
  p90: number;
  /** Ninety-nine of a hundred are; the slowest where there are fewer. */
  p99: number;
  max: number;
  runs: number;
}

/** Summarises `values`, in their unit. All NaN where there are none. */
export function summary(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
  return { median: at(0.5), min: at(0), p90: at(0.9), p99: at(0.99), max: at(1), runs: sorted.length };
}
