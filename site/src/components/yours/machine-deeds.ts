// What can be done with one machine besides typing in it: stand still, go on, show what it serves. One thing at a time.
import type { Machine, Preview } from '@bulkhead/sandbox-server/protocol';
import { apiPaths } from '@bulkhead/sandbox-server/protocol/addresses';
import { type Problem, problemFrom, type request } from '../sandbox/api.ts';

export interface DeedsView {
  doing: 'freezing' | 'thawing' | 'opening' | null;
  /** The last thing that failed. */
  problem: Problem | null;
  /** Ports whose previews were opened from here, the latest last. */
  opened: readonly number[];
}

export interface DeedsOptions {
  ask: typeof request;
  sandbox: string;
  machine: string;
}

export class MachineDeeds {
  readonly #options: DeedsOptions;
  readonly #listeners = new Set<(view: DeedsView) => void>();
  #view: DeedsView = { doing: null, problem: null, opened: [] };

  constructor(options: DeedsOptions) {
    this.#options = options;
  }

  get view(): DeedsView {
    return this.#view;
  }

  /** Svelte's store contract. */
  subscribe(listener: (view: DeedsView) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#view);
    return () => this.#listeners.delete(listener);
  }

  /** It stands still, with all it has in memory. Its new state comes with the sandbox's events. */
  freeze(): Promise<Machine | null> {
    return this.#do('freezing', apiPaths.freeze);
  }

  thaw(): Promise<Machine | null> {
    return this.#do('thawing', apiPaths.thaw);
  }

  /** The address that opens what the machine serves at this port: good once, for a minute. Null when there is none. */
  async open(port: number): Promise<string | null> {
    const opened = await this.#do<Preview>('opening', apiPaths.previews, { port });
    if (opened) this.#change({ opened: [...this.#view.opened.filter((other) => other !== port), port] });
    return opened?.url ?? null;
  }

  async #do<T>(
    doing: NonNullable<DeedsView['doing']>,
    path: (sandbox: string, machine: string) => string,
    body?: unknown,
  ): Promise<T | null> {
    if (this.#view.doing !== null) return null;
    const { ask, sandbox, machine } = this.#options;
    this.#change({ doing, problem: null });
    try {
      const options = { method: 'POST', ...(body === undefined ? {} : { body }), within: 20_000 } as const;
      const answer = await ask<T>(path(sandbox, machine), options);
      this.#change({ doing: null });
      return answer;
    } catch (error) {
      this.#change({ doing: null, problem: problemFrom(error) });
      return null;
    }
  }

  #change(more: Partial<DeedsView>): void {
    this.#view = { ...this.#view, ...more };
    for (const listener of [...this.#listeners]) listener(this.#view);
  }
}

/** A port as somebody typed it: null for what is none. */
export function readPort(typed: string): number | null {
  const port = /^\d{1,5}$/.test(typed.trim()) ? Number(typed) : 0;
  return port >= 1 && port <= 65_535 ? port : null;
}
