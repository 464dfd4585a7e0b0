// Measures how a machine is made, on one time axis that begins when the request for it arrived.
import type { Measures, TimelineStep } from '../protocol/api.ts';
import type { TraceStep } from '../protocol/broker.ts';

/** Collects the steps on the way to a prompt. */
export class Stopwatch {
  readonly #zero: number;
  readonly #requestedAt: number;
  readonly #steps: TimelineStep[] = [];
  #readyMs: number | null = null;
  #terminalMs: number | null = null;

  /** `zero`: performance.now() when the request arrived. */
  constructor(zero: number) {
    this.#zero = zero;
    this.#requestedAt = Math.round(performance.timeOrigin + zero);
  }

  /** Milliseconds since the request arrived. */
  now(): number {
    return performance.now() - this.#zero;
  }

  /** Does `work` and records it as a step, also when it fails. */
  async step<T>(by: TimelineStep['by'], step: string, detail: string, work: () => Promise<T>): Promise<T> {
    const startMs = this.now();
    try {
      return await work();
    } finally {
      this.#add({ by, step, startMs, endMs: this.now(), detail, source: null });
    }
  }

  /** Puts a trace, whose times count from its own first step, on the axis so that it ends at `endMs`. */
  placeTrace(by: 'runtime' | 'broker' | 'guest', trace: readonly TraceStep[], endMs: number): void {
    const lengthMs = Math.max(0, ...trace.map((step) => step.end_us)) / 1_000;
    // The clock of an emulated guest runs fast on a busy host; what it did fits in the time that has passed all the same.
    const scale = Math.min(1, endMs / lengthMs);
    const startMs = endMs - lengthMs * scale;
    for (const step of trace) {
      this.#add({
        by,
        step: step.step,
        startMs: startMs + (step.start_us / 1_000) * scale,
        endMs: startMs + (step.end_us / 1_000) * scale,
        detail: step.detail,
        source: step.source || null,
      });
    }
  }

  /** The machine can take a terminal from now on. */
  ready(): void {
    this.#readyMs ??= round(this.now());
  }

  /** Its first terminal is open. */
  terminal(): void {
    this.#terminalMs ??= round(this.now());
  }

  /** Forgets what was measured of an attempt that failed; the axis stays. */
  again(detail: string): void {
    const endMs = this.now();
    this.#steps.length = 0;
    this.#add({ by: 'server', step: 'first attempt', startMs: 0, endMs, detail, source: null });
  }

  get measures(): Measures {
    return {
      requestedAt: this.#requestedAt,
      readyMs: this.#readyMs,
      terminalMs: this.#terminalMs,
      promptMs: null,
      steps: this.#steps.toSorted((a, b) => a.startMs - b.startMs || b.endMs - a.endMs),
    };
  }

  #add(step: TimelineStep): void {
    this.#steps.push({ ...step, startMs: round(step.startMs), endMs: round(step.endMs) });
  }
}

/** To the microsecond: finer is noise. */
function round(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
