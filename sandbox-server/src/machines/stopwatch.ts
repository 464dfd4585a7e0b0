// Measures how a machine is made, on one time axis that begins when the request for it arrived.
import type { Measures, TimelineStep } from '../protocol/api.ts';
import type { TraceStep } from '../protocol/broker.ts';

/** Collects the steps on the way to a prompt. */
export class Stopwatch {
  readonly #zero: number;
  readonly #requestedAt: number;
  readonly #steps: TimelineStep[] = [];
  #pooledAt: number | null = null;
  #readyMs: number | null = null;
  #terminalMs: number | null = null;
  #promptMs: number | null = null;

  /** `zero`: performance.now() when the request arrived. */
  constructor(zero: number) {
    this.#zero = zero;
    this.#requestedAt = Math.round(performance.timeOrigin + zero);
  }

  /** That of whoever is given a machine which was made earlier, when `making` measured it: the steps stay what they were,
   * on their own axis, and how long it takes to be given it counts from `zero`. */
  static ofPooled(making: Stopwatch, zero: number): Stopwatch {
    const watch = new Stopwatch(zero);
    watch.#steps.push(...making.#steps);
    watch.#pooledAt = making.#requestedAt;
    return watch;
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
    this.#place(by, trace, endMs - lengthMs * scale, scale);
  }

  #place(by: TimelineStep['by'], trace: readonly TraceStep[], startMs: number, scale: number): void {
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

  /** Records what somebody else did between two moments of this axis. */
  add(step: Omit<TimelineStep, 'source'> & { source?: string | null }): void {
    this.#add({ ...step, source: step.source ?? null });
  }

  /** Puts the boot of a guest on the axis. Its clock began with its kernel, and showed `uptimeMs` at `askedMs`; before
   * that, since the last step of the broker, was the firmware. */
  placeBoot(boot: readonly TraceStep[], askedMs: number, uptimeMs: number): void {
    const startedMs = Math.max(
      0,
      ...this.#steps.filter(({ by }) => by === 'broker').map(({ endMs }) => endMs),
    );
    // The whole request to the broker ends later than QEMU began; what counts is the step in it.
    const qemu = this.#steps.findLast(({ step, source }) => step === 'start QEMU' && source !== null);
    const firmwareMs = qemu?.endMs ?? startedMs;
    // The clock of an emulated guest runs fast on a busy host; what it did fits in the time that has passed all the same.
    const kernelMs = Math.min(askedMs, Math.max(firmwareMs, askedMs - uptimeMs));
    const scale = Math.min(1, (askedMs - kernelMs) / Math.max(1, uptimeMs));
    const detail = 'SeaBIOS, and what loads the kernel';
    this.add({ by: 'guest', step: 'firmware', startMs: firmwareMs, endMs: kernelMs, detail });
    this.#place('guest', boot, kernelMs, scale);
  }

  /** The machine can take a terminal from now on. */
  ready(): void {
    this.#readyMs ??= round(this.now());
  }

  /** Its first terminal is open. */
  terminal(): void {
    this.#terminalMs ??= round(this.now());
  }

  /** The first byte of that is on its way to a page. False when there was one before, or no terminal. */
  prompt(): boolean {
    if (this.#terminalMs === null || this.#promptMs !== null) return false;
    this.#promptMs = round(this.now());
    if (this.#pooledAt !== null) return true; // the steps are those of another time
    const detail = 'the first byte of the shell';
    this.add({ by: 'server', step: 'prompt', startMs: this.#terminalMs, endMs: this.#promptMs, detail });
    return true;
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
      pooledAt: this.#pooledAt,
      readyMs: this.#readyMs,
      terminalMs: this.#terminalMs,
      promptMs: this.#promptMs,
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
