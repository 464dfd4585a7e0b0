// A VM in this tab: a second emulator, with a kernel of its own that may panic while everything beside it goes on.
import { GUEST_ITSELF } from '@bulkhead/sandbox-server/broker/conversation';
import type { Host } from '@bulkhead/sandbox-server/broker/host';
import { Listeners } from '@bulkhead/sandbox-server/listeners';
import { LearnerMachine, type MachineContext } from '@bulkhead/sandbox-server/machines/machine';
import type { MachinePlan } from '@bulkhead/sandbox-server/machines/placement';
import { FROZEN } from '@bulkhead/sandbox-server/machines/shown';
import type { KernelToAsk } from '@bulkhead/sandbox-server/machines/stats';
import type { Stopwatch } from '@bulkhead/sandbox-server/machines/stopwatch';
import { Problem } from '@bulkhead/sandbox-server/problem';
import type { Machine } from '@bulkhead/sandbox-server/protocol';
import type { BrokerMethod, BrokerParams, BrokerResult } from '@bulkhead/sandbox-server/protocol/broker';
import { endOfGuest } from './end-of-guest.ts';
import { patiently } from './patient-host.ts';
import { prepared } from './prepared.ts';
import type { TabMachine, TabState } from './tab-machine.ts';

export interface SecondOptions extends Omit<MachineContext, 'broker'> {
  emulator: TabMachine;
  /** Where the image is. */
  base: string;
  /** Under which name it is saved on this device; null: nowhere. */
  slot: string | null;
}

export class SecondMachine extends LearnerMachine {
  readonly #emulator: TabMachine;
  readonly #base: string;
  readonly #slot: string | null;
  readonly #guest: Host;
  #leave = () => {};

  constructor({ emulator, base, slot, ...context }: SecondOptions, view: Machine) {
    super({ ...context, broker: outsideOf(emulator) }, view);
    this.#emulator = emulator;
    this.#base = base;
    this.#slot = slot;
    this.#guest = patiently(emulator);
  }

  protected get inside() {
    return { host: this.#guest, machine: GUEST_ITSELF };
  }

  protected override get kernel(): KernelToAsk | null {
    return this.view.state === 'running' ? { host: this.#guest, machine: GUEST_ITSELF } : null;
  }

  /** It goes on from what was saved of it. */
  async adopt(): Promise<void> {
    const { resumed, machines } = await this.#start(this.view.name);
    this.#guest.events.add((event) => this.noteTerminal(event));
    if (!resumed) throw new Error('nothing of it was saved');
    const itself = machines.find(({ machine }) => machine === GUEST_ITSELF);
    this.update({ state: 'running', reason: null, terminals: itself?.terminals ?? [] });
    void this.learnFacts();
  }

  /** Resolves at once: how it goes is told through `changes`. */
  protected async begin(plan: MachinePlan, watch: Stopwatch): Promise<void> {
    this.#emulator.stop();
    this.update({ state: 'booting', createdAt: Date.now() });
    void this.#begin(plan, watch).catch((error: unknown) => {
      if (this.ending || this.view.state === 'ended') return;
      const why = error instanceof Error ? error.message : String(error);
      this.update({ state: 'failed', reason: `The second machine did not start: ${why}` });
    });
  }

  async #begin(plan: MachinePlan, watch: Stopwatch): Promise<void> {
    await watch.step('broker', 'restore', 'the saved memory, in a second emulator', () =>
      this.#start(plan.name),
    );
    this.#guest.events.add((event) => this.noteTerminal(event));
    await this.becomeReady(plan, watch);
    // What the image had ready for the first machine nobody uses in this one.
    for (const machine of Object.values(prepared)) {
      await this.#guest.request('machine.delete', { machine }).catch(() => {});
    }
  }

  #start(hostname: string): Promise<Extract<TabState, { phase: 'running' }>> {
    this.#leave();
    return new Promise((resolve, reject) => {
      let begun = false;
      const leave = this.#emulator.subscribe((state) => {
        if (!begun) return;
        if (state.phase === 'running') resolve(state);
        else if (state.phase === 'failed') reject(new Error(state.message));
        else if (state.phase === 'off') reject(new Error('it was stopped'));
        if (state.phase === 'ended') {
          reject(new Error('it ended before it could be used'));
          this.noteExit(...endOfGuest(state.console));
        }
        // It runs and then does not: the emulator itself has failed.
        if (state.phase === 'failed') this.noteExit(state.message, { cause: 'crash' });
      });
      this.#leave = leave;
      this.#emulator.start(this.#base, { name: this.#slot, hostname });
      begun = true;
    });
  }

  override async freeze(): Promise<void> {
    const { name, state } = this.view;
    if (state !== 'running' && state !== 'frozen')
      throw new Problem('conflict', `${name} is ${state}: only what runs can be frozen.`);
    this.#emulator.sleep(true, 'frozen');
    this.noteFrozen(FROZEN);
  }

  override async thaw(): Promise<void> {
    const { name, state } = this.view;
    if (state !== 'running' && state !== 'frozen')
      throw new Problem('conflict', `${name} is ${state}: only what is frozen can be thawed.`);
    this.#emulator.sleep(false, 'frozen');
    await this.goOnAfterThaw();
  }

  protected override async beforeEnd(): Promise<void> {
    this.#leave();
  }
}

/** The tab as the host of a second machine: what of a broker's work there is to do for an emulator. */
function outsideOf(emulator: TabMachine): Host {
  const answers: { [M in BrokerMethod]?: () => Promise<BrokerResult<M>> } = {
    'machine.stats': async () => {
      const use = await emulator.use();
      const memory = use?.memoryBytes ?? null;
      return {
        memory_bytes: memory,
        memory_peak_bytes: memory,
        cpu_usec: use && Math.round(use.busyMs * 1_000),
        pids: null,
        oom_kills: null,
        host: { processes: null, pss_bytes: memory },
        pressure: null,
        pressure_missing: 'a browser tells a page nothing of its own pressure',
      };
    },
    // One thread of the browser, of which a page can see no more.
    'machine.view': async () => ({ processes: [], total: 0 }),
    'machine.delete': async () => {
      emulator.stop();
      return {};
    },
  };
  const refuse = () => Promise.reject(new Problem('unsupported', 'This tab cannot do that with a machine.'));
  return {
    connected: true,
    events: new Listeners(),
    request<M extends BrokerMethod>(method: M, _params: BrokerParams<M>): Promise<BrokerResult<M>> {
      const answer = answers[method] as (() => Promise<BrokerResult<M>>) | undefined;
      return answer ? answer() : refuse();
    },
    attach: refuse,
    dial: refuse,
  };
}
