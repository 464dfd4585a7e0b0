// A container of a learner: an ordinary machine of the broker it is made by, on the host or inside a VM.
import type { Host } from '../broker/host.ts';
import { messageOf, Problem } from '../problem.ts';
import type { Machine, MachineEnd, RestartMachine } from '../protocol/api.ts';
import type { BrokerEvent, MachineRecord, Probe } from '../protocol/broker.ts';
import { LearnerMachine, limitsOf, type MachineContext, orIfGone } from './machine.ts';
import { guestLacks } from './needs.ts';
import type { MachinePlan } from './placement.ts';
import type { Stopwatch } from './stopwatch.ts';
import { isAlive, type VirtualMachine } from './vm.ts';

/** A container is made in milliseconds; this is for a host that swaps, and for an emulated one. */
const CREATE_TIMEOUT_MS = 30_000;
/** What a guest says is shown, but not at any length. */
const REASON_MAX = 300;

export class ContainerMachine extends LearnerMachine {
  readonly #home: VirtualMachine | null;
  #leaves: (() => void)[] = [];
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
    return this.#home?.wentBack ?? false;
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

  /** Takes over what an earlier run of the server made, or was about to make, in a VM: the guest tells whether it lives. */
  adoptInside(home: VirtualMachine): void {
    this.#follow();
    this.#noteHome(home.view);
  }

  protected get inside(): { host: Host; machine: string } {
    return { host: this.context.broker, machine: this.id };
  }

  protected override async beforeEnd(): Promise<void> {
    for (const leave of this.#leaves.splice(0)) leave();
    // One that is being made is known to the guest only when that is done.
    if (this.#home?.view.state === 'running') await this.#making;
  }

  /** With its VM it goes by itself. */
  protected override async remove(): Promise<void> {
    if (this.#home && (this.#home.ending || this.#home.view.state !== 'running')) return;
    await super.remove();
  }

  async #make(plan: MachinePlan, watch: Stopwatch, again: boolean): Promise<void> {
    const { broker, id, labels } = this.context;
    const wait = { timeoutMs: CREATE_TIMEOUT_MS };
    const create = () =>
      broker.request(
        'container.create',
        {
          machine: id,
          image: plan.image,
          profile: plan.profile ?? 'hardened',
          hostname: plan.name,
          limits: plan.limits,
          labels,
        },
        wait,
      );
    const what = again ? 'make container anew' : 'make container';
    const { machine, trace } = await watch.step('broker', what, plan.image, () =>
      again ? orIfGone(broker.request('machine.restart', { machine: id }, wait), create) : create(),
    );
    // The runtime's last step is the last thing before the broker answers, to within a fraction of a millisecond.
    watch.placeTrace('runtime', trace, watch.now());
    this.update({ hostPid: machine.pid, createdAt: machine.created_ms, label: machine.label ?? null });
    await this.becomeReady(plan, watch);
  }

  /** Never rejects: what went wrong becomes the machine's state. */
  async #makeIn(home: VirtualMachine, plan: MachinePlan, watch: Stopwatch, again: boolean): Promise<void> {
    try {
      await watch.step('server', `wait for ${home.view.name}`, '', () => home.running());
      await home.inTurn(() => this.#makeOn(home.view.name, plan, watch, again));
    } catch (error) {
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
    const limits = within(plan.limits, probe.maxima);
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

  /** The end of a VM is the end of what runs in it. */
  #noteHome({ name, state, reason }: Machine): void {
    if (isAlive(state)) return;
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
    if (this.#making || this.ending) return;
    const record = records.find(({ machine, kind }) => machine === this.id && kind === 'container');
    if (!record) return this.noteExit(`${this.view.where.host} does not know it any more.`);
    if (record.state === 'exited') return this.#noteOwnExit(record.exit ?? 'It ended.', record.cause);
    const { image, pid, created_ms, terminals, label = null } = record;
    const changed = { image, hostPid: pid, createdAt: created_ms, terminals, label, end: null };
    this.update({ ...changed, state: 'running', reason: null, limits: limitsOf('container', record.limits) });
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

/** The same limits, as far as this host grants them. */
function within(limits: MachinePlan['limits'], most: Probe['maxima']): MachinePlan['limits'] {
  return {
    memory_bytes: Math.min(limits.memory_bytes, most.memory_bytes),
    cpu_millis: Math.min(limits.cpu_millis, most.cpu_millis),
    pids: Math.min(limits.pids, most.pids),
    disk_bytes: Math.min(limits.disk_bytes, most.disk_bytes),
  };
}
