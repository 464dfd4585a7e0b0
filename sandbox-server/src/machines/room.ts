// How much the host can still take, and whether a sandbox fits.
import { Problem } from '../problem.ts';
import type { Probe } from '../protocol/broker.ts';
import { type MachinePlan, wishes } from './placement.ts';

const MIB = 1_048_576;

/** Memory that one more machine is taken to cost, for counting how many fit: a container's shells and its runtime's
 * kernel memory, a VM's RAM and QEMU itself. What it really costs is measured and shown while it runs. */
const costs = { container: 32 * MIB, vm: wishes.vm.memory_bytes + 64 * MIB };

/** Memory left alone for the host and the server. */
const RESERVE = 512 * MIB;

/** How many more machines of each kind fit on the host, given how many run there. */
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

/** Throws Problem `full` unless all of `plans` fit together. Containers in a VM are that VM's to fit. */
export function checkRoom(plans: readonly MachinePlan[], probe: Probe, machines: number): void {
  const mostMachines = probe.maxima.machines;
  const onHost = plans.filter(({ where }) => where.vm === null);
  const full = (why: string) => new Problem('full', `${why} Try again in a moment.`, { retryAfter: 30 });
  if (machines + onHost.length > mostMachines) {
    throw full(
      `${machines} of this host's ${mostMachines} machines are in use, and you need ${onHost.length}.`,
    );
  }
  const needed = onHost.reduce((sum, plan) => sum + costs[plan.kind], RESERVE);
  if (needed > probe.capacity.memory_available_bytes) {
    throw full('This host is out of memory for more machines.');
  }
}
