// Where the machines of a sandbox go, why, and with what limits: decided from what was asked for and what the host's broker
// says it has. Nothing here asks anybody, so every decision can be tested.
import { Problem } from '../problem.ts';
import type { CreateSandbox, Machine, Need } from '../protocol/api.ts';
import type { Probe } from '../protocol/broker.ts';
import type { Inhabitant } from './labels.ts';
import { explained, featuresFor, hostLacks, inOrder, kernelKey, listed } from './needs.ts';

const MIB = 1_048_576;

/** What a machine of each kind gets, unless the broker's maxima are lower. `inside`: a container in a VM, whose memory
 * and disk are that VM's memory. */
export const wishes = {
  container: { memory_bytes: 256 * MIB, pids: 256, cpu_millis: 1_000, disk_bytes: 256 * MIB },
  inside: { memory_bytes: 96 * MIB, pids: 256, cpu_millis: 1_000, disk_bytes: 64 * MIB },
  vm: { memory_bytes: 256 * MIB, cpu_millis: 1_000 },
};

/** What somebody asks for. A lab may say more of its machines than a page may: which image, and how large, in the broker's
 * units. */
export type Wish = CreateSandbox['machines'][number] & {
  image?: string | undefined;
  limits?: Partial<MachinePlan['limits']> | undefined;
};
export interface Wanted {
  machines: readonly Wish[];
}

export interface MachinePlan {
  name: string;
  kind: 'container' | 'vm';
  profile: 'hardened' | 'nested' | null;
  /** How a VM begins; null for a container. */
  start: 'boot' | 'template' | null;
  image: string;
  limits: { memory_bytes: number; cpu_millis: number; pids: number; disk_bytes: number };
  needs: Need[];
  /** A VM that nobody asked for by name. */
  carrier: boolean;
  where: Machine['where'];
  why: string;
  /** The first terminal's size, when one is wanted. */
  terminal: { columns: number; rows: number } | null;
}

/** What the place of a machine follows from. */
export type Sort = Pick<MachinePlan, 'kind' | 'profile' | 'needs' | 'carrier'>;

/** Decides about all machines of a sandbox: those asked for, in their order, then the VMs that carry some of them. Throws
 * Problem: `bad_request` when nobody could make it, `unmet` when nobody here has what a machine needs, `unsupported` when
 * this host cannot make it. */
export function placeSandbox(wanted: readonly Wish[], probe: Probe): MachinePlan[] {
  checkNames(wanted);
  const carriers = new Map<string, MachinePlan>();
  const plans = wanted.map((wish, index) => {
    const path = `machines.${index}`;
    checkWish(wish, path);
    checkImage(wish, path, probe);
    const sort = sortOf(wish, path);
    if (sort.kind === 'vm') return plan(wish, { ...sort, vm: null }, probe);
    if (wish.in !== undefined) {
      checkHome(wish, sort, wanted, path);
      return plan(wish, { ...sort, vm: wish.in }, probe);
    }
    const lacks = lacksOf(sort, probe);
    if (lacks.length === 0) return plan(wish, { ...sort, vm: null }, probe);
    checkCarrier(wish.name, lacks, probe, path);
    const carrier = carrierFor(sort.needs, carriers, wanted, probe);
    makeRoom(carrier, wish, probe);
    return plan(wish, { ...sort, vm: carrier.name }, probe);
  });
  return [...plans, ...carriers.values()];
}

/** What a container in a VM was made from, as far as is noted with that VM: for a server that was started again. */
export function placeInhabitant(
  noted: Omit<Inhabitant, 'id'>,
  vm: { name: string; carrier: boolean },
  probe: Probe,
): MachinePlan {
  const sort = { kind: 'container', profile: noted.profile, needs: noted.needs, carrier: false } as const;
  const place = describePlace({ ...sort, vm: vm.name, carried: vm.carrier }, probe);
  const image = noted.image ?? probe.images.find(({ kind }) => kind === 'container')?.name ?? '';
  const limits = noted.limits ?? limitsFor('inside', probe);
  return { name: noted.name, ...sort, start: null, image, limits, ...place, terminal: null };
}

/** Where a machine of this sort runs, and why there. `vm`: the machine of its sandbox that it is in; `carried`: whether that
 * was made for it. */
export function describePlace(
  sort: Sort & { vm: string | null; carried: boolean },
  probe: Probe,
): Pick<MachinePlan, 'where' | 'why'> {
  const { release } = probe.kernel;
  const onHost = { depth: 'host', host: probe.hostname, vm: null, kernel: release } as const;
  if (sort.vm !== null) {
    const where = { depth: 'vm', host: sort.vm, vm: sort.vm, kernel: null, accel: null } as const;
    return { where, why: whyInside(sort, sort.vm, probe) };
  }
  if (sort.kind === 'container') return { where: { ...onHost, accel: null }, why: whyOnHost(sort) };
  const { accel, reason } = probe.vm;
  const purpose = sort.carrier ? 'Containers of this sandbox need its kernel. ' : '';
  const how =
    accel === 'kvm'
      ? 'A VM has a kernel of its own; QEMU runs it on this host with the help of its processor (KVM).'
      : `A VM has a kernel of its own; QEMU emulates a processor for it, because ${reason.replace(/\.$/, '')}.`;
  return { where: { ...onHost, accel }, why: purpose + how };
}

function whyOnHost({ profile, needs }: Sort): string {
  const others = needs.filter((need) => need !== 'nested');
  const has = others.length > 0 ? `this host has the ${listed(others)} that it needs` : null;
  const lets =
    profile === 'nested' ? 'this host lets learners build partitions of their own on its kernel' : null;
  const reasons = [has, lets].filter((reason) => reason !== null);
  if (reasons.length === 0) return "A container shares its host's kernel, so it runs on the host itself.";
  return `A container shares its host's kernel, and ${listed(reasons)}.`;
}

function whyInside(sort: Sort & { carried: boolean }, vm: string, probe: Probe): string {
  const lacks = lacksOf(sort, probe).map((need) => hostLacks(need, probe) ?? '');
  if (sort.carried && lacks.length > 0) {
    return `${capital(listed(lacks))}; what it needs is in the kernel of ${vm}, a VM that was made to carry it.`;
  }
  return `It was asked to run in ${vm}: the kernel that it shares is that VM's, not the host's.`;
}

function checkNames(wanted: readonly Wish[]): void {
  for (const [index, { name }] of wanted.entries()) {
    if (wanted.findIndex((other) => other.name === name) === index) continue;
    throw new Problem('bad_request', `Two machines are named ${name}: names differ in a sandbox.`, {
      field: `machines.${index}.name`,
    });
  }
}

/** What can be said of one wish alone. */
function checkWish(wish: Wish, path: string): void {
  const { kind, columns, rows } = wish;
  const refuse = (field: string, message: string) => {
    throw new Problem('bad_request', message, { field: `${path}.${field}` });
  };
  if (kind === 'vm' && wish.profile) refuse('profile', 'A VM has no profile: its own kernel is its limit.');
  if (kind === 'vm' && wish.in !== undefined)
    refuse('in', `${wish.name} is a VM, and VMs run on the host itself: leave out in.`);
  if (kind === 'container' && wish.start)
    refuse('start', 'A container has nothing to boot, and so no template to start from.');
  if ((columns === undefined) !== (rows === undefined))
    refuse(columns === undefined ? 'columns' : 'rows', 'A terminal needs both columns and rows.');
}

function checkImage({ name, kind, image }: Wish, path: string, { images }: Probe): void {
  if (image === undefined || images.some((one) => one.kind === kind && one.name === image)) return;
  const known = images.filter((one) => one.kind === kind).map((one) => one.name);
  const there = known.length > 0 ? `there is ${listed(known)}` : 'there is none of its kind';
  throw new Problem(
    'unsupported',
    `${name} starts from the image ${image}, which this host has not: ${there}.`,
    {
      field: `${path}.image`,
    },
  );
}

/** What a wish amounts to. Throws Problem `bad_request` when it contradicts itself. */
export function sortOf({ name, kind, profile, needs = [] }: Wish, path: string): Sort {
  const carrier = false;
  if (kind === 'vm') return { kind, profile: null, needs: inOrder(needs), carrier };
  if (profile === 'hardened' && needs.includes('nested')) {
    const message = `${name} needs nested, which a hardened container never is: leave out one of the two.`;
    throw new Problem('bad_request', message, { field: `${path}.profile` });
  }
  const nested = profile === 'nested' || needs.includes('nested');
  return { kind, profile: nested ? 'nested' : 'hardened', needs: inOrder(needs), carrier };
}

/** What the host does not have of what a container needs; its profile is a need as well. */
function lacksOf({ profile, needs }: Pick<Sort, 'profile' | 'needs'>, probe: Probe): Need[] {
  const all = profile === 'nested' ? inOrder([...needs, 'nested']) : needs;
  return all.filter((need) => hostLacks(need, probe) !== null);
}

/** The VM that a container is to be in has to be one, and to have what the container needs. */
function checkHome(wish: Wish, { needs }: Sort, wanted: readonly Wish[], path: string): void {
  const home = wanted.find(({ name }) => name === wish.in);
  if (home?.kind !== 'vm') {
    const message = home
      ? `${wish.name} is to run in ${home.name}, which is a container: name a machine of kind vm.`
      : `${wish.name} is to run in ${wish.in}, but this sandbox has no machine of that name: add one of kind vm.`;
    throw new Problem('bad_request', message, { field: `${path}.in` });
  }
  if (needs.includes('selinux') && !home.needs?.includes('selinux')) {
    const message =
      `${wish.name} needs selinux, but ${home.name}, in which it is to run, is made without: ` +
      `give ${home.name} needs: ["selinux"], or leave out in.`;
    throw new Problem('unmet', message, { field: `${path}.needs` });
  }
}

/** Nobody can help when the host lacks something and cannot run VMs either. */
function checkCarrier(name: string, lacks: readonly Need[], probe: Probe, path: string): void {
  const [need] = lacks;
  if (!need) return;
  const image = probe.images.some(({ kind }) => kind === 'vm');
  if (probe.vm.accel !== null && image) return;
  const why = image
    ? `cannot run a VM that has it: ${probe.vm.reason.replace(/\.$/, '')}`
    : 'has no VM image yet: npm start builds it';
  const message =
    `${name} needs ${explained(need)}, but ${hostLacks(need, probe)}, and it ${why}. ` +
    `Let the operator put that right, or ask for ${name} without ${need}.`;
  throw new Problem('unmet', message, { field: `${path}.needs` });
}

function carrierFor(
  needs: readonly Need[],
  carriers: Map<string, MachinePlan>,
  wanted: readonly Wish[],
  probe: Probe,
): MachinePlan {
  const key = kernelKey(needs);
  const known = carriers.get(key);
  if (known) {
    known.needs = inOrder([...known.needs, ...needs]);
    return known;
  }
  const taken = new Set([...wanted, ...carriers.values()].map(({ name }) => name));
  let name = 'carrier';
  for (let number = 2; taken.has(name); number++) name = `carrier-${number}`;
  // As a copy of a template: whoever waits is waiting for a container.
  const wish: Wish = { name, kind: 'vm', start: 'template' };
  const sort: Sort = { kind: 'vm', profile: null, needs: inOrder(needs), carrier: true };
  const made = plan(wish, { ...sort, vm: null }, probe);
  carriers.set(key, made);
  return made;
}

/** A container may have less than half of its VM's memory, whose kernel and programs need some as well. */
function makeRoom({ limits }: MachinePlan, { limits: wanted }: Wish, probe: Probe): void {
  const memory = 3 * (wanted?.memory_bytes ?? 0);
  limits.memory_bytes = Math.max(
    limits.memory_bytes,
    limitsFor('vm', probe, { memory_bytes: memory }).memory_bytes,
  );
}

function plan(wish: Wish, sort: Sort & { vm: string | null }, probe: Probe): MachinePlan {
  const { name, kind, columns, rows } = wish;
  if (kind === 'vm' && probe.vm.accel === null) {
    throw new Problem('unsupported', `This host cannot run VMs: ${probe.vm.reason}`);
  }
  const place = describePlace({ ...sort, carried: wish.in === undefined }, probe);
  return {
    name,
    kind,
    profile: sort.profile,
    start: kind === 'vm' ? (wish.start ?? 'boot') : null,
    image: wish.image ?? imageFor(kind, probe),
    limits: limitsFor(sort.vm === null ? kind : 'inside', probe, wish.limits),
    needs: sort.needs,
    carrier: sort.carrier,
    ...place,
    terminal: columns === undefined || rows === undefined ? null : { columns, rows },
  };
}

function limitsFor(
  what: keyof typeof wishes,
  probe: Probe,
  stated: Wish['limits'] = {},
): MachinePlan['limits'] {
  const wish = { ...wishes.container, ...wishes[what], ...stated };
  return grantedBy(probe, wish);
}

/** The same limits, as far as this host grants them. QEMU is told memory in whole MiB. */
export function grantedBy({ maxima }: Probe, wish: MachinePlan['limits']): MachinePlan['limits'] {
  return {
    memory_bytes: Math.min(wish.memory_bytes, Math.floor(maxima.memory_bytes / MIB) * MIB),
    cpu_millis: Math.min(wish.cpu_millis, maxima.cpu_millis),
    pids: Math.min(wish.pids, maxima.pids),
    disk_bytes: Math.min(wish.disk_bytes, maxima.disk_bytes),
  };
}

/** The features that a VM is to be made with. */
export function featuresOf({ needs }: MachinePlan): 'selinux'[] {
  return featuresFor(needs);
}

function imageFor(kind: MachinePlan['kind'], probe: Probe): string {
  const image = probe.images.find((candidate) => candidate.kind === kind);
  if (!image) {
    const what = kind === 'vm' ? 'VM' : 'container';
    throw new Problem('unsupported', `This host has no ${what} image yet: npm start builds it.`);
  }
  return image.name;
}

function capital(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}
