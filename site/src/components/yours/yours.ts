// What a learner has here: sandboxes, places in the queue, what was done, workshops. It knows no UI.
import type { Sandbox, Status, Ticket } from '@bulkhead/sandbox-server/protocol';
import { apiPaths } from '@bulkhead/sandbox-server/protocol/addresses';
import type { Progress } from '@bulkhead/sandbox-server/protocol/people';
import type { Me } from '@bulkhead/sandbox-server/protocol/workshops';
import { type Problem, problemFrom, type RequestOptions, request } from '../sandbox/api.ts';
import { SandboxSession } from '../sandbox/sandbox-session.ts';

export interface YoursView {
  /** alone: no server answers. */
  phase: 'looking' | 'alone' | 'ready';
  /** Of each sandbox that runs, oldest first. */
  sessions: readonly SandboxSession[];
  /** Sandboxes that one learner may have here; 0 until it is known. */
  most: number;
  waiting: readonly Ticket[];
  progress: Progress | null;
  me: Me | null;
  /** The recovery code that was made here: it is told once. */
  code: string | null;
  /** What is under way. */
  doing: 'code' | 'recovery' | 'joining' | 'leaving' | 'forgetting' | null;
  /** What went wrong, and in which part of the page. */
  problem: { of: NonNullable<YoursView['doing']> | 'look'; is: Problem } | null;
}

export interface YoursOptions {
  ask?: typeof request;
  /** Makes the session that follows a sandbox; Node's tests bring one that hears no browser's events. */
  session?: () => SandboxSession;
}

const nothing: YoursView = {
  phase: 'looking',
  ...{ sessions: [], most: 0, waiting: [], progress: null, me: null },
  ...{ code: null, doing: null, problem: null },
};

export class Yours {
  readonly #ask: typeof request;
  readonly #make: () => SandboxSession;
  readonly #leaving = new AbortController();
  readonly #listeners = new Set<(view: YoursView) => void>();
  #view: YoursView = nothing;

  constructor(options: YoursOptions = {}) {
    this.#ask = options.ask ?? request;
    this.#make = options.session ?? (() => new SandboxSession({ mine: () => false }));
  }

  get view(): YoursView {
    return this.#view;
  }

  /** Svelte's store contract. */
  subscribe(listener: (view: YoursView) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#view);
    return () => this.#listeners.delete(listener);
  }

  /** Asks what there is. What is followed already goes on being followed. */
  async look(): Promise<void> {
    try {
      const { you } = await this.#request<Status>(apiPaths.status, { within: 5_000 }); // first: it brings the cookie
      const [{ sandboxes }, progress, me] = await Promise.all([
        this.#request<{ sandboxes: Sandbox[] }>(apiPaths.sandboxes),
        this.#request<Progress>(apiPaths.progress),
        this.#request<Me>(apiPaths.me),
      ]);
      if (this.#leaving.signal.aborted) return;
      const sessions = this.#follow(sandboxes);
      const told = { sessions, progress, me, waiting: you.waiting, most: you.mostSandboxes };
      this.#change({
        phase: 'ready',
        ...told,
        ...(this.#view.problem?.of === 'look' ? { problem: null } : {}),
      });
    } catch (error) {
      if (this.#leaving.signal.aborted) return;
      const is = problemFrom(error);
      const alone = is.code === 'unreachable' || is.code === 'too_slow';
      this.#change({ phase: alone ? 'alone' : 'ready', problem: { of: 'look', is } });
    }
  }

  async leaveQueue(ticket: string): Promise<void> {
    await this.#do('leaving', () => this.#request(apiPaths.ticket(ticket), { method: 'DELETE' }));
  }

  /** Makes a recovery code; the one before opens nothing any more. */
  async makeCode(): Promise<void> {
    await this.#do('code', async () => {
      const { code } = await this.#request<{ code: string }>(apiPaths.recoveryCode, { method: 'POST' });
      this.#change({ code });
    });
  }

  /** This browser goes on as the learner with that code; true when it does. */
  async recover(code: string): Promise<boolean> {
    return this.#do('recovery', async () => {
      await this.#request(apiPaths.recover, { method: 'POST', body: { code } });
      this.#follow([]); // their streams are those of somebody else
      this.#change({ code: null });
    });
  }

  async joinWorkshop(code: string, name: string): Promise<boolean> {
    return this.#do('joining', () =>
      this.#request(apiPaths.joinWorkshop, { method: 'POST', body: { code, name } }),
    );
  }

  async leaveWorkshop(workshop: string): Promise<void> {
    await this.#do('leaving', () => this.#request(apiPaths.attendance(workshop), { method: 'DELETE' }));
  }

  /** Has the server forget what it keeps of this learner; sandboxes go on until they are ended. */
  async forget(): Promise<void> {
    await this.#do('forgetting', async () => {
      await this.#request(apiPaths.me, { method: 'DELETE' });
      this.#change({ code: null });
    });
  }

  dispose(): void {
    this.#leaving.abort();
    for (const session of this.#view.sessions) session.dispose();
    this.#listeners.clear();
  }

  /** The sessions of these sandboxes: those there are already, and new ones. */
  #follow(sandboxes: readonly Sandbox[]): SandboxSession[] {
    const known = new Map(
      this.#view.sessions
        .filter(({ view }) => view.phase === 'running')
        .map((session) => [session.view.sandbox?.id, session]),
    );
    const sessions = sandboxes.map((sandbox) => {
      const made = known.get(sandbox.id) ?? this.#make();
      if (!known.has(sandbox.id)) made.adopt(sandbox);
      return made;
    });
    for (const session of this.#view.sessions) if (!sessions.includes(session)) session.dispose();
    this.#change({ sessions });
    return sessions;
  }

  /** One thing at a time; what there is then is asked for anew. True when it was done. */
  async #do(doing: NonNullable<YoursView['doing']>, act: () => Promise<unknown>): Promise<boolean> {
    if (this.#view.doing !== null) return false;
    this.#change({ doing, problem: null });
    try {
      await act();
      await this.look();
      return true;
    } catch (error) {
      if (!this.#leaving.signal.aborted) this.#change({ problem: { of: doing, is: problemFrom(error) } });
      return false;
    } finally {
      if (!this.#leaving.signal.aborted) this.#change({ doing: null });
    }
  }

  #request<T>(path: string, options: RequestOptions = {}): Promise<T> {
    return this.#ask<T>(path, { ...options, signal: this.#leaving.signal });
  }

  #change(more: Partial<YoursView>): void {
    this.#view = { ...this.#view, ...more };
    for (const listener of [...this.#listeners]) listener(this.#view);
  }
}
