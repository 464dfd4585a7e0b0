// What the machines of this tab stand on: one emulator whose kernel the containers share, and a second one for a VM, each
// started when it is first needed.
import type { LearnerMachine } from '@bulkhead/sandbox-server/machines/machine';
import type { MachinePlan, Wish } from '@bulkhead/sandbox-server/machines/placement';
import { viewOfPlan } from '@bulkhead/sandbox-server/machines/shown';
import { Stopwatch } from '@bulkhead/sandbox-server/machines/stopwatch';
import { Problem } from '@bulkhead/sandbox-server/problem';
import type { Machine } from '@bulkhead/sandbox-server/protocol';
import type { MachineRecord } from '@bulkhead/sandbox-server/protocol/broker';
import type { Sandbox } from '@bulkhead/sandbox-server/sandboxes/sandbox';
import { TabContainer } from './container.ts';
import { endOfGuest } from './end-of-guest.ts';
import type { TabImage } from './image.ts';
import { patiently } from './patient-host.ts';
import { isAsPrepared, planInTab } from './plan.ts';
import { prepared } from './prepared.ts';
import { SecondMachine } from './second-machine.ts';
import type { TabMachine, TabState } from './tab-machine.ts';
import { newId, quietLog } from './tab-server.ts';

export interface GroundOptions {
  first: TabMachine;
  second: TabMachine;
  image: TabImage;
  /** Where the image is. */
  base: string;
  /** Whether what is in the machines is saved on this device. */
  saves: boolean;
  /** Why there is no second emulator here; null where there may be one. */
  noSecond: string | null;
}

type Running = Extract<TabState, { phase: 'running' }>;

/** The first emulator's download, or the emulator itself, was given up by the reader. */
export class GivenUp extends Error {
  override name = 'GivenUp';
}

export class Ground {
  /** Told, in a sentence, when the kernel under the containers has ended. */
  onend: (reason: string) => void = () => {};
  readonly #options: GroundOptions;
  readonly #broker;
  #starting: Promise<void> | null = null;
  /** What the image had ready and nobody has taken. */
  #prepared: MachineRecord[] = [];
  #known: readonly MachineRecord[] = [];

  constructor(options: GroundOptions) {
    this.#options = options;
    this.#broker = patiently(options.first);
    options.first.subscribe((state) => {
      if (state.phase === 'ended') this.onend(endOfGuest(state.console)[0]);
      else if (state.phase === 'failed') this.onend(state.message);
    });
  }

  get release(): string {
    return this.#options.image.release;
  }

  get memoryBytes(): number {
    return this.#options.image.memoryBytes;
  }

  get noSecond(): string | null {
    return this.#options.noSecond;
  }

  /** Resolves when the first emulator runs. Rejects with GivenUp, or Error with a sentence for the reader. */
  start(): Promise<void> {
    if (this.#options.first.state.phase === 'running') return Promise.resolve();
    this.#starting ??= this.#start().finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  /** Nothing runs on it any more, and it costs nothing until it is needed again. */
  rest(): void {
    this.#options.first.stop();
    this.#options.second.stop();
  }

  async plan(wanted: readonly Wish[]): Promise<MachinePlan[]> {
    const { release, memoryBytes, noSecond } = this;
    // Refused before anything is fetched, and once more when it is known what the kernel has.
    planInTab(wanted, { release, memoryBytes, noSecond, probe: null });
    await this.start();
    // What the kernel has, it is asked only where that decides: the answer takes it half a second.
    const decides = wanted.some(({ needs }) => needs?.includes('selinux'));
    const probe = decides ? await this.#broker.request('probe', {}) : null;
    return planInTab(wanted, { release, memoryBytes, noSecond, probe });
  }

  /** Throws Problem when there is one VM already. */
  checkRoom(kind: Machine['kind'], sandboxes: readonly Sandbox[]): void {
    const vms = sandboxes.flatMap(({ machines }) => machines).filter(({ view }) => view.kind === 'vm');
    if (kind === 'vm' && vms.length > 0)
      throw new Problem(
        'quota',
        'This tab has a second machine already: end the sandbox that it is in first.',
      );
  }

  /** A machine that is about to be made, or taken from what the image had ready. */
  build(
    plan: MachinePlan,
    sandbox: Sandbox,
    zero: number,
  ): { machine: LearnerMachine; begin: () => Promise<void> } {
    const labels = { sandbox: sandbox.id, name: plan.name };
    if (plan.kind === 'vm') {
      const machine = this.#second(newId(), viewOfPlan(plan), labels);
      return { machine, begin: () => machine.create(plan, new Stopwatch(zero)) };
    }
    const ready = isAsPrepared(plan) ? this.#take(plan) : undefined;
    const machine = this.#container(ready?.machine ?? newId(), viewOfPlan(plan), labels);
    const trace = this.#options.image.prepared.find(({ machine: id }) => id === ready?.machine)?.trace ?? [];
    return {
      machine,
      begin: () =>
        ready ? machine.take(ready, trace, plan, zero) : machine.create(plan, new Stopwatch(zero)),
    };
  }

  /** A machine as it was when the page was left; one that could not be saved has ended. */
  async adopt(id: string, view: Machine, sandbox: Sandbox): Promise<LearnerMachine> {
    const labels = { sandbox: sandbox.id, name: view.name };
    if (view.kind === 'vm') {
      const second = this.#second(id, { ...view, state: 'booting', reason: null }, labels);
      await second.adopt().catch((error: Error) => second.noteExit(`It could not go on: ${error.message}.`));
      return second;
    }
    const container = this.#container(id, view, labels);
    await this.start();
    const record = this.#known.find(({ machine }) => machine === id);
    if (record) await container.adopt(record);
    else container.noteExit('Nothing of it was saved when the page was left.');
    return container;
  }

  async #start(): Promise<void> {
    const { first, base, saves } = this.#options;
    first.start(base, { name: saves ? 'first' : null });
    const { machines } = await new Promise<Running>((resolve, reject) => {
      const leave = first.subscribe((state) => {
        if (state.phase === 'fetching' || state.phase === 'restoring') return;
        queueMicrotask(() => leave());
        if (state.phase === 'running') resolve(state);
        else if (state.phase === 'failed') reject(new Error(state.message));
        else reject(new GivenUp('The machine in this tab was given up.'));
      });
    });
    this.#known = machines;
    const ids: readonly string[] = Object.values(prepared);
    this.#prepared = machines.filter(
      ({ machine, labels, state }) => ids.includes(machine) && !labels.sandbox && state === 'running',
    );
  }

  #take(plan: MachinePlan): MachineRecord | undefined {
    const ready = this.#prepared.find(({ machine }) => machine === prepared[plan.profile ?? 'hardened']);
    this.#prepared = this.#prepared.filter((one) => one !== ready);
    return ready;
  }

  #container(id: string, view: Machine, labels: Record<string, string>): TabContainer {
    return new TabContainer({ broker: this.#broker, id, labels, log: quietLog }, view);
  }

  #second(id: string, view: Machine, labels: Record<string, string>): SecondMachine {
    const { second, base, saves } = this.#options;
    return new SecondMachine(
      { emulator: second, base, slot: saves ? 'second' : null, id, labels, log: quietLog },
      view,
    );
  }
}
