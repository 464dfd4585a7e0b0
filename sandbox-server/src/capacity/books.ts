// What the host may give, what it has given, and whether more fits: one account, from what `probe` measures and what the
// operator allows. Nothing here asks anybody, so every decision can be tested.
import type { MachinePlan } from '../machines/placement.ts';
import type { Probe } from '../protocol/broker.ts';
import type { Policy } from '../sandboxes/policy.ts';

const MIB = 1_048_576;

/** What can run out because it was promised: bounded by sums, whatever the machines do with it. */
export const promises = ['machines', 'vms', 'memory', 'pids', 'cpu'] as const;
export type Promised = Record<(typeof promises)[number], number>;

/** What can run out because it is used: measured on the host. */
const measured = ['memory', 'disk', 'pids'] as const;

/** What a machine is promised, and what it is found to take soon after it was made (tests/bench, idle and with a shell). */
export interface Cost {
  /** `memory`: bytes that its limits let it grow to. `pids`: likewise. `cpu`: thousandths of a processor that it uses idle. */
  promised: Promised;
  /** Bytes of memory and of disk, and pids. */
  taken: Taken;
}
export type Taken = Record<(typeof measured)[number], number>;

const noPromise: Promised = { machines: 0, vms: 0, memory: 0, pids: 0, cpu: 0 };

/** QEMU beside its guest's RAM: code, device models, translated code. */
const QEMU = { memory: 64 * MIB, pids: 16 };
/** A container is a shell, its monitor and the kernel's own for its namespaces; a copy of a template shares what it has not
 * written to; a VM that booted does not. The disk: records, console, and the image's files while they are replaced. */
const taken = {
  container: { memory: 12 * MIB, disk: MIB, pids: 6 },
  template: { memory: 48 * MIB, disk: 2 * MIB, pids: 10 },
  boot: { memory: 208 * MIB, disk: 2 * MIB, pids: 10 },
};
/** Of the host's process numbers; without the rest nobody could log in to put things right. */
const PIDS_GIVEN = 7 / 8;
const idleCpu = { container: 1, vm: 5 };

/** What machines on the host cost it together; containers in a VM are that VM's to fit. */
export function costOf(plans: readonly Pick<MachinePlan, 'kind' | 'start' | 'limits' | 'where'>[]): Cost {
  const total = noCost();
  for (const { kind, start, limits } of plans.filter(({ where }) => where.vm === null)) {
    const vm = kind === 'vm';
    addTo(total, {
      promised: {
        machines: 1,
        vms: vm ? 1 : 0,
        memory: limits.memory_bytes + (vm ? QEMU.memory : 0),
        pids: vm ? QEMU.pids : limits.pids,
        cpu: idleCpu[kind],
      },
      taken: taken[vm ? (start ?? 'boot') : 'container'],
    });
  }
  return total;
}

export function noCost(): Cost {
  return { promised: { ...noPromise }, taken: { memory: 0, disk: 0, pids: 0 } };
}

/** Adds a cost, `times` over; -1 takes it away. */
export function addTo(total: Cost, { promised, taken: now }: Cost, times = 1): void {
  for (const key of promises) total.promised[key] += times * promised[key];
  for (const key of measured) total.taken[key] += times * now[key];
}

/** What can be promised on this host when nothing runs. */
export function mostOf({ capacity, maxima, vm }: Probe, policy: Policy): Promised {
  const { cpus, memory_bytes, pids = 32_768 } = capacity;
  return {
    machines: maxima.machines,
    vms: vm.accel === null ? 0 : Math.min(policy.vms, maxima.machines),
    memory: Math.max(0, memory_bytes - policy.reserveBytes) * policy.overcommit,
    pids: Math.floor(pids * PIDS_GIVEN) * policy.overcommit,
    cpu: cpus * 1_000,
  };
}

/** What there is now, measured, less the reserve. */
export function availableOf({ capacity }: Probe, policy: Policy): Taken {
  const { memory_available_bytes, disk_available_bytes, pids, pids_used = 0 } = capacity;
  return {
    memory: memory_available_bytes - policy.reserveBytes,
    disk: disk_available_bytes === undefined ? Infinity : disk_available_bytes - policy.reserveBytes,
    pids: pids === undefined ? Infinity : Math.floor(pids * PIDS_GIVEN) - pids_used,
  };
}

export interface Books {
  most: Promised;
  available: Taken;
  /** Promised to machines that there are, and `taken` by those that were made so lately that no measure shows them. */
  given: Cost;
}

/** The first thing that `cost` is too much of, as a sentence for a person; null when it fits. */
export function refusal({ most, available, given }: Books, cost: Cost): string | null {
  for (const key of promises) {
    const want = cost.promised[key];
    if (want > 0 && given.promised[key] + want > most[key]) return spent[key](most[key], given.promised[key]);
  }
  for (const key of measured) {
    const want = cost.taken[key];
    const left = available[key] - given.taken[key];
    if (want > 0 && want > left) return short[key](Math.max(0, left));
  }
  return null;
}

/** Why this cost is too much for the host even when nothing runs; null when it only has to wait. */
export function neverFits(most: Promised, cost: Cost): string | null {
  const all: Taken = { memory: Infinity, disk: Infinity, pids: Infinity };
  const empty = { most, available: all, given: noCost() };
  return refusal(empty, cost) === null
    ? null
    : `This host never has room for it: ${promises
        .filter((key) => cost.promised[key] > most[key])
        .map((key) => beyond[key](cost.promised[key], most[key]))
        .join(', ')}. Ask for less.`;
}

const mib = (bytes: number) => `${Math.round(bytes / MIB)} MiB`;

const spent: Record<keyof Promised, (most: number, given: number) => string> = {
  machines: (most, given) =>
    given >= most
      ? `All ${most} machines of this host are in use.`
      : `${given} of this host's ${most} machines are in use.`,
  vms: (most, given) =>
    most === 0
      ? 'This host runs no VMs.'
      : `${given === most ? 'All' : `${given} of`} ${most} VMs that this host may run are in use.`,
  memory: (most, given) =>
    `${mib(given)} of the ${mib(most)} of memory that this host may promise are promised already.`,
  pids: (most, given) => `${given} of the ${most} processes that this host may promise are promised already.`,
  cpu: () => "This host's processors have as many machines as they can serve.",
};

const short: Record<keyof Taken, (left: number) => string> = {
  memory: (left) => `This host has ${mib(left)} of memory left for machines, too little for another.`,
  disk: (left) => `This host has ${mib(left)} of disk left for machines, too little for another.`,
  pids: () => 'This host has no process numbers left for another machine.',
};

const beyond: Record<keyof Promised, (want: number, most: number) => string> = {
  machines: (want, most) => `${want} machines, where ${most} may run`,
  vms: (want, most) => `${want} VMs, where ${most} may run`,
  memory: (want, most) => `${mib(want)} of memory, where ${mib(most)} may be promised`,
  pids: (want, most) => `${want} processes, where ${most} may be promised`,
  cpu: () => 'more than its processors can serve',
};

/** How often `cost` still fits. */
export function timesLeft({ most, available, given }: Books, cost: Cost): number {
  const times = (left: number, each: number) => (each > 0 ? left / each : Infinity);
  const least = Math.min(
    ...promises.map((key) => times(most[key] - given.promised[key], cost.promised[key])),
    ...measured.map((key) => times(available[key] - given.taken[key], cost.taken[key])),
  );
  return Math.max(0, Math.floor(least));
}
