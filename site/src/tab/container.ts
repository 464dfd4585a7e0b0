// A container in this tab: the machine of the server's that it is, on the broker in the tab.
import { createContainer } from '@bulkhead/sandbox-server/machines/creation';
import { LearnerMachine } from '@bulkhead/sandbox-server/machines/machine';
import type { MachinePlan } from '@bulkhead/sandbox-server/machines/placement';
import { FROZEN } from '@bulkhead/sandbox-server/machines/shown';
import { Stopwatch } from '@bulkhead/sandbox-server/machines/stopwatch';
import type { MachineStats, Notice } from '@bulkhead/sandbox-server/protocol';
import type { MachineRecord, TraceStep } from '@bulkhead/sandbox-server/protocol/broker';

/** In thousandths, as limits are. */
const ONE_PROCESSOR = 1_000;

export class TabContainer extends LearnerMachine {
  #leave = () => {};

  protected get inside() {
    return { host: this.context.broker, machine: this.id };
  }

  /** Its learner is at the keyboard of the computer that its kernel runs on. */
  override get kernelIsLearners(): boolean {
    return true;
  }

  async adopt(record: MachineRecord): Promise<void> {
    this.#follow();
    const { pid, created_ms, label = null, terminals, state, exit } = record;
    this.update({ hostPid: pid, createdAt: created_ms, label, terminals });
    if (state === 'exited') return this.noteExit(exit ?? 'It ended.', { cause: record.cause ?? 'lost' });
    this.update({ state: record.frozen ? 'frozen' : 'running', reason: record.frozen ? FROZEN : null });
    void this.learnFacts();
  }

  /** A broker in a guest adds up no page tables: what the control group is charged is what there is to know. */
  override async stats(): Promise<MachineStats> {
    const stats = await super.stats();
    return { ...stats, hostBytes: stats.memoryBytes, hostProcesses: stats.pids };
  }

  /** A limit that is the whole of the one processor holds nobody back: what the kernel counts there is how an emulated clock runs. */
  protected override isNews({ kind }: Notice): boolean {
    return kind !== 'throttled' || this.view.limits.cpuMillis < ONE_PROCESSOR;
  }

  protected async begin(plan: MachinePlan, watch: Stopwatch, again: boolean): Promise<void> {
    this.#follow();
    const { pid, created_ms, label } = await createContainer(this.context, plan, watch, again);
    this.update({ hostPid: pid, createdAt: created_ms, label: label ?? null });
    await this.becomeReady(plan, watch);
  }

  /** It was made when the image was, as `record` says; `trace` tells how. Rejects with BrokerError. */
  async take(
    record: MachineRecord,
    trace: readonly TraceStep[],
    plan: MachinePlan,
    zero: number,
  ): Promise<void> {
    const making = new Stopwatch(record.created_ms - performance.timeOrigin);
    making.placeTrace('runtime', trace, Math.max(0, ...trace.map(({ end_us }) => end_us)) / 1_000);
    this.noteMaking(making);
    await this.handOver(plan, this.context.labels, zero);
    await this.adopt(record);
  }

  protected override async beforeEnd(): Promise<void> {
    this.#leave();
  }

  #follow(): void {
    this.#leave();
    this.#leave = this.context.broker.events.add((event) => {
      if (event.machine !== this.id) return;
      if (event.event === 'machine.exited') this.noteExit(event.reason, { cause: event.cause ?? 'lost' });
      else this.noteTerminal(event);
    });
  }
}
