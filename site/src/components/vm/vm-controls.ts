// What a learner does with a running VM and with nothing else: move it, save it, go back in time. It knows no UI.
import type { MoveFigures, Snapshot } from '@bulkhead/sandbox-server/protocol';
import { apiPaths } from '@bulkhead/sandbox-server/protocol/addresses';
import type { RequestOptions } from '../sandbox/api.ts';
import { failureInWords } from '../sandbox/failure-words.ts';

export type Act = 'moving' | 'saving' | 'returning';

/** A move, a save or a return that is over. */
export interface Outcome {
  act: Act;
  snapshot: string | null;
  /** Unix time of its end. */
  at: number;
  /** What it took; null for a return and for what failed. */
  figures: MoveFigures | null;
  /** Why it failed, one or two sentences; null when it did not. */
  problem: string | null;
}

export interface VmView {
  /** What is under way. `mine`: this page asked for it, and not another one of the same learner. */
  doing: { act: Act; snapshot: string | null; since: number; mine: boolean; cancelling: boolean } | null;
  /** The latest news of what is under way, oldest first. Empty again when the next thing begins. */
  news: readonly MoveFigures[];
  last: Outcome | null;
  /** Oldest first; null until they have been asked for. */
  snapshots: readonly Snapshot[] | null;
}

export interface VmControlsOptions {
  ask: <T>(path: string, options?: RequestOptions) => Promise<T>;
  sandbox: string;
  machine: string;
}

/** A guest that writes faster than it is sent takes long to move; the server gives up after two minutes. */
const ACT_LIMIT_MS = 125_000;
/** News come twenty times a second: without any for this long, what another page began has ended. */
const SILENCE_MS = 2_000;

export class VmControls {
  readonly #options: VmControlsOptions;
  readonly #listeners = new Set<(view: VmView) => void>();
  #silence: ReturnType<typeof setTimeout> | undefined;
  #view: VmView = { doing: null, news: [], last: null, snapshots: null };

  constructor(options: VmControlsOptions) {
    this.#options = options;
  }

  get view(): VmView {
    return this.#view;
  }

  /** Svelte's store contract. */
  subscribe(listener: (view: VmView) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#view);
    return () => this.#listeners.delete(listener);
  }

  /** Moves it into another QEMU while it runs. */
  async move(): Promise<void> {
    const { sandbox, machine } = this.#options;
    await this.#act('moving', null, apiPaths.migration(sandbox, machine), 'POST');
  }

  /** Calls the move off; the machine stays where it is. What came of it is told by `move`. */
  async cancel(): Promise<void> {
    const { doing } = this.#view;
    if (doing?.act !== 'moving' || doing.cancelling) return;
    const { sandbox, machine, ask } = this.#options;
    this.#change({ doing: { ...doing, cancelling: true } });
    try {
      await ask(apiPaths.migration(sandbox, machine), { method: 'DELETE' });
    } catch {
      // It was over already, or the server is away: the answer to the move itself says which.
      const now = this.#view.doing;
      if (now) this.#change({ doing: { ...now, cancelling: false } });
    }
  }

  /** Saves all of it under a name. */
  async save(snapshot: string): Promise<void> {
    const { sandbox, machine } = this.#options;
    await this.#act('saving', snapshot, apiPaths.snapshot(sandbox, machine, snapshot), 'PUT');
    await this.list();
  }

  /** Goes back to the moment of a snapshot: what happened since has not happened. */
  async goBack(snapshot: string): Promise<void> {
    const { sandbox, machine } = this.#options;
    await this.#act(
      'returning',
      snapshot,
      `${apiPaths.snapshot(sandbox, machine, snapshot)}/restore`,
      'POST',
    );
  }

  async remove(snapshot: string): Promise<void> {
    const { sandbox, machine, ask } = this.#options;
    try {
      await ask(apiPaths.snapshot(sandbox, machine, snapshot), { method: 'DELETE' });
    } catch (error) {
      this.#over('saving', snapshot, null, failureInWords(error, false));
    }
    await this.list();
  }

  /** Asks which snapshots there are; what was known stands when nobody answers. */
  async list(): Promise<void> {
    const { sandbox, machine, ask } = this.#options;
    try {
      const { snapshots } = await ask<{ snapshots: Snapshot[] }>(apiPaths.snapshots(sandbox, machine));
      this.#change({ snapshots });
    } catch {
      // told by whatever is tried next; a list is not worth a message of its own
    }
  }

  /** Takes the server's news of a VM that is being moved or saved. */
  hear(figures: MoveFigures): void {
    const doing = this.#view.doing ?? {
      act: 'moving',
      snapshot: null,
      since: Date.now() - figures.elapsedMs,
      mine: false,
      cancelling: false,
    };
    const news = this.#view.doing ? [...this.#view.news, figures].slice(-400) : [figures];
    this.#change({ doing, news });
    clearTimeout(this.#silence);
    if (!doing.mine) this.#silence = setTimeout(() => this.#change({ doing: null }), SILENCE_MS);
  }

  dispose(): void {
    clearTimeout(this.#silence);
    this.#listeners.clear();
  }

  async #act(act: Act, snapshot: string | null, path: string, method: 'POST' | 'PUT'): Promise<void> {
    if (this.#view.doing) return;
    const doing = { act, snapshot, since: Date.now(), mine: true, cancelling: false };
    this.#change({ doing, news: [], last: null });
    try {
      const figures = await this.#options.ask<MoveFigures | undefined>(path, {
        method,
        within: ACT_LIMIT_MS,
      });
      this.#over(act, snapshot, figures ?? null, null);
    } catch (error) {
      this.#over(act, snapshot, null, failureInWords(error, this.#cancelling));
    }
  }

  #over(act: Act, snapshot: string | null, figures: MoveFigures | null, problem: string | null): void {
    this.#change({ doing: null, last: { act, snapshot, at: Date.now(), figures, problem } });
  }

  get #cancelling(): boolean {
    return this.#view.doing?.cancelling ?? false;
  }

  #change(more: Partial<VmView>): void {
    this.#view = { ...this.#view, ...more };
    for (const listener of [...this.#listeners]) listener(this.#view);
  }
}

/** Bytes a second over the last half second of the news; null while there is too little to tell. */
export function rateOf(news: readonly MoveFigures[]): number | null {
  const now = news.at(-1);
  const then = now && news.find(({ elapsedMs }) => now.elapsedMs - elapsedMs <= 500);
  if (!now || !then || now.elapsedMs <= then.elapsedMs) return null;
  return ((now.transferredBytes - then.transferredBytes) * 1_000) / (now.elapsedMs - then.elapsedMs);
}

/** How much of its memory is on the other side, from 0 to 1. It falls when the guest writes faster than is sent. */
export function shareMoved(figures: MoveFigures | undefined): number {
  if (!figures || figures.totalBytes === 0) return 0;
  if (figures.status === 'completed') return 1;
  // Before the first round QEMU has counted nothing, and a "remaining" of 0 does not mean that it is done.
  if (figures.transferredBytes === 0) return 0;
  return Math.max(0, Math.min(1, 1 - figures.remainingBytes / figures.totalBytes));
}
