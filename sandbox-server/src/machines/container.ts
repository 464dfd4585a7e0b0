// A container of a learner: an ordinary machine of the broker it is made by, on the host or inside a VM.
import { BrokerError } from '../broker/client.ts';
import type { Host } from '../broker/host.ts';
import { newId } from '../ids.ts';
import { messageOf, Problem } from '../problem.ts';
import type {
  Checkpoint,
  Checkpointed,
  ContainerMoved,
  Machine,
  MachineEnd,
  RestartMachine,
} from '../protocol/api.ts';
import type { BrokerEvent, MachineRecord, Probe } from '../protocol/broker.ts';
import { type ByteDuplex, untilClosed } from '../protocol/bytes.ts';
import { makeAgain, moveContainer, writeDown } from './checkpoint.ts';
import { createContainer } from './creation.ts';
import { LearnerMachine, type MachineContext } from './machine.ts';
import { guestLacks } from './needs.ts';
import { grantedBy, type MachinePlan } from './placement.ts';
import { FROZEN, limitsOf } from './shown.ts';
import type { Stopwatch } from './stopwatch.ts';
import { isAlive, type VirtualMachine } from './vm.ts';

/** What a guest says is shown, but not at any length. */
const REASON_MAX = 300;

export class ContainerMachine extends LearnerMachine {
  #home: VirtualMachine | null;
  /** Its move, or its return to a checkpoint, that is under way. */
  #travel: Promise<unknown> | null = null;
  #wentBack = false;
  /** It is frozen because its VM is. */
  #stillWithHome = false;
  readonly #streams = new Set<ByteDuplex>();
  #leaves: (() => void)[] = [];
  /** After a restart of the server: the VMs that it may be in and whose guests have not told yet. Null once it is known. */
  #unheard: Set<VirtualMachine> | null = null;
  #making: Promise<void> | null = null;

  /** `home`: the VM that it runs in, whose guest is then the context's broker; null on the host. */
  constructor(context: MachineContext, view: Machine, home: VirtualMachine | null = null) {
    super(context, view);
    this.#home = home;
  }

  override get home(): VirtualMachine | null {
    return this.#home;
  }

  override get wentBack(): boolean {
    return this.#wentBack || (this.#home?.wentBack ?? false);
  }

  /** Throws Problem `conflict` also while the VM that it is in does not run. */
  override async restart(wanted: RestartMachine, zero: number): Promise<void> {
    const home = this.#home?.view;
    if (home && home.state !== 'running') {
      const message = `${home.name}, the VM that ${this.view.name} is in, is ${home.state}: restart that first.`;
      throw new Problem('conflict', message);
    }
    await super.restart(wanted, zero);
  }

  /** In a VM it is first made when that runs, so this resolves before, and `changes` tell how it goes. */
  protected async begin(plan: MachinePlan, watch: Stopwatch, again: boolean): Promise<void> {
    this.#follow();
    if (!this.#home) return this.#make(plan, watch, again);
    this.#making = this.#makeIn(this.#home, plan, watch, again).finally(() => {
      this.#making = null;
    });
    if (again) await this.#making;
  }

  async adopt(record: MachineRecord): Promise<void> {
    this.#follow();
    if (record.state === 'running') await this.learnFacts();
  }

  /** Takes over what an earlier run of the server made, or was about to make, in a VM. It may have moved to another of `vms`
   * since, which no label says: it is where a guest knows it, and gone once none of them does. */
  adoptInside(vms: readonly VirtualMachine[]): void {
    this.#follow();
    this.#unheard = new Set(vms);
    for (const vm of vms) {
      const noteEnd = ({ state }: Machine) => isAlive(state) || this.#hear(vm, []);
      this.#leaves.push(vm.guest.found.add((records) => this.#hear(vm, records)));
      this.#leaves.push(vm.changes.add(noteEnd));
    }
    for (const vm of vms) if (!isAlive(vm.view.state)) this.#hear(vm, []);
  }

  /** While it travels, whoever wants a terminal waits until it has arrived. While nobody knows where it is, it is not gone. */
  override async attach(terminal: string): Promise<ByteDuplex> {
    await this.#travel?.catch(() => {});
    if (this.#unheard) {
      throw new BrokerError('unavailable', `it is not known yet in which VM ${this.view.name} is`);
    }
    return this.#track(await super.attach(terminal));
  }

  /** Writes it down with its memory, files and terminals; it stands still for a moment and goes on. Throws Problem unless it
   * runs in a VM, `unsupported` when it has something that CRIU cannot write down. */
  checkpoint(name: string): Promise<Checkpointed> {
    const { guest } = this.#mustRunInVm();
    return this.#alone(async () => {
      const { bytes, elapsedMs } = await writeDown(guest, this.id, name, false);
      return { bytes, elapsedMs };
    });
  }

  /** Its own, among those that its VM keeps. */
  async checkpoints(): Promise<Checkpoint[]> {
    const { checkpoints } = await this.#mustRunInVm().guest.request('checkpoint.list', {});
    return checkpoints
      .filter(({ machine }) => machine === this.id)
      .map(({ checkpoint, created_ms, bytes, processes }) => ({
        checkpoint,
        createdAt: created_ms,
        bytes,
        processes,
      }))
      .toSorted((a, b) => a.createdAt - b.createdAt);
  }

  async deleteCheckpoint(checkpoint: string): Promise<void> {
    await this.#mustHave(checkpoint);
    await this.context.broker.request('checkpoint.delete', { checkpoint });
  }

  /** Ends it as it is and has it go on from where it was written down; when that fails, from where it stood, if it could be
   * written down there too. */
  async goBackTo(checkpoint: string): Promise<void> {
    const { guest } = this.#mustRunInVm();
    await this.#mustHave(checkpoint);
    await this.#alone(async () => {
      const present = await this.#writeDownPresent(guest);
      this.#leaveTerminals();
      await super.remove();
      try {
        const record = await makeAgain(guest, checkpoint);
        this.#wentBack = true;
        this.#arrive(record);
      } catch (error) {
        const why = `It could not go back to ${checkpoint}: ${messageOf(error).slice(0, REASON_MAX)}`;
        if (!present || !(await this.#standAgain(guest, present))) this.noteExit(why);
        throw error;
      } finally {
        if (present) await guest.request('checkpoint.delete', { checkpoint: present }).catch(() => {});
      }
    });
  }

  /** Writes it down as it stands, and leaves it standing still. Null when CRIU cannot: with an open connection, say. */
  async #writeDownPresent(guest: Host): Promise<string | null> {
    const present = `back-${newId()}`;
    try {
      await writeDown(guest, this.id, present, true);
      return present;
    } catch (error) {
      this.context.log.info(
        { machine: this.id, reason: messageOf(error) },
        'goes back without a way forward',
      );
      return null;
    }
  }

  async #standAgain(guest: Host, present: string): Promise<boolean> {
    try {
      this.#arrive(await makeAgain(guest, present));
      return true;
    } catch (error) {
      this.context.log.warn({ machine: this.id, reason: messageOf(error) }, 'cannot stand where it stood');
      return false;
    }
  }

  /** Has it go on in another VM of its sandbox, with its terminals; when that fails it goes on where it is. Throws Problem
   * unless both run. */
  async moveTo(target: VirtualMachine): Promise<ContainerMoved> {
    const home = this.#mustRunInVm();
    const { name, state } = target.view;
    if (target === home)
      throw new Problem('bad_request', `${this.view.name} is in ${name} already.`, { field: 'to' });
    if (state !== 'running')
      throw new Problem('conflict', `${name} is ${state}: a container can only move to a VM that runs.`);
    return this.#alone(async () => {
      const passage = `move-${newId()}`;
      const { record, ...figures } = await moveContainer(home.guest, target.guest, this.id, passage);
      this.settleIn(target);
      this.#arrive(record);
      const pause = Math.round(figures.standstillMs);
      this.noteMoved(`${this.view.name} goes on in ${target.view.name}; it stood still for ${pause} ms.`);
      // What stands still in the old VM is not it any more; nobody waits for its end.
      home.guest.request('machine.delete', { machine: this.id }, { timeoutMs: 60_000 }).catch((error) => {
        const why = messageOf(error);
        this.context.log.warn({ machine: this.id, reason: why }, 'cannot clear away what was moved');
      });
      return figures;
    });
  }

  /** It is in that VM from now on. */
  settleIn(home: VirtualMachine): void {
    const from = this.#home?.view.name;
    for (const leave of this.#leaves.splice(0)) leave();
    this.#leaveTerminals();
    this.#home = home;
    this.context.broker = home.guest;
    this.#follow();
    const { name } = home.view;
    const why = `It was moved here from ${from}: the kernel that it shares is that of ${name}.`;
    this.update({ where: { ...this.view.where, host: name, vm: name, kernel: null }, why });
  }

  /** Throws Problem `conflict` also while its VM is what is frozen. */
  override async thaw(): Promise<void> {
    if (this.#home?.view.state === 'frozen') {
      const { name } = this.#home.view;
      throw new Problem('conflict', `${name}, the VM that ${this.view.name} is in, is frozen: thaw that.`);
    }
    await super.thaw();
  }

  protected get inside(): { host: Host; machine: string } {
    return { host: this.context.broker, machine: this.id };
  }

  protected override async beforeEnd(): Promise<void> {
    for (const leave of this.#leaves.splice(0)) leave();
    // One that is being made is known to the guest only when that is done.
    if (this.#home?.view.state === 'running') await this.#making;
    await this.#travel?.catch(() => {});
  }

  /** With its VM it goes by itself. */
  protected override async remove(): Promise<void> {
    if (this.#home && (this.#home.ending || this.#home.view.state !== 'running')) return;
    await super.remove();
  }

  async #make(plan: MachinePlan, watch: Stopwatch, again: boolean): Promise<void> {
    const machine = await createContainer(this.context, plan, watch, again);
    this.update({ hostPid: machine.pid, createdAt: machine.created_ms, label: machine.label ?? null });
    await this.becomeReady(plan, watch);
  }

  /** What went wrong becomes the machine's state; only one that was to begin again rejects. */
  async #makeIn(home: VirtualMachine, plan: MachinePlan, watch: Stopwatch, again: boolean): Promise<void> {
    try {
      await watch.step('server', `wait for ${home.view.name}`, '', () => home.running());
      await home.inTurn(() => this.#makeOn(home.view.name, plan, watch, again));
    } catch (error) {
      if (again) throw error;
      if (this.ending || this.view.state !== 'starting') return;
      const why = messageOf(error).slice(0, REASON_MAX);
      this.context.log.warn({ machine: this.id, reason: why }, 'cannot make a container in a VM');
      this.update({ state: 'failed', reason: `It was not made: ${why}.` });
      // A terminal that did not open is no reason to leave the container of it behind.
      if (home.view.state === 'running') await super.remove().catch(() => {});
    }
  }

  async #makeOn(vm: string, plan: MachinePlan, watch: Stopwatch, again: boolean): Promise<void> {
    if (this.ending) return;
    const probe = await this.context.broker.request('probe', {});
    const lacking = guestLacks(plan.needs, probe);
    if (lacking) {
      throw new Error(`the kernel of ${vm} has no ${lacking}; labs/images/build makes one that has`);
    }
    const limits = grantedBy(probe, plan.limits);
    this.#standOn(probe);
    this.update({ limits: limitsOf('container', limits) });
    await this.#make({ ...plan, limits }, watch, again);
  }

  #follow(): void {
    if (this.#leaves.length > 0) return;
    const { broker } = this.context;
    this.#leaves.push(broker.events.add((event) => this.#noteEvent(event)));
    if (!this.#home) return;
    this.#leaves.push(this.#home.changes.add((view) => this.#noteHome(view)));
    this.#leaves.push(this.#home.guest.found.add((records) => void this.#noteFound(records)));
  }

  #noteEvent(event: BrokerEvent): void {
    if (event.machine !== this.id) return;
    if (event.event === 'machine.exited') this.#noteOwnExit(event.reason, event.cause);
    else this.noteTerminal(event);
  }

  /** A guest has told what it has, or will never. */
  #hear(vm: VirtualMachine, records: readonly MachineRecord[]): void {
    const unheard = this.#unheard;
    if (!unheard?.delete(vm)) return;
    const here = records.some(({ machine }) => machine === this.id);
    if (!here && unheard.size > 0) return;
    this.#unheard = null;
    if (here && vm !== this.#home) this.settleIn(vm);
    if (this.#home) this.#noteHome(this.#home.view);
    if (this.#home && isAlive(this.#home.view.state)) void this.#noteFound(records);
  }

  /** The end of a VM is the end of what runs in it. */
  #noteHome({ name, state, reason }: Machine): void {
    if (state === 'frozen') {
      this.#stillWithHome ||= this.view.state === 'running';
      this.noteFrozen(`${name}, the VM that it is in, is frozen.`);
    } else if (state === 'running' && this.#stillWithHome) {
      this.#stillWithHome = false;
      this.update({ state: 'running', reason: null });
    }
    if (isAlive(state) || this.#unheard) return;
    const why = `${name}, the VM that it was in, is gone: ${reason ?? 'it ended.'}`;
    if (this.#making) this.update({ state: 'failed', reason: why });
    else this.noteExit(why, { cause: 'host' });
  }

  #noteOwnExit(reason: string, cause: MachineEnd['cause'] = 'lost'): void {
    this.noteExit(reason.slice(0, REASON_MAX), { cause });
  }

  /** The guest was greeted, for the first time since this server began or after a loss. What it tells may also be of an
   * earlier time, when its VM went back to a snapshot: what had ended then lives again. */
  async #noteFound(records: readonly MachineRecord[]): Promise<void> {
    if (this.#making || this.ending || this.#unheard) return;
    const record = records.find(({ machine, kind }) => machine === this.id && kind === 'container');
    if (!record) return this.noteExit(`${this.view.where.host} does not know it any more.`);
    if (record.state === 'exited') return this.#noteOwnExit(record.exit ?? 'It ended.', record.cause);
    const { image, pid, created_ms, terminals, label = null } = record;
    const changed = { image, hostPid: pid, createdAt: created_ms, terminals, label, end: null };
    this.update({
      ...changed,
      state: 'running',
      reason: null,
      end: null,
      limits: limitsOf('container', record.limits),
    });
    this.#stillWithHome = false;
    if (record.frozen) this.noteFrozen(FROZEN);
    await this.#learnAgain();
  }

  /** The VM that it runs in. CRIU is there, and not on the host. */
  #mustRunInVm(): VirtualMachine {
    const { name, state } = this.view;
    if (!this.#home) {
      const message = `${name} runs on the host itself: only a container in a VM can be written down or moved.`;
      throw new Problem('unsupported', message);
    }
    if (state !== 'running')
      throw new Problem('conflict', `${name} is ${state}: only a container that runs can do that.`);
    return this.#home;
  }

  async #mustHave(wanted: string): Promise<void> {
    const all = await this.checkpoints();
    if (all.some(({ checkpoint }) => checkpoint === wanted)) return;
    throw new Problem(
      'not_found',
      `${this.view.name} has no checkpoint ${wanted} in ${this.#home?.view.name}.`,
    );
  }

  /** One journey at a time. */
  async #alone<T>(journey: () => Promise<T>): Promise<T> {
    if (this.#travel || this.ending)
      throw new Problem('conflict', `${this.view.name} is being written down, moved or ended already.`);
    const travel = journey();
    this.#travel = travel;
    try {
      return await travel;
    } finally {
      this.#travel = null;
    }
  }

  #arrive({ pid, terminals, created_ms }: MachineRecord): void {
    const changed = { hostPid: pid, terminals, createdAt: created_ms };
    this.update({ ...changed, state: 'running', reason: null, end: null });
    void this.#learnAgain();
  }

  /** Its viewers come back by themselves, and find it where it is then. */
  #leaveTerminals(): void {
    for (const stream of [...this.#streams]) stream.close('the container goes on elsewhere');
  }

  #track(stream: ByteDuplex): ByteDuplex {
    const tracked = untilClosed(stream, () => this.#streams.delete(tracked));
    this.#streams.add(tracked);
    return tracked;
  }

  async #learnAgain(): Promise<void> {
    try {
      this.#standOn(await this.context.broker.request('probe', {}));
    } catch {
      return; // lost again: the next greeting finds it again
    }
    await this.learnFacts();
  }

  #standOn({ kernel }: Probe): void {
    this.update({ where: { ...this.view.where, kernel: kernel.release } });
  }
}
