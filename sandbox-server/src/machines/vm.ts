// A VM of a learner: QEMU is started by the host's broker, and everything inside is asked of the guest's own broker over
// the link. A boot that hangs is ended, said, and tried once more.

import { randomBytes } from 'node:crypto';
import type * as z from 'zod';
import { BrokerError } from '../broker/client.ts';
import { GuestHost } from '../broker/guest.ts';
import type { Host } from '../broker/host.ts';
import { GUEST_ITSELF, type LinkHost } from '../broker/link.ts';
import { messageOf, Problem } from '../problem.ts';
import type { Machine, MachineEnd, MachineFacts, MoveFigures, snapshotListSchema } from '../protocol/api.ts';
import type { BrokerResult, MachineRecord } from '../protocol/broker.ts';
import type { ByteDuplex } from '../protocol/bytes.ts';
import { readGuestFacts } from './facts.ts';
import { LearnerMachine, type MachineContext, orIfGone } from './machine.ts';
import { featuresOf, type MachinePlan } from './placement.ts';
import type { KernelToAsk } from './stats.ts';
import type { Stopwatch } from './stopwatch.ts';
import type { Turn, Turns } from './turns.ts';

const ATTEMPTS = 2;
/** The first copy of a template waits until that has been made: a boot, and what the broker grants it. */
const CREATE_TIMEOUT_MS = 120_000;
/** A guest that changes its memory as fast as it is sent takes long to move. */
const MOVE_TIMEOUT_MS = 120_000;

/** Milliseconds that a guest has to say hello, from QEMU's start. An emulated one boots in three seconds; on a host that a room
 * full of learners keeps busy it gets a twentieth of a processor. */
export interface BootLimits {
  kvm: number;
  tcg: number;
}

export const bootLimits: BootLimits = { kvm: 10_000, tcg: 60_000 };

export class VirtualMachine extends LearnerMachine {
  /** The host that it is to the containers in it. */
  readonly guest: GuestHost;
  readonly #limits: BootLimits;
  readonly #starts: Turns;
  /** Its place among the VMs that start, while it has one. */
  #start: Turn | null = null;
  #boot: Promise<void> | null = null;
  #leaveEvents: (() => void) | null = null;
  #wentBack = false;
  #turn: Promise<unknown> = Promise.resolve();
  /** Containers that run in it, whoever made them: as its guest's broker tells, so a number and no more. */
  readonly #containers = new Set<string>();

  /** `linkPath`: where the broker puts the VM's link.sock. `starts`: those of all VMs of this host. */
  constructor(
    context: MachineContext,
    view: Machine,
    linkPath: string,
    starts: Turns,
    limits: BootLimits = bootLimits,
  ) {
    super(context, view);
    this.#starts = starts;
    this.guest = new GuestHost(linkPath);
    this.guest.events.add((event) => {
      this.noteTerminal(event);
      if (event.event === 'machine.created') this.#containers.add(event.machine);
      if (event.event === 'machine.deleted' || event.event === 'machine.exited') {
        this.#containers.delete(event.machine);
      }
    });
    this.guest.found.add((records) => {
      this.#containers.clear();
      for (const { machine, state } of records) {
        if (machine !== GUEST_ITSELF && state === 'running') this.#containers.add(machine);
      }
    });
    this.#limits = limits;
  }

  /** Does `work` when what was given before is done. One processor makes three containers one by one in the time of three
   * at once, and the first of them is there in a third of it. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** Resolves when it runs; rejects, with the reason, when it has ended or cannot be made. */
  running(): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = ({ name, state, reason }: Machine) => {
        if (state === 'starting' || state === 'booting') return;
        leave();
        if (state === 'running') resolve();
        else reject(new Error(`${name} is ${state}${reason ? `: ${reason}` : ''}`));
      };
      const leave = this.changes.add(look);
      look(this.view);
    });
  }

  /** Resolves at once, or, when it begins again, as soon as QEMU has: how the boot goes is told through `changes`. */
  protected async begin(plan: MachinePlan, watch: Stopwatch, again: boolean): Promise<void> {
    this.#followEvents();
    this.guest.disconnect('the machine begins');
    this.#containers.clear();
    this.#wentBack = false;
    const begun = Promise.withResolvers<void>();
    this.#boot = this.#bootUp(plan, watch, again ? begun : null);
    if (again) await begun.promise;
  }

  async adopt(record: MachineRecord): Promise<void> {
    if (record.state === 'exited') return;
    this.#followEvents();
    if (record.frozen) return; // nobody there would answer
    this.#boot = this.#resume(this.guest.connect());
  }

  /** Moves it to another QEMU while it runs. Its terminals lose their connection for a moment and nothing else. Throws Problem
   * `conflict` unless it runs. */
  async migrate(): Promise<MoveFigures> {
    this.#mustRun();
    const { broker, id: machine } = this.context;
    const request = broker.request('vm.migrate', { machine }, { timeoutMs: MOVE_TIMEOUT_MS });
    const figures = this.#moved(await this.#orCancelled(request));
    const pause = Math.round(figures.pauseMs);
    this.noteMoved(`${this.view.name} goes on in another QEMU; it stood still for ${pause} ms.`);
    return figures;
  }

  /** A guest that changes its memory faster than it is sent would be on the move, twice in memory, for ever. */
  async #orCancelled<T>(move: Promise<T>): Promise<T> {
    try {
      return await move;
    } catch (error) {
      const late = error instanceof BrokerError && error.code === 'timeout';
      if (late) await this.cancelMigration().catch(() => {}); // it has come to its end by itself
      throw error;
    }
  }

  /** The move that is under way fails, and the machine stays where it is. */
  async cancelMigration(): Promise<void> {
    await this.context.broker.request('vm.migrate.cancel', { machine: this.id });
  }

  /** Saves all of it, memory included; it stands still meanwhile. */
  async saveSnapshot(snapshot: string): Promise<MoveFigures> {
    this.#mustRun();
    const params = { machine: this.id, snapshot };
    const request = this.context.broker.request('vm.snapshot.save', params, { timeoutMs: MOVE_TIMEOUT_MS });
    return this.#moved(await this.#orCancelled(request));
  }

  /** Goes back to the moment of a snapshot; resolves when its terminals can be reached there. */
  async restoreSnapshot(snapshot: string): Promise<void> {
    this.#mustRun();
    const params = { machine: this.id, snapshot };
    const { broker } = this.context;
    const { machine } = await broker.request('vm.snapshot.restore', params, { timeoutMs: MOVE_TIMEOUT_MS });
    this.#wentBack = true;
    this.update({ hostPid: machine.pid });
    if (this.guest.link) await this.#resume(this.guest.link);
  }

  async snapshots(): Promise<z.output<typeof snapshotListSchema>['snapshots']> {
    const { snapshots } = await this.context.broker.request('vm.snapshot.list', { machine: this.id });
    return snapshots.map(({ snapshot, created_ms, bytes }) => ({ snapshot, createdAt: created_ms, bytes }));
  }

  async deleteSnapshot(snapshot: string): Promise<void> {
    await this.context.broker.request('vm.snapshot.delete', { machine: this.id, snapshot });
  }

  #mustRun(): void {
    const { name, state } = this.view;
    if (state !== 'running')
      throw new Problem('conflict', `${name} is ${state}: only a VM that runs can do that.`);
  }

  #moved({ machine, figures }: BrokerResult<'vm.migrate'>): MoveFigures {
    this.update({ hostPid: machine.pid });
    return figuresOf(figures);
  }

  protected override askFacts(): Promise<MachineFacts> {
    return readGuestFacts(this.guest);
  }

  override get wentBack(): boolean {
    return this.#wentBack;
  }

  protected get inside(): { host: Host; machine: string } {
    return { host: this.guest, machine: GUEST_ITSELF };
  }

  protected override get kernel(): KernelToAsk | null {
    return this.guest.connected && this.view.state !== 'frozen'
      ? { host: this.guest, machine: GUEST_ITSELF }
      : null;
  }

  override noteExit(reason: string, how: Partial<MachineEnd> = {}): void {
    // While it boots, the boot itself decides what a dead QEMU means.
    const booting = this.view.state === 'starting' || this.view.state === 'booting';
    if (!booting || this.ending) super.noteExit(reason, { ...how, containers: this.#containers.size });
    this.guest.disconnect(reason);
  }

  protected override async beforeEnd(): Promise<void> {
    this.#leaveEvents?.();
    this.guest.disconnect('the machine is being ended');
    this.#start?.done();
    await this.#boot;
  }

  /** Waits for its turn to start: many at once would all be too slow. */
  async #takeTurn(watch: Stopwatch): Promise<Turn> {
    const turn = this.#starts.take((before) => {
      if (!this.ending) this.update({ reason: before > 0 ? wordsOfTurn(before) : null });
    });
    this.#start = turn;
    if (turn.waits) await watch.step('server', 'wait for other VMs to start', '', () => turn.come);
    return turn;
  }

  async #makeQemu(
    plan: MachinePlan,
    start: 'boot' | 'template',
    watch: Stopwatch,
    again: boolean,
  ): Promise<void> {
    const { broker, id, labels } = this.context;
    const { memory_bytes, cpu_millis } = plan.limits;
    const limits = { memory_bytes, cpu_millis };
    const wanted = featuresOf(plan);
    const features = wanted.length > 0 ? { features: wanted } : {};
    const what = start === 'boot' ? 'make VM' : 'copy the template';
    const wait = { timeoutMs: CREATE_TIMEOUT_MS };
    const create = () =>
      broker.request(
        'vm.create',
        { machine: id, image: plan.image, hostname: plan.name, limits, labels, start, ...features },
        wait,
      );
    const { machine, trace } = await watch.step('broker', what, plan.where.accel ?? '', () =>
      again ? orIfGone(broker.request('machine.restart', { machine: id, start }, wait), create) : create(),
    );
    watch.placeTrace('broker', trace, watch.now());
    this.update({
      state: 'booting',
      hostPid: machine.pid,
      createdAt: machine.created_ms,
      measures: watch.measures,
    });
  }

  /** Never rejects: what went wrong becomes the machine's state. `begun`, of a VM that begins again, is told whether QEMU
   * was started; when it was not, nothing else is done. */
  async #bootUp(
    plan: MachinePlan,
    watch: Stopwatch,
    begun: PromiseWithResolvers<void> | null,
  ): Promise<void> {
    const turn = await this.#takeTurn(watch);
    try {
      await this.#tryToBoot(plan, watch, begun);
    } finally {
      turn.done();
      begun?.reject(new Error(`${this.view.name} is being ended`)); // unless it has begun, or was refused
    }
  }

  async #tryToBoot(
    plan: MachinePlan,
    watch: Stopwatch,
    begun: PromiseWithResolvers<void> | null,
  ): Promise<void> {
    for (let attempt = 1; !this.ending; attempt++) {
      let started = false;
      try {
        // A copy that does not answer may have had a bad template, so the second try is a boot.
        const start = attempt === 1 ? (plan.start ?? 'boot') : 'boot';
        await this.#makeQemu(plan, start, watch, begun !== null);
        started = true;
        begun?.resolve();
        if (this.ending) return;
        await this.#greet(start, this.#limits[plan.where.accel ?? 'tcg'], watch);
        await this.becomeReady(plan, watch);
        return;
      } catch (error) {
        if (begun && !started && attempt === 1) return begun.reject(error);
        if (this.ending) return;
        const why = messageOf(error);
        this.context.log.warn({ machine: this.id, attempt, reason: why }, 'a VM did not boot');
        this.guest.disconnect(why);
        // What the broker refuses it would refuse again; only what hung or died may do better.
        const again = started && attempt < ATTEMPTS;
        if (again) this.update({ reason: `${capital(why)}. It was ended and is being started once more.` });
        // One that begins again is cleared away by doing so once more, now or when its learner asks, and keeps its snapshots.
        const gone = begun !== null || (await this.#clearAway());
        if (!again || !gone) return this.#fail(why, begun !== null);
        watch.again(why);
      }
    }
  }

  /** Its processors stood still, and so did its clock. */
  protected override async goOnAfterThaw(): Promise<void> {
    this.update({ state: 'booting', reason: null });
    this.#boot = this.#resume(this.guest.link ?? this.guest.connect());
    await this.#boot;
    const identity = { entropy: randomBytes(32).toString('hex'), unix_ms: Date.now() };
    await this.guest.request('identity.renew', identity).catch((error: unknown) => {
      this.context.log.warn({ machine: this.id, reason: messageOf(error) }, 'cannot set the clock of a VM');
    });
  }

  /** A guest that stands still answers nobody; the page asks again. */
  override attach(terminal: string): Promise<ByteDuplex> {
    const { name, state } = this.view;
    if (state !== 'frozen') return super.attach(terminal);
    return Promise.reject(new BrokerError('unavailable', `${name} is frozen: thaw it first`));
  }

  protected override goOn(): void {
    if (this.view.state === 'running') this.#boot = this.#resume(this.guest.connect());
  }

  /** The guest says hello and tells how it booted, unless that was another's boot. */
  async #greet(start: 'boot' | 'template', limitMs: number, watch: Stopwatch): Promise<void> {
    const link = this.guest.connect();
    await watch.step('server', 'wait for the guest', '', () => link.greeted(limitMs));
    if (start === 'template') return;
    const askedMs = watch.now();
    const { boot, uptime_ms } = await watch.step('server', 'ask the guest', '', () =>
      link.request('probe', {}),
    );
    // The guest looked at its clock in between.
    watch.placeBoot(boot ?? [], (askedMs + watch.now()) / 2, uptime_ms);
  }

  /** Ends what did not boot, and says whether that succeeded. */
  async #clearAway(): Promise<boolean> {
    try {
      await this.context.broker.request('machine.delete', { machine: this.id }, { timeoutMs: 60_000 });
      return true;
    } catch (error) {
      if (error instanceof BrokerError && error.code === 'not_found') return true;
      const reason = messageOf(error);
      this.context.log.error({ machine: this.id, reason }, 'cannot end a VM that did not boot');
      return false;
    }
  }

  #fail(why: string, restarted: boolean): void {
    if (this.ending) return;
    const next = restarted
      ? 'Restart it once more; its snapshots are kept.'
      : 'End the sandbox and start again; if it happens again, see the log.';
    const reason = `The VM did not start: ${why}. ${next}`;
    this.update({ state: 'failed', reason, terminals: [] });
  }

  /** After a restart of the server: the guest has run on, or is still booting. Or it goes on from a snapshot. What a shell
   * there runs is worth more than one chance, so a conversation that was lost is begun again. Never rejects. */
  async #resume(link: LinkHost): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await link.greeted(this.#limits[this.view.where.accel ?? 'tcg']);
        const { machines } = await link.request('machine.list', {});
        const itself = machines.find(({ machine }) => machine === GUEST_ITSELF);
        this.update({ state: 'running', reason: null, terminals: itself?.terminals ?? [] });
        await this.learnFacts();
        return;
      } catch (error) {
        if (this.ending || this.guest.link !== link) return;
        const why = messageOf(error);
        this.context.log.warn({ machine: this.id, attempt, reason: why }, 'a VM does not answer yet');
        if (attempt < ATTEMPTS) continue;
        const reason = `It does not answer any more: ${why}. End the sandbox and start again.`;
        this.update({ state: 'failed', reason });
        return;
      }
    }
  }

  #followEvents(): void {
    this.#leaveEvents ??= this.context.broker.events.add((event) => {
      if (event.machine !== this.id) return;
      if (event.event === 'machine.exited') {
        const { reason, cause = 'lost', console = [] } = event;
        this.noteExit(reason, { cause, console });
      }
      if (event.event === 'machine.moving') this.movings.emit(figuresOf(event));
    });
  }
}

function figuresOf(figures: BrokerResult<'vm.migrate'>['figures']): MoveFigures {
  return {
    status: figures.status ?? 'completed',
    elapsedMs: figures.elapsed_ms ?? 0,
    pauseMs: figures.pause_ms ?? 0,
    rounds: figures.rounds ?? 0,
    transferredBytes: figures.transferred_bytes ?? 0,
    remainingBytes: figures.remaining_bytes ?? 0,
    totalBytes: figures.total_bytes ?? 0,
  };
}

/** Whether a VM in this state has, or will have, a kernel for what is in it. */
export function isAlive(state: Machine['state']): boolean {
  return state === 'starting' || state === 'booting' || state === 'running' || state === 'frozen';
}

function wordsOfTurn(before: number): string {
  const others = before === 1 ? 'Another VM' : `${before} VMs`;
  return `${others} that ${before === 1 ? 'was' : 'were'} asked for earlier start${before === 1 ? 's' : ''} first.`;
}

function capital(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}
