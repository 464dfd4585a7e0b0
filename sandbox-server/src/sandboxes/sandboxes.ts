// All sandboxes of this server: who may have how many, making and ending them, and finding them again after a restart.
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { SocketHost } from '../broker/socket.ts';
import { newId } from '../ids.ts';
import { Listeners } from '../listeners.ts';
import { ContainerMachine } from '../machines/container.ts';
import { labelsOf, readLabels } from '../machines/labels.ts';
import {
  endOfRecord,
  type LearnerMachine,
  type MachineContext,
  viewOfPlan,
  viewOfRecord,
} from '../machines/machine.ts';
import { describePlace, type MachinePlan, placeInhabitant, placeSandbox } from '../machines/placement.ts';
import { checkRoom, countRoom } from '../machines/room.ts';
import { Stopwatch } from '../machines/stopwatch.ts';
import { bootLimits, VirtualMachine } from '../machines/vm.ts';
import { messageOf, Problem } from '../problem.ts';
import { type CreateSandbox, type Machine, sandboxIdSchema } from '../protocol/api.ts';
import type { MachineRecord, Probe } from '../protocol/broker.ts';
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
  /** Set once the broker has told what runs: before that, "there is none" would be a guess. */
  #recovered = false;
  readonly #leaveConnections: () => void;
  readonly #rounds: NodeJS.Timeout;
  #closed = false;

  constructor(options: SandboxesOptions) {
    this.#options = options;
    this.#log = options.log;
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
    }
    return this.#probe.answer;
  }

  /** What the host can still take. */
  room(probe: Probe) {
    return countRoom(probe, this.#machineCount());
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
  }

  /** Makes a sandbox: all of its containers or none; its VMs go on booting. `zero`: performance.now() when the request arrived. */
  async create(
    owner: string,
    request: CreateSandbox,
    zero: number,
    lab: string | null = null,
  ): Promise<Sandbox> {
    this.#mustBeRecovered();
    const most = this.#options.policy.sandboxesPerLearner;
    const has = this.of(owner).length;
    if (has >= most) {
      const what = has === 1 ? 'a sandbox' : `${has} sandboxes`;
      throw new Problem('quota', `You have ${what} already, as many as one may have. End one first.`);
    }
    // The place is taken before anything is waited for, so that two requests at once cannot share it.
    const sandbox = this.#open(owner, lab);
    try {
      const probe = await this.probe();
      const plans = placeSandbox(request.machines, probe);
      checkRoom(plans, probe, this.#machineCount());
      this.#options.store.insert(rowOf(sandbox));
      const machines = this.#build(sandbox, plans);
      for (const { machine } of machines) sandbox.add(machine);
      // Containers first: they are there in milliseconds, in which a starting QEMU would take the processor from them.
      for (const stage of ['container', 'vm', 'inside']) {
        const made = await Promise.allSettled(
          machines
            .filter(({ plan }) => (plan.where.vm === null ? plan.kind : 'inside') === stage)
            .map(({ plan, machine }) => machine.create(plan, new Stopwatch(zero))),
        );
        for (const one of made) if (one.status === 'rejected') throw one.reason;
      }
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
    if (!this.#closed) this.#options.store.remove(sandbox.id);
    sandbox.events.emit({ event: 'ended', data: { reason } });
    if (sandbox.machines.length > 0) this.#log.info({ sandbox: sandbox.id, reason }, 'ended a sandbox');
  }

  /** The server stops: nothing is ended, and a server started again finds everything. */
  close(): void {
    this.#closed = true;
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

  /** Machines on the host itself. */
  #machineCount(): number {
    let count = 0;
    for (const { machines } of this.#all.values()) count += machines.filter(({ home }) => !home).length;
    return count;
  }

  #open(owner: string, lab: string | null): Sandbox {
    const { policy } = this.#options;
    const now = Date.now();
    return this.#hold({
      id: newId(),
      owner,
      createdAt: now,
      expiresAt: now + Math.min(policy.idleMs, policy.longestMs),
      latestAt: now + policy.longestMs,
      lab,
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

  /** The machines of a sandbox as objects; nothing is made yet. A VM knows the names of what will be in it, so that a
   * server started again knows them too. */
  #build(sandbox: Sandbox, plans: readonly MachinePlan[]): { plan: MachinePlan; machine: LearnerMachine }[] {
    const named = plans.map((plan) => ({ id: newId(), plan }));
    const vms = new Map<string, VirtualMachine>();
    for (const { id, plan } of named.filter((one) => one.plan.kind === 'vm')) {
      const inside = named.filter((one) => one.plan.where.vm === plan.name);
      vms.set(plan.name, this.#vm(id, labelsOf(sandbox, plan, inside), viewOfPlan(plan)));
    }
    return named.map(({ id, plan }) => {
      const home = vms.get(plan.where.vm ?? '') ?? null;
      const machine =
        vms.get(plan.name) ?? this.#container(id, labelsOf(sandbox, plan, []), viewOfPlan(plan), home);
      return { plan, machine };
    });
  }

  #container(
    id: string,
    labels: Record<string, string>,
    view: Machine,
    home: VirtualMachine | null,
  ): ContainerMachine {
    const broker = home?.guest ?? this.#options.broker;
    return new ContainerMachine({ broker, id, labels, log: this.#log }, view, home);
  }

  #vm(id: string, labels: Record<string, string>, view: Machine): VirtualMachine {
    const { broker, bootLimits: limits = bootLimits } = this.#options;
    const context: MachineContext = { broker, id, labels, log: this.#log };
    return new VirtualMachine(context, view, join(broker.machineDirectory(id), 'link.sock'), limits);
  }

  /** Brings what this server believes and what the broker has together: after a start of either, and now and then. */
  async #reconcile(): Promise<void> {
    if (!this.#options.broker.connected) return;
    try {
      const { machines } = await this.#options.broker.request('machine.list', {});
      const probe = await this.probe();
      if (this.#closed) return;
      if (!this.#recovered) this.#recover(machines, probe);
      this.#noteMissing(machines);
      await this.#endOrphans(machines);
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
        this.#adopt(sandbox, record, probe);
      }
      const vms = sandbox.machines.filter((machine) => machine instanceof VirtualMachine);
      for (const machine of sandbox.machines) {
        if (machine instanceof ContainerMachine && machine.home) machine.adoptInside(vms);
      }
    }
    this.#recovered = true;
    for (const sandbox of this.#all.values()) this.found.emit(sandbox);
    this.#log.info({ sandboxes: this.#all.size, machines: this.#machineCount() }, 'found what runs');
  }

  #adopt(sandbox: Sandbox, record: MachineRecord, probe: Probe): void {
    const note = readLabels(record.labels);
    if (!note) return; // not made by us under such a name; #endOrphans sees to it
    const { kind, profile = null, labels, machine: id } = record;
    const sort = { kind, profile, needs: note.needs, carrier: note.carrier, vm: null, carried: false };
    const place = describePlace(sort, probe);
    if (kind === 'container') {
      const machine = this.#container(id, labels, viewOfRecord(record, note, place), null);
      this.#takeOver(sandbox, machine, record);
      return;
    }
    const accel = record.accel === 'kvm' || record.accel === 'tcg' ? record.accel : place.where.accel;
    place.where = { ...place.where, accel };
    const vm = this.#vm(id, labels, viewOfRecord(record, note, place));
    this.#takeOver(sandbox, vm, record);
    for (const inhabitant of note.inhabitants) {
      const plan = placeInhabitant(inhabitant, note, probe);
      const machine = this.#container(inhabitant.id, labelsOf(sandbox, plan, []), viewOfPlan(plan), vm);
      sandbox.add(machine);
    }
  }

  #takeOver(sandbox: Sandbox, machine: LearnerMachine, record: MachineRecord): void {
    sandbox.add(machine);
    machine.adopt(record).catch((error: unknown) => {
      this.#log.warn({ machine: machine.id, reason: messageOf(error) }, 'cannot take over a machine');
    });
  }

  /** A broker that was started again may have lost a machine, or seen one end while nobody listened. */
  #noteMissing(records: readonly MachineRecord[]): void {
    const known = new Map(records.map((record) => [record.machine, record]));
    for (const sandbox of this.#all.values()) {
      for (const machine of sandbox.machines) {
        if (machine.home) continue; // its VM's broker knows about it
        if (machine.view.state === 'starting') continue; // its own request says how it goes
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
    const orphans = records.filter(
      ({ machine, labels }) => sandboxIdSchema.safeParse(labels.sandbox).success && !claimed.has(machine),
    );
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
  return { id, owner: sandbox.owner, createdAt, expiresAt, latestAt, lab: sandbox.lab };
}
