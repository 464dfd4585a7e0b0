// A container of a learner: an ordinary machine of the broker it is made by, on the host or inside a VM.
import type { Host } from '../broker/host.ts';
import type { MachineRecord } from '../protocol/broker.ts';
import { LearnerMachine } from './machine.ts';
import type { MachinePlan } from './placement.ts';
import type { Stopwatch } from './stopwatch.ts';

/** A container is made in milliseconds; this is for a host that swaps. */
const CREATE_TIMEOUT_MS = 30_000;

export class ContainerMachine extends LearnerMachine {
  #leaveEvents: (() => void) | null = null;

  async create(plan: MachinePlan, watch: Stopwatch): Promise<void> {
    const { broker, id, labels } = this.context;
    this.#followEvents();
    const { machine, trace } = await watch.step('broker', 'make container', plan.image, () =>
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
        { timeoutMs: CREATE_TIMEOUT_MS },
      ),
    );
    // The runtime's last step is the last thing before the broker answers, to within a fraction of a millisecond.
    watch.placeTrace('runtime', trace, watch.now());
    this.update({ hostPid: machine.pid, createdAt: machine.created_ms });
    await this.becomeReady(plan, watch);
  }

  async adopt(record: MachineRecord): Promise<void> {
    this.#followEvents();
    if (record.state === 'running') await this.learnFacts();
  }

  protected get inside(): { host: Host; machine: string } {
    return { host: this.context.broker, machine: this.id };
  }

  protected override async beforeEnd(): Promise<void> {
    this.#leaveEvents?.();
  }

  #followEvents(): void {
    this.#leaveEvents = this.context.broker.events.add((event) => {
      if (event.machine !== this.id) return;
      if (event.event === 'machine.exited') this.noteExit(event.reason);
      else this.noteTerminal(event);
    });
  }
}
