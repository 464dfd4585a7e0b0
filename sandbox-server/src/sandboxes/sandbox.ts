// One sandbox: its machines and its time. It tells what happens to it as events, and asks for its own end when its time
// is up.
import { Listeners } from '../listeners.ts';
import type { LearnerMachine } from '../machines/machine.ts';
import { Problem } from '../problem.ts';
import type { Check, MachineStats, SandboxEvent, Sandbox as SandboxView } from '../protocol/api.ts';
import { quiet } from '../quiet.ts';
import { Onlookers } from './onlookers.ts';
import type { Policy } from './policy.ts';
import type { SandboxRow } from './store.ts';

const STATS_INTERVAL_MS = 500;
/** The states in which a machine uses something. */
const hasUse: ReadonlySet<string> = new Set(['booting', 'running', 'frozen']);
/** Key presses move the deadline at most this often: each move is a write to the disk. */
const ACTIVITY_GRAIN_MS = 30_000;

export interface SandboxOwner {
  /** A new deadline is to be remembered. */
  saveExpiry(id: string, expiresAt: number): void;
  /** The time is up. */
  timeIsUp(sandbox: Sandbox): void;
  /** Whether who follows it could see what is told; without it, they can. A page in the background cannot. */
  isSeen?(): boolean;
}

export class Sandbox {
  readonly events = new Listeners<SandboxEvent>();
  /** It is being ended. */
  readonly ends = new Listeners<void>();
  /** Something happens in a terminal: a key, a line of output. Many times a second. */
  readonly stirs = new Listeners<void>();
  readonly #row: SandboxRow;
  readonly #policy: Policy;
  readonly #owner: SandboxOwner;
  readonly #machines = new Map<string, LearnerMachine>();
  readonly #now: () => number;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #ticker: ReturnType<typeof setTimeout> | undefined;
  /** How the steps of its lab stand, by step. */
  readonly #checks = new Map<string, Check>();
  readonly #onlookers = new Onlookers();
  #connections = 0;
  /** Since when nobody has been connected; null while somebody is. */
  #leftAt: number | null;
  #warned = false;
  #ended = false;

  constructor(row: SandboxRow, policy: Policy, owner: SandboxOwner, now: () => number = Date.now) {
    this.#row = { ...row };
    this.#policy = policy;
    this.#owner = owner;
    this.#now = now;
    this.#leftAt = now(); // also when the server has just started: pages come back within seconds
    this.#watchDeadline();
  }

  get id(): string {
    return this.#row.id;
  }

  /** The id of the learner it belongs to. */
  get owner(): string {
    return this.#row.owner;
  }

  /** It is another learner's from now on: the same person, known again by a recovery code. */
  giveTo(owner: string): void {
    this.#row.owner = owner;
  }

  /** The lab that it was made for; null: none. */
  get lab(): string | null {
    return this.#row.lab;
  }

  /** Somebody follows it, and could see what is told. */
  get watched(): boolean {
    return this.events.size > 0 && (this.#owner.isSeen?.() ?? true);
  }

  /** The latest of each step that was checked. */
  get checks(): readonly Check[] {
    return [...this.#checks.values()];
  }

  /** The client address that limits count it for. */
  get address(): string {
    return this.#row.address;
  }

  get expiresAt(): number {
    return this.#row.expiresAt;
  }

  /** When it is ended unless something happens: sooner than at `expiresAt` when nobody is connected to it. */
  get endsAt(): number {
    const { expiresAt } = this.#row;
    return this.#leftAt === null ? expiresAt : Math.min(expiresAt, this.#leftAt + this.#policy.orphanMs);
  }

  get ended(): boolean {
    return this.#ended;
  }

  get machines(): readonly LearnerMachine[] {
    return [...this.#machines.values()];
  }

  get view(): SandboxView {
    const { id, createdAt, expiresAt, latestAt, lab } = this.#row;
    const machines = this.machines.map((machine) => machine.view);
    return { id, createdAt, expiresAt, latestAt, ...(lab !== null && { lab }), machines };
  }

  /** Throws Problem `not_found` when there is no machine of that name. */
  machine(name: string): LearnerMachine {
    const machine = this.#machines.get(name);
    if (!machine) throw new Problem('not_found', `This sandbox has no machine named ${name}.`);
    return machine;
  }

  add(machine: LearnerMachine): void {
    this.#machines.set(machine.view.name, machine);
    machine.changes.add((data) => this.events.emit({ event: 'machine', data }));
    machine.movings.add((figures) =>
      this.events.emit({ event: 'moving', data: { machine: machine.view.name, ...figures } }),
    );
    machine.notices.add((notice) =>
      this.events.emit({ event: 'notice', data: { machine: machine.view.name, ...notice } }),
    );
  }

  /** A step of its lab stands otherwise than before. */
  noteCheck(check: Check): void {
    this.#checks.set(check.step, check);
    this.events.emit({ event: 'check', data: check });
  }

  /** Forgets how steps stand: the machine that they were looked for in begins again. */
  forgetChecks(machine: string): void {
    for (const check of this.checks) if (check.machine === machine) this.#checks.delete(check.step);
  }

  /** Somebody typed in one of its terminals. */
  noteActivity(): void {
    this.stirs.emit();
    const wanted = Math.min(this.#now() + this.#policy.idleMs, this.#row.latestAt);
    if (this.#warned || wanted - this.#row.expiresAt >= ACTIVITY_GRAIN_MS) this.#moveExpiry(wanted);
  }

  /** A page or a terminal is connected to it: it is no orphan until the function that this returns has been called. */
  connect(): () => void {
    let connected = true;
    this.#connections++;
    if (this.#leftAt !== null) {
      this.#leftAt = null;
      this.#lookAtClock();
    }
    return () => {
      if (!connected) return;
      connected = false;
      this.#connections--;
      if (this.#connections > 0) return;
      this.#leftAt = this.#now();
      this.#lookAtClock();
    };
  }

  /** Gives it the whole idle time again, as far as its latest end allows. */
  extend(): void {
    this.#moveExpiry(Math.min(this.#now() + this.#policy.idleMs, this.#row.latestAt));
  }

  /** Listens to its events, beginning with the state of each machine; while anyone listens, its use is measured.
   * `views`: machines whose host's view it wants too. Returns the function that stops. */
  follow(listener: (event: SandboxEvent) => void, views: readonly string[] = []): () => void {
    const disconnect = this.connect();
    for (const machine of this.machines) listener({ event: 'machine', data: machine.view });
    for (const data of this.checks) listener({ event: 'check', data });
    if (this.#warned) listener(this.#expiring());
    const leave = this.events.add(listener);
    const leaveViews = this.#onlookers.add(listener, views);
    this.#ticker ??= this.#startTicker();
    return () => {
      disconnect();
      leave();
      leaveViews();
      if (this.events.size > 0) return;
      clearInterval(this.#ticker);
      this.#ticker = undefined;
    };
  }

  /** Ends every machine; resolves when nothing of them is left. Rejects when one could not be ended; it may be called
   * again then. */
  async end(): Promise<void> {
    this.#ended = true;
    this.ends.emit();
    clearTimeout(this.#deadline);
    // VMs first: what is in one goes with it, and is not asked of a guest that is being ended.
    const order = this.machines.toSorted((a, b) => Number(a.home !== null) - Number(b.home !== null));
    const ends = await Promise.allSettled(order.map((machine) => machine.end()));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  /** Stops timers without ending anything: the server stops, the machines live on. */
  release(): void {
    clearTimeout(this.#deadline);
    clearInterval(this.#ticker);
  }

  #moveExpiry(expiresAt: number): void {
    if (this.#ended) return;
    this.#row.expiresAt = expiresAt;
    this.#owner.saveExpiry(this.id, expiresAt);
    this.#lookAtClock();
  }

  /** The end has moved. */
  #lookAtClock(): void {
    const told = this.#warned;
    this.#watchDeadline();
    // Whoever saw the warning sees that it has passed; a warning that still holds is said by #watchDeadline.
    if (told && !this.#warned) this.events.emit(this.#expiring());
  }

  #watchDeadline(): void {
    clearTimeout(this.#deadline);
    if (this.#ended) return;
    const left = this.endsAt - this.#now();
    this.#warned = left <= this.#policy.warningMs;
    if (left <= 0) {
      // Not at once: whoever builds this object has to have it first.
      this.#deadline = setTimeout(() => this.#owner.timeIsUp(this), 0);
      return;
    }
    if (this.#warned) this.events.emit(this.#expiring());
    const next = this.#warned ? left : left - this.#policy.warningMs;
    this.#deadline = quiet(setTimeout(() => this.#watchDeadline(), next));
  }

  #expiring(): SandboxEvent {
    const { expiresAt, latestAt } = this.#row;
    return { event: 'expiring', data: { expiresAt, extendable: expiresAt < latestAt } };
  }

  #startTicker(): ReturnType<typeof setTimeout> {
    let busy = false;
    const ticker = setInterval(() => {
      if (!this.watched) return;
      void this.#onlookers.look(this.machines, this.#now);
      if (busy) return; // a slow host is measured less often, not more and more
      busy = true;
      void this.#measure().finally(() => {
        busy = false;
      });
    }, STATS_INTERVAL_MS);
    return quiet(ticker);
  }

  async #measure(): Promise<void> {
    const machines: Record<string, MachineStats> = {};
    const running = this.machines.filter(
      // A guest that stands still counts nothing for anybody.
      ({ view, home }) => hasUse.has(view.state) && home?.view.state !== 'frozen',
    );
    await Promise.all(
      running.map(async (machine) => {
        try {
          machines[machine.view.name] = await machine.stats();
        } catch {
          // The machine ended, or the broker is away: both are told as such, and this event goes without it.
        }
      }),
    );
    if (!this.#ended) this.events.emit({ event: 'stats', data: { at: this.#now(), machines } });
  }
}
