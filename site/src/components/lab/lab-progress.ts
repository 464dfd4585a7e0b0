// What a learner has done in a lab and where they were: kept in this browser, and by the server for every browser that has
// the same learner (a recovery code brings them together). Storage that is blocked or full, or no server, is one place less.
import type { Progress } from '@bulkhead/sandbox-server/protocol/people';
import type { request } from '../sandbox/api.ts';

export interface Kept {
  /** By step: Unix time at which it was done. */
  done: Readonly<Record<string, number>>;
  /** The part of the lab that was open last, and when. */
  place: { step: string; at: number } | null;
}

export interface LabProgressOptions {
  lab: string;
  /** Asks a server; null where there is none. */
  ask: typeof request | null;
  storage?: () => Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
}

const nothing: Kept = { done: {}, place: null };

export class LabProgress {
  readonly #options: Required<LabProgressOptions>;
  #kept: Kept = nothing;

  constructor(options: LabProgressOptions) {
    this.#options = { storage: () => localStorage, ...options };
    this.#kept = this.#read();
  }

  get kept(): Kept {
    return this.#kept;
  }

  /** Learns what the server knows, and tells it what only this browser does. Never rejects. */
  async meet(): Promise<Kept> {
    const { ask, lab } = this.#options;
    const theirs = await ask?.<Progress>('/api/progress').catch(() => null);
    if (!theirs) return this.#kept;
    const mine = this.#kept;
    const done: Record<string, number> = { ...mine.done };
    for (const one of theirs.done) if (one.lab === lab) done[one.step] = one.doneAt;
    const there = theirs.places.find((place) => place.lab === lab);
    const later = there && there.at > (mine.place?.at ?? 0) ? { step: there.step, at: there.at } : mine.place;
    this.#keep({ done, place: later });
    for (const step of Object.keys(mine.done)) {
      if (!theirs.done.some((one) => one.lab === lab && one.step === step)) this.#tell(step);
    }
    return this.#kept;
  }

  /** `told`: only this page knows, as of a machine in the reader's tab. */
  noteDone(step: string, told: boolean): void {
    if (step in this.#kept.done) return;
    this.#keep({ ...this.#kept, done: { ...this.#kept.done, [step]: Date.now() } });
    if (told) this.#tell(step);
  }

  /** Only steps are places: before the first one, and after the last, there is nothing to come back to. */
  notePlace(step: string): void {
    if (step === this.#kept.place?.step) return;
    this.#keep({ ...this.#kept, place: { step, at: Date.now() } });
    this.#ask(`/api/progress/${this.#options.lab}/place`, { method: 'PUT', body: { step } });
  }

  forget(): void {
    this.#keep(nothing);
    this.#ask(`/api/progress/${this.#options.lab}`, { method: 'DELETE' });
  }

  #tell(step: string): void {
    this.#ask(`/api/progress/${this.#options.lab}/steps/${step}`, { method: 'PUT', body: {} });
  }

  /** What the server does not hear now it is told when the page is opened next. */
  #ask(...asked: Parameters<typeof request>): void {
    this.#options.ask?.(...asked).catch(() => {});
  }

  get #key(): string {
    return `bulkhead-lab:${this.#options.lab}`;
  }

  #read(): Kept {
    try {
      const kept = JSON.parse(this.#options.storage().getItem(this.#key) ?? 'null');
      return kept && typeof kept.done === 'object' ? { ...nothing, ...kept } : nothing;
    } catch {
      return nothing; // blocked, or of another version
    }
  }

  #keep(kept: Kept): void {
    this.#kept = kept;
    try {
      this.#options.storage().setItem(this.#key, JSON.stringify(kept));
    } catch {
      // Blocked or full: the server keeps it.
    }
  }
}
