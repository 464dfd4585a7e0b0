// Where a machine goes, why, and with what limits: decided from what was asked for and what the host's broker says it has.
import { Problem } from '../problem.ts';
import type { CreateSandbox, Machine } from '../protocol/api.ts';
import type { MachineRecord, Probe } from '../protocol/broker.ts';

const MIB = 1_048_576;

/** What a machine of each kind gets, unless the broker's maxima are lower. */
const wishes = {
  container: { memory_bytes: 256 * MIB, pids: 256, cpu_millis: 1_000, disk_bytes: 256 * MIB },
  vm: { memory_bytes: 256 * MIB, cpu_millis: 1_000 },
};

/** Memory that one more machine is taken to cost, for counting how many fit: a container's shells and its runtime's
 * kernel memory, a VM's RAM and QEMU itself. What it really costs is measured and shown while it runs. */
const costs = { container: 32 * MIB, vm: wishes.vm.memory_bytes + 64 * MIB };

/** Memory left alone for the host and the server. */
const RESERVE = 512 * MIB;

export interface MachinePlan {
  name: string;
  kind: 'container' | 'vm';
  profile: 'hardened' | 'nested' | null;
  /** How a VM begins; null for a container. */
  start: 'boot' | 'template' | null;
  image: string;
  limits: { memory_bytes: number; cpu_millis: number; pids: number; disk_bytes: number };
  where: Machine['where'];
  why: string;
  /** The first terminal's size, when one is wanted. */
  terminal: { columns: number; rows: number } | null;
}

/** Decides about one machine. Throws Problem `unsupported` when this host cannot make it, `bad_request` when nobody
 * could; `path` names the machine in the message. */
export function placeMachine(
  wanted: CreateSandbox['machines'][number],
  probe: Probe,
  path: string,
): MachinePlan {
  const { name, kind, columns, rows } = wanted;
  if (kind === 'vm' && wanted.profile) {
    throw new Problem('bad_request', 'A VM has no profile: its own kernel is its limit.', {
      field: `${path}.profile`,
    });
  }
  if (kind === 'container' && wanted.start) {
    throw new Problem('bad_request', 'A container has nothing to boot, and so no template to start from.', {
      field: `${path}.start`,
    });
  }
  if ((columns === undefined) !== (rows === undefined)) {
    const field = `${path}.${columns === undefined ? 'columns' : 'rows'}`;
    throw new Problem('bad_request', 'A terminal needs both columns and rows.', { field });
  }
  const profile = kind === 'vm' ? null : (wanted.profile ?? 'hardened');
  if (kind === 'vm' && probe.vm.accel === null) {
    throw new Problem('unsupported', `This host cannot run VMs: ${probe.vm.reason}`);
  }
  if (profile === 'nested' && probe.nesting === 'vm') {
    throw new Problem(
      'unsupported',
      'On this host containers in which you build partitions of your own run only inside a VM: ask for a vm instead.',
    );
  }
  const wish = wishes[kind];
  const most = probe.maxima;
  return {
    name,
    kind,
    profile,
    start: kind === 'vm' ? (wanted.start ?? 'boot') : null,
    image: imageFor(kind, probe),
    limits: {
      memory_bytes: Math.min(wish.memory_bytes, most.memory_bytes),
      cpu_millis: Math.min(wish.cpu_millis, most.cpu_millis),
      pids: Math.min(wishes.container.pids, most.pids),
      disk_bytes: Math.min(wishes.container.disk_bytes, most.disk_bytes),
    },
    ...describePlace({ kind, profile }, probe),
    terminal: columns === undefined || rows === undefined ? null : { columns, rows },
  };
}

/** Where a machine of this sort runs on this host, and why there. */
export function describePlace(
  sort: { kind: MachineRecord['kind']; profile: MachinePlan['profile'] },
  probe: Probe,
): Pick<MachinePlan, 'where' | 'why'> {
  const host = probe.hostname;
  if (sort.kind === 'container') {
    const why =
      sort.profile === 'nested'
        ? "A container shares its host's kernel, and this host lets learners build partitions of their own on it."
        : "A container shares its host's kernel, so it runs on the host itself.";
    return { where: { depth: 'host', host, accel: null }, why };
  }
  const accel = probe.vm.accel;
  const why =
    accel === 'kvm'
      ? 'A VM has a kernel of its own; QEMU runs it on this host with the help of its processor (KVM).'
      : `A VM has a kernel of its own; QEMU emulates a processor for it, because ${probe.vm.reason.replace(/\.$/, '')}.`;
  return { where: { depth: 'host', host, accel }, why };
}

/** How many more machines of each kind fit, given how many run. */
export function countRoom(probe: Probe, machines: number) {
  const mostMachines = probe.maxima.machines;
  const slots = Math.max(0, mostMachines - machines);
  const memory = Math.max(0, probe.capacity.memory_available_bytes - RESERVE);
  const has = (kind: 'container' | 'vm') => probe.images.some((image) => image.kind === kind);
  const containers = has('container') ? Math.min(slots, Math.floor(memory / costs.container)) : 0;
  const vms = has('vm') && probe.vm.accel ? Math.min(slots, Math.floor(memory / costs.vm)) : 0;
  return { machines, mostMachines, containers, vms, reason: fullReason() };

  function fullReason(): string | null {
    if (containers > 0) return null;
    if (slots === 0) return `All ${mostMachines} machines of this host are in use.`;
    if (!has('container')) return 'This host has no container image yet: npm start builds it.';
    return `This host has ${Math.round(memory / MIB)} MiB of memory left for machines, too little for another.`;
  }
}

/** Throws Problem `full` unless all of `plans` fit together. */
export function checkRoom(plans: readonly MachinePlan[], probe: Probe, machines: number): void {
  const mostMachines = probe.maxima.machines;
  const full = (why: string) => new Problem('full', `${why} Try again in a moment.`, { retryAfter: 30 });
  if (machines + plans.length > mostMachines) {
    throw full(
      `${machines} of this host's ${mostMachines} machines are in use, and you need ${plans.length}.`,
    );
  }
  const needed = plans.reduce((sum, plan) => sum + costs[plan.kind], RESERVE);
  if (needed > probe.capacity.memory_available_bytes) {
    throw full('This host is out of memory for more machines.');
  }
}

function imageFor(kind: MachinePlan['kind'], probe: Probe): string {
  const image = probe.images.find((candidate) => candidate.kind === kind);
  if (!image) {
    const what = kind === 'vm' ? 'VM' : 'container';
    throw new Problem('unsupported', `This host has no ${what} image yet: npm start builds it.`);
  }
  return image.name;
}
