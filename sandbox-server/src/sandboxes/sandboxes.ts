// All sandboxes of this server: who may have how many, making and ending them, and finding them again after a restart.
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { SocketHost } from '../broker/socket.ts';
import { Admission } from '../capacity/admission.ts';
import { Pool, wasPooled } from '../capacity/pool.ts';
import type { Asker, Queue, Ticket } from '../capacity/queue.ts';
import { newId } from '../ids.ts';
import { Listeners } from '../listeners.ts';
import { type MachinePlan, placeSandbox, type Wanted } from '../machines/placement.ts';
import { endOfRecord } from '../machines/shown.ts';
import type { bootLimits } from '../machines/vm.ts';
import { messageOf, Problem } from '../problem.ts';
import { sandboxIdSchema } from '../protocol/api.ts';
import type { MachineRecord, Probe } from '../protocol/broker.ts';
import { Builder } from './build.ts';
import type { Policy } from './policy.ts';
import { Sandbox } from './sandbox.ts';
import type { SandboxRow, SandboxStore } from './store.ts';

/** How old an answer of the broker about its host may be, in milliseconds. */
const PROBE_AGE_MS = 1_000;
/** How often what runs is compared with what should, besides after every connection to the broker. */
const RECONCILE_MS = 60_000;
/** When an end that failed is tried again. */
const RETRY_END_MS = 10_000;

export interface SandboxesOptions {
  broker: SocketHost;
  store: SandboxStore;
  policy: Policy;
  log: Logger;
  /** How long a guest may take to say hello; vm.ts says how long by default. */
  bootLimits?: typeof bootLimits;
}

export class Sandboxes {
  readonly #options: SandboxesOptions;
  readonly #log: Logger;
  readonly #all = new Map<string, Sandbox>();
  #probe: { at: number; answer: Promise<Probe> } | null = null;
  /** A sandbox that an earlier run of the server made. */
  readonly found = new Listeners<Sandbox>();
  /** Puts in place what a new sandbox of a lab has from the beginning. Rejects when it cannot. */
  furnish: ((sandbox: Sandbox) => Promise<void>) | null = null;
  /** Set once the broker has told what runs: before that, "there is none" would be a guess. */
  #recovered = false;
  /** The last of its answers. */
  #probed: Probe | null = null;
  /** Machines on the host that are none of ours. */
  #foreign = 0;
  readonly pool: Pool;
  readonly #admission: Admission;
  readonly #builder: Builder;
  readonly #leaveConnections: () => void;
  readonly #rounds: NodeJS.Timeout;
  #closed = false;

  constructor(options: SandboxesOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#builder = new Builder(options);
    this.pool = new Pool({
      ...options,
      build: (id, labels, plan) => this.#builder.build(id, labels, plan),
      mayMake: (cost) => this.#admission.mayPool(cost),
    });
    this.#admission = new Admission({
      ...options,
      pool: this.pool,
      probe: () => this.probe(),
      sandboxes: () => this.#all.values(),
      foreign: () => this.#foreign,
      mustBeAllowed: (asker) => this.#mustBeAllowed(asker),
      start: (asker, plans, zero) => this.#start(asker, plans, zero),
    });
    this.#leaveConnections = options.broker.connections.add((connected) => {
      this.#probe = null;
      if (connected) void this.#reconcile();
    });
    this.#rounds = setInterval(() => void this.#reconcile(), RECONCILE_MS);
    this.#rounds.unref();
  }

  /** Whether the broker has told what runs, so that answers about sandboxes can be trusted. */
  get recovered(): boolean {
    return this.#recovered;
  }

  /** What the broker says about its host. Rejects with BrokerError. */
  probe(): Promise<Probe> {
    const now = performance.now();
    if (!this.#probe || now - this.#probe.at > PROBE_AGE_MS) {
      const answer = this.#options.broker.request('probe', {});
      answer.catch(() => {
        this.#probe = null;
      });
      this.#probe = { at: now, answer };
      void answer.then(
        (told) => {
          this.#probed = told;
        },
        () => {},
      );
    }
    return this.#probe.answer;
  }

  /** What the host can still take. */
  room(probe: Probe) {
    return this.#admission.room(probe);
  }

  /** Machines on the host that are none of ours; they take their room all the same. */
  get foreign(): number {
    return this.#foreign;
  }

  /** Who waits for room. */
  get queue(): Queue {
    return this.#admission.queue;
  }

  /** Every sandbox there is, also one that is being ended. */
  all(): Iterable<Sandbox> {
    return this.#all.values();
  }

  /** A learner's sandboxes, oldest first. */
  of(owner: string): Sandbox[] {
    return [...this.#all.values()].filter((sandbox) => sandbox.owner === owner && !sandbox.ended);
  }

  /** Like `of`, for whoever acts on the answer. Throws Problem `no_host` while nobody can know. */
  list(owner: string): Sandbox[] {
    this.#mustBeRecovered();
    return this.of(owner);
  }

  /** The sandbox with this id, whosever it is; null: there is none (any more). Throws Problem `no_host` while nobody can
   * know. */
  find(id: string): Sandbox | null {
    const sandbox = this.#all.get(id);
    if (sandbox && !sandbox.ended) return sandbox;
    this.#mustBeRecovered();
    return null;
  }

  /** What was `from`'s is `to`'s: the same person, known again by a recovery code. */
  handOver(from: string, to: string): void {
    for (const sandbox of this.of(from)) {
      sandbox.giveTo(to);
      this.#options.store.setOwner(sandbox.id, to);
    }
    this.queue.handOver(from, to);
  }

  /** Gives a sandbox, or a place in the queue where there is no room: the same place for the same wish. `zero`:
   * performance.now() when the request arrived. Throws Problem. */
  async ask(asker: Asker, wanted: Wanted, zero: number): Promise<Sandbox | Ticket> {
    this.#mustBeRecovered();
    const before = this.queue
      .of(asker.owner)
      .find((one) => one.asker.lab === asker.lab && isDeepStrictEqual(one.wanted, wanted));
    if (before) return this.queue.get(asker.owner, before.id);
    return this.#admission.ask(asker, wanted, zero);
  }

  /** A place in the queue is given up; whoever stood behind may fit. */
  leaveQueue(ticket: Ticket): void {
    this.queue.leave(ticket);
    void this.#admission.look();
  }

  /** Makes a sandbox: all of its containers or none; its VMs go on booting. The place is taken before anything is waited
   * for. */
  async #start(asker: Asker, plans: readonly MachinePlan[], zero: number): Promise<Sandbox> {
    const sandbox = this.#open(asker);
    try {
      const makeRoom = this.#probed !== null && this.#admission.needsPool(plans, this.#probed);
      this.#options.store.insert(rowOf(sandbox));
      const built = this.#builder.buildAll(sandbox, plans, this.pool);
      for (const { machine } of built) sandbox.add(machine);
      if (makeRoom) await this.pool.giveUp();
      // Containers first: they are there in milliseconds, in which a starting QEMU would take the processor from them.
      for (const stage of ['container', 'vm', 'inside']) {
        const made = await Promise.allSettled(
          built
            .filter(({ plan }) => (plan.where.vm === null ? plan.kind : 'inside') === stage)
            .map(({ begin }) => begin(zero)),
        );
        for (const one of made) if (one.status === 'rejected') throw one.reason;
      }
      if (sandbox.lab !== null) await this.furnish?.(sandbox);
    } catch (error) {
      // A refusal is told to whoever asked; only what went wrong is also for the log.
      if (!(error instanceof Problem)) {
        this.#log.warn({ sandbox: sandbox.id, reason: messageOf(error) }, 'cannot make a sandbox');
      }
      await this.end(sandbox, 'It could not be made.').catch(() => {}); // logged there, and tried again
      throw error;
    }
    this.#log.info({ sandbox: sandbox.id, machines: sandbox.machines.map(({ id }) => id) }, 'made a sandbox');
    return sandbox;
  }

  /** Ends a sandbox; resolves when nothing of it is left. When that fails it rejects, and goes on trying. */
  async end(sandbox: Sandbox, reason: string): Promise<void> {
    try {
      await sandbox.end();
    } catch (error) {
      const why = messageOf(error);
      this.#log.error({ sandbox: sandbox.id, reason: why }, 'cannot end a sandbox; it will be tried again');
      const retry = setTimeout(() => void this.end(sandbox, reason).catch(() => {}), RETRY_END_MS);
      retry.unref();
      throw error;
    }
    if (!this.#all.delete(sandbox.id)) return;
    this.#probe = null; // what it took is free now
    if (!this.#closed) this.#options.store.remove(sandbox.id);
    sandbox.events.emit({ event: 'ended', data: { reason } });
    if (sandbox.machines.length > 0) this.#log.info({ sandbox: sandbox.id, reason }, 'ended a sandbox');
    if (!this.#closed) this.#admission.noteEnd();
  }

  /** The server stops: nothing is ended, and a server started again finds everything. */
  close(): void {
    this.#closed = true;
    this.#admission.close();
    this.pool.close();
    this.#leaveConnections();
    clearInterval(this.#rounds);
    for (const sandbox of this.#all.values()) sandbox.release();
    this.#options.store.close();
  }

  #mustBeRecovered(): void {
    if (this.#recovered) return;
    throw new Problem('no_host', `No machine can be reached now: ${this.#options.broker.problem}.`, {
      retryAfter: 2,
    });
  }

  /** A learner has so many sandboxes at once, and all learners behind an address have. Places in the queue count. */
  #mustBeAllowed({ owner, address }: Asker): void {
    const { sandboxesPerLearner: most, sandboxesPerAddress: mostThere } = this.#options.policy;
    const has = this.of(owner).length;
    if (has + this.queue.of(owner).length >= most) {
      const what = has === 1 ? 'a sandbox' : has === 0 ? 'a place in the queue' : `${has} sandboxes`;
      throw new Problem('quota', `You have ${what} already, as many as one may have. End one first.`);
    }
    let there = this.queue.from(address);
    for (const sandbox of this.#all.values()) if (sandbox.address === address) there++;
    if (there < mostThere) return;
    const message = `${there} sandboxes run for your address already, as many as one address may have.`;
    throw new Problem('rate', `${message} Try again when one has ended.`, { retryAfter: 60 });
  }

  #open({ owner, address, lab }: Asker): Sandbox {
    const { policy } = this.#options;
    const now = Date.now();
    return this.#hold({
      id: newId(),
      owner,
      address,
      createdAt: now,
      expiresAt: now + Math.min(policy.idleMs, policy.longestMs),
      latestAt: now + policy.longestMs,
      lab: lab ?? null,
    });
  }

  #hold(row: SandboxRow): Sandbox {
    const { store, policy } = this.#options;
    const sandbox = new Sandbox(row, policy, {
      saveExpiry: (id, expiresAt) => store.setExpiry(id, expiresAt),
      timeIsUp: (ended) => void this.end(ended, 'Its time was up.').catch(() => {}),
    });
    this.#all.set(row.id, sandbox);
    return sandbox;
  }

  /** Brings what this server believes and what the broker has together: after a start of either, and now and then. */
  async #reconcile(): Promise<void> {
    if (!this.#options.broker.connected) return;
    try {
      const askedAt = Date.now();
      const { machines } = await this.#options.broker.request('machine.list', {});
      const probe = await this.probe();
      if (this.#closed) return;
      if (!this.#recovered) this.#recover(machines, probe);
      this.#noteMissing(machines, askedAt);
      this.pool.noteMissing(machines, askedAt);
      await this.#endOrphans(machines);
      await this.#admission.look();
    } catch (error) {
      // The next connection brings the next attempt.
      this.#log.error({ reason: messageOf(error) }, 'cannot ask the broker what runs');
    }
  }

  #recover(records: readonly MachineRecord[], probe: Probe): void {
    for (const row of this.#options.store.all()) {
      const ours = records.filter((record) => record.labels.sandbox === row.id);
      if (ours.length === 0) {
        this.#options.store.remove(row.id); // the host was started again: nothing of it is left
        continue;
      }
      const sandbox = this.#hold(row);
      for (const record of ours.toSorted((a, b) => a.created_ms - b.created_ms)) {
        this.#builder.adopt(sandbox, record, probe);
      }
      this.#builder.findInhabitants(sandbox);
    }
    const usual = usualPlan(probe);
    if (usual) this.pool.noteWish(usual, true);
    this.#recovered = true;
    for (const sandbox of this.#all.values()) this.found.emit(sandbox);
    const machines = [...this.#all.values()].flatMap((sandbox) => sandbox.machines).length;
    this.#log.info({ sandboxes: this.#all.size, machines }, 'found what runs');
  }

  /** A broker that was started again may have lost a machine, or seen one end while nobody listened. */
  #noteMissing(records: readonly MachineRecord[], askedAt: number): void {
    const known = new Map(records.map((record) => [record.machine, record]));
    for (const sandbox of this.#all.values()) {
      for (const machine of sandbox.machines) {
        if (machine.home) continue; // its VM's broker knows about it
        const { state, createdAt } = machine.view;
        if (state === 'starting' || createdAt >= askedAt) continue; // its own request says how it goes
        const record = known.get(machine.id);
        if (!record) machine.noteExit('It is gone: the host does not know it any more.');
        else if (record.state === 'exited') {
          machine.noteExit(record.exit ?? 'It ended.', endOfRecord(record) ?? {});
        }
      }
    }
  }

  async #endOrphans(records: readonly MachineRecord[]): Promise<void> {
    const claimed = new Set<string>();
    for (const sandbox of this.#all.values()) for (const machine of sandbox.machines) claimed.add(machine.id);
    const ours = (record: MachineRecord) =>
      sandboxIdSchema.safeParse(record.labels.sandbox).success || wasPooled(record);
    const others = records.filter(({ machine }) => !claimed.has(machine) && !this.pool.owns(machine));
    const orphans = others.filter(ours);
    this.#foreign = others.length - orphans.length;
    for (const { machine } of orphans) {
      try {
        await this.#options.broker.request('machine.delete', { machine }, { timeoutMs: 60_000 });
        this.#log.warn({ machine }, 'ended a machine that no sandbox claims');
      } catch (error) {
        this.#log.error({ machine, reason: messageOf(error) }, 'cannot end a machine that no sandbox claims');
      }
    }
  }
}

function rowOf(sandbox: Sandbox): SandboxRow {
  const { id, createdAt, expiresAt, latestAt } = sandbox.view;
  const { owner, address, lab } = sandbox;
  return { id, owner, address, createdAt, expiresAt, latestAt, lab };
}

/** The container that most pages ask for. */
function usualPlan(probe: Probe): MachinePlan | null {
  const image = probe.images.some(({ kind }) => kind === 'container');
  const usual = { name: 'box', kind: 'container', columns: 80, rows: 24 } as const;
  return image ? (placeSandbox([usual], probe)[0] ?? null) : null;
}
