// The Linux in this tab, as the page sees it: a worker with an emulator, and a conversation with the broker in it.
import { Conversation } from '@bulkhead/sandbox-server/broker/conversation';
import type { MachineRecord } from '@bulkhead/sandbox-server/protocol';
import type { ByteDuplex, ByteHandlers } from '@bulkhead/sandbox-server/protocol/bytes';
import type { FromWorker, Saved, ToWorker, Use } from './messages.ts';
import { renewIdentity } from './renew.ts';
import { say } from './words.ts';

export type TabState =
  | { phase: 'off' }
  | { phase: 'fetching'; bytes: number; of: number }
  | { phase: 'restoring' }
  | {
      phase: 'running';
      release: string;
      memoryBytes: number;
      wholeBytes: number;
      resumed: boolean;
      /** What was in it when it began to run. */
      machines: readonly MachineRecord[];
    }
  | { phase: 'ended'; console: readonly string[] }
  | { phase: 'failed'; message: string };

/** What a worker says beside the machine's course. */
export type Aside = Extract<FromWorker, { type: 'keeping' | 'kept' | 'notice' }>;

/** The part of Worker that is used. */
export interface WorkerLike {
  onmessage: ((event: { data: FromWorker }) => void) | null;
  onerror: ((event: { message?: string }) => void) | null;
  postMessage(message: ToWorker): void;
  terminate(): void;
}

/** A restored guest answers at once; one that does not on a busy device within this has not been restored. */
const GREETING_LIMIT_MS = 60_000;
/** An emulated processor is some fifty times slower than the one that it runs on. */
export const REQUEST_LIMIT_MS = 60_000;

export class TabMachine {
  readonly #makeWorker: () => WorkerLike;
  /** Told what comes aside. */
  readonly asides = new Set<(aside: Aside) => void>();
  readonly #listeners = new Set<(state: TabState) => void>();
  readonly #asleep = new Set<'hidden' | 'frozen'>();
  #sleeps = false;
  #sparing = false;
  #working = 0;
  readonly #answers = new Map<'saved' | 'use', (told: never) => void>();
  #state: TabState = { phase: 'off' };
  #worker: WorkerLike | null = null;
  #guest: Conversation | null = null;

  constructor(makeWorker: () => WorkerLike) {
    this.#makeWorker = makeWorker;
  }

  /** The host that this machine is. Only while it runs. */
  get guest(): Conversation {
    if (!this.#guest) throw new Error('the machine in the tab does not run');
    return this.#guest;
  }

  /** Svelte's store contract: called at once and at every change. */
  subscribe(listener: (state: TabState) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#state);
    return () => this.#listeners.delete(listener);
  }

  get state(): TabState {
    return this.#state;
  }

  /** Fetches and restores the machine whose image lies at `base`. `name`: under which it is saved on this device, and goes on
   * from if it was; without one it is not. `hostname`: what it calls itself. */
  start(
    base: string,
    { name = null, hostname = 'tab' }: { name?: string | null; hostname?: string } = {},
  ): void {
    this.stop();
    const worker = this.#makeWorker();
    this.#worker = worker;
    this.#become({ phase: 'fetching', bytes: 0, of: 0 });
    const port = new WorkerPort(worker);
    worker.onerror = ({ message }) =>
      this.#fail(message ? say('failed.startWhy', { why: message }) : say('failed.start'));
    worker.onmessage = ({ data }) => {
      if (worker !== this.#worker) return;
      if (data.type === 'bytes') port.receive(data.bytes);
      else if (data.type === 'progress') this.#become({ phase: 'fetching', bytes: data.bytes, of: data.of });
      else if (data.type === 'restoring') this.#become({ phase: 'restoring' });
      else if (data.type === 'running') void this.#greet(port, data, hostname);
      else if (data.type === 'notice' || data.type === 'keeping' || data.type === 'kept')
        for (const tell of [...this.asides]) tell(data);
      else if (data.type === 'saved' || data.type === 'use') this.#answers.get(data.type)?.(data as never);
      else if (data.type === 'failed') this.#fail(data.message);
      else {
        this.#halt();
        this.#become({ phase: 'ended', console: data.console });
      }
    };
    worker.postMessage({ type: 'start', base, name });
    if (this.#sparing) this.spare(true);
  }

  /** Stops everything, a download as well. What was in the machine is gone. */
  stop(): void {
    this.#halt();
    if (this.#state.phase !== 'off') this.#become({ phase: 'off' });
  }

  #halt(): void {
    this.#guest?.close('the machine was stopped');
    this.#guest = null;
    this.#worker?.terminate();
    this.#worker = null;
    this.#asleep.delete('frozen');
    this.#sleeps = false;
    for (const answer of [...this.#answers.values()]) answer(undefined as never);
  }

  /** Saves what is in its memory on this device. */
  async save(): Promise<Saved> {
    return (await this.#ask('save', 'saved')) ?? { done: false, why: null };
  }

  /** What it costs the tab; null while there is nothing. */
  async use(): Promise<Use | null> {
    return (await this.#ask('use', 'use'))?.use ?? null;
  }

  /** One question of a kind at a time; undefined when the machine is stopped before the answer. */
  async #ask<T extends 'saved' | 'use'>(
    question: 'save' | 'use',
    answer: T,
  ): Promise<Extract<FromWorker, { type: T }> | undefined> {
    if (!this.#worker || this.#answers.has(answer)) return undefined;
    const { promise, resolve } = Promise.withResolvers<Extract<FromWorker, { type: T }> | undefined>();
    this.#answers.set(answer, resolve as (told: never) => void);
    this.#worker.postMessage({ type: question });
    return promise.finally(() => this.#answers.delete(answer));
  }

  /** Has it stand still and cost nothing: while nobody looks, or because its learner froze it. It goes on when neither holds. */
  sleep(asleep: boolean, why: 'hidden' | 'frozen' = 'hidden'): void {
    if (asleep) this.#asleep.add(why);
    else this.#asleep.delete(why);
    this.#settle();
  }

  /** Has it rest as long as it works, or no longer: it takes half of the processor at most. */
  spare(sparing: boolean): void {
    this.#sparing = sparing;
    this.#worker?.postMessage({ type: 'spare', sparing });
  }

  /** Does what it must not fall asleep in the middle of: a request that nobody answers has failed after a minute. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#working++;
    try {
      return await work();
    } finally {
      this.#working--;
      this.#settle();
    }
  }

  #settle(): void {
    const asleep =
      this.#state.phase === 'running' &&
      (this.#asleep.has('frozen') || (this.#asleep.has('hidden') && this.#working === 0));
    if (asleep === this.#sleeps) return;
    this.#sleeps = asleep;
    this.#worker?.postMessage({ type: asleep ? 'sleep' : 'wake' });
  }

  /** Has all of its disk fetched and kept, so that it does without a network. */
  keepWhole(): void {
    this.#worker?.postMessage({ type: 'keep' });
  }

  async #greet(
    port: WorkerPort,
    { type: _, ...running }: Extract<FromWorker, { type: 'running' }>,
    hostname: string,
  ): Promise<void> {
    const guest = new Conversation(() => Promise.resolve(port));
    this.#guest = guest;
    try {
      await guest.greeted(GREETING_LIMIT_MS);
      const [{ machines }] = await Promise.all([
        guest.request('machine.list', {}, { timeoutMs: REQUEST_LIMIT_MS }),
        renewIdentity(guest, hostname),
      ]);
      if (guest === this.#guest) this.#become({ phase: 'running', ...running, machines });
    } catch (error) {
      if (guest === this.#guest)
        this.#fail(say('failed.silent', { why: error instanceof Error ? error.message : String(error) }));
    }
  }

  /** Not by way of `off`, which is what a reader does: who waits is to hear why. */
  #fail(message: string): void {
    this.#halt();
    this.#become({ phase: 'failed', message });
  }

  #become(state: TabState): void {
    this.#state = state;
    this.#settle();
    for (const listener of [...this.#listeners]) listener(state);
  }
}

/** The machine's port, on this side of the worker. */
class WorkerPort implements ByteDuplex {
  readonly #worker: WorkerLike;
  #handlers: ByteHandlers | null = null;
  #held: Uint8Array[] = [];
  #paused = false;

  constructor(worker: WorkerLike) {
    this.#worker = worker;
  }

  open(handlers: ByteHandlers): void {
    this.#handlers = handlers;
    this.#held = [];
    this.#paused = false;
  }

  /** What waits is bounded by what the protocol lets be under way; the worker's own queue is never full. */
  write(bytes: Uint8Array): boolean {
    this.#worker.postMessage({ type: 'bytes', bytes });
    return true;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    while (!this.#paused) {
      const bytes = this.#held.shift();
      if (!bytes) return;
      this.#handlers?.data(bytes);
    }
  }

  close(reason: string): void {
    const handlers = this.#handlers;
    this.#handlers = null;
    handlers?.closed(reason);
  }

  receive(bytes: Uint8Array): void {
    if (this.#paused || this.#held.length > 0) this.#held.push(bytes);
    else this.#handlers?.data(bytes);
  }
}
