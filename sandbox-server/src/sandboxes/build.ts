// The machines of a sandbox as objects: those that are about to be made, and those that an earlier run of the server made.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { SocketHost } from '../broker/socket.ts';
import type { Pool } from '../capacity/pool.ts';
import { newId } from '../ids.ts';
import { ContainerMachine } from '../machines/container.ts';
import { labelsOf, readLabels } from '../machines/labels.ts';
import type { LearnerMachine, MachineContext } from '../machines/machine.ts';
import { describePlace, type MachinePlan, placeInhabitant } from '../machines/placement.ts';
import { viewOfPlan, viewOfRecord } from '../machines/shown.ts';
import { Stopwatch } from '../machines/stopwatch.ts';
import { Turns } from '../machines/turns.ts';
import { bootLimits, VirtualMachine } from '../machines/vm.ts';
import { metrics } from '../metrics/metrics.ts';
import { messageOf } from '../problem.ts';
import type { Machine } from '../protocol/api.ts';
import type { MachineRecord, Probe } from '../protocol/broker.ts';
import type { Sandbox } from './sandbox.ts';

const STARTS_PER_PROCESSOR = 4;

export interface BuilderOptions {
  broker: SocketHost;
  log: Logger;
  /** How long a guest may take to say hello; vm.ts says how long by default. */
  bootLimits?: typeof bootLimits;
}

/** A machine of a new sandbox. */
export interface Built {
  plan: MachinePlan;
  machine: LearnerMachine;
  /** Makes it, or has it handed over by the pool. `zero`: performance.now() when the request arrived. */
  begin: (zero: number) => Promise<void>;
}

export class Builder {
  readonly #options: BuilderOptions;
  /** A VM that starts keeps a processor busy for a fifth of a second. Of processors that others use as well, so many get
   * their share at once that the rest do not wait for long, and each is there long before it is given up. */
  readonly #starts = new Turns(STARTS_PER_PROCESSOR * availableParallelism());

  constructor(options: BuilderOptions) {
    this.#options = options;
  }

  /** A machine that is nobody's yet. */
  build(id: string, labels: Record<string, string>, plan: MachinePlan): LearnerMachine {
    const view = viewOfPlan(plan);
    return plan.kind === 'vm' ? this.#vm(id, labels, view) : this.#container(id, labels, view, null);
  }

  /** The machines of a sandbox, from the pool as far as it has them; nothing is made yet. A VM knows the names of what will
   * be in it, so that a server started again knows them too. */
  buildAll(sandbox: Sandbox, plans: readonly MachinePlan[], pool: Pool): Built[] {
    const named = plans.map((plan) => {
      const pooled = pool.take(plan);
      return { id: pooled?.id ?? newId(), plan, pooled };
    });
    const labelled = named.map((one) => {
      const inside = named.filter(({ plan }) => plan.where.vm === one.plan.name);
      return { ...one, labels: labelsOf(sandbox, one.plan, inside) };
    });
    const vms = new Map<string, VirtualMachine>();
    for (const { id, plan, pooled, labels } of labelled.filter((one) => one.plan.kind === 'vm')) {
      const vm = pooled ?? this.#vm(id, labels, viewOfPlan(plan));
      if (vm instanceof VirtualMachine) vms.set(plan.name, vm);
    }
    return labelled.map(({ id, plan, pooled, labels }) => {
      if (pooled) return { plan, machine: pooled, begin: (zero) => pooled.handOver(plan, labels, zero) };
      const home = vms.get(plan.where.vm ?? '') ?? null;
      const machine = vms.get(plan.name) ?? this.#container(id, labels, viewOfPlan(plan), home);
      return { plan, machine, begin: (zero) => machine.create(plan, new Stopwatch(zero)) };
    });
  }

  /** The containers in VMs are where these say, which was noted when they were made; the guests tell what has moved. */
  findInhabitants(sandbox: Sandbox): void {
    const vms = sandbox.machines.filter((machine) => machine instanceof VirtualMachine);
    for (const machine of sandbox.machines) {
      if (machine instanceof ContainerMachine && machine.home) machine.adoptInside(vms);
    }
  }

  /** Takes over what an earlier run of the server made. */
  adopt(sandbox: Sandbox, record: MachineRecord, probe: Probe): void {
    const note = readLabels(record.labels);
    if (!note) return; // not made by us under such a name; it is ended as an orphan
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

  #container(
    id: string,
    labels: Record<string, string>,
    view: Machine,
    home: VirtualMachine | null,
  ): ContainerMachine {
    const { broker, log } = this.#options;
    return new ContainerMachine({ broker: home?.guest ?? broker, id, labels, log, metrics }, view, home);
  }

  #vm(id: string, labels: Record<string, string>, view: Machine): VirtualMachine {
    const { broker, log, bootLimits: limits = bootLimits } = this.#options;
    const context: MachineContext = { broker, id, labels, log, metrics };
    const link = join(broker.machineDirectory(id), 'link.sock');
    return new VirtualMachine(context, view, link, this.#starts, limits);
  }

  #takeOver(sandbox: Sandbox, machine: LearnerMachine, record: MachineRecord): void {
    sandbox.add(machine);
    machine.adopt(record).catch((error: unknown) => {
      this.#options.log.warn({ machine: machine.id, reason: messageOf(error) }, 'cannot take over a machine');
    });
  }
}
