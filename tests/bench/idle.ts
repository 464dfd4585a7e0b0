// What machines that do nothing cost together, and whether each of their terminals answers.
import type { TestBroker } from '../integration/broker.ts';
import { type Live, startContainer, startVm } from './machines.ts';
import { availableMiB, cpuMs, hostCpuMs, pssKiB } from './memory.ts';
import { type Summary, summary } from './summary.ts';

/** A machine has settled when its shell has been started and its kernel's own work after that is done. */
const SETTLE_MS = 4_000;
const WATCH_MS = 8_000;
/** Commands at least that are timed at each level, so that one VM has more than one. */
const COMMANDS = 20;
/** How many machines are ended at the same time. */
const ENDING = 8;

export interface Idle {
  vms: number;
  containers: number;
  /** Proportional set size of QEMU, in MB a VM. NaN without VMs. */
  pssMbEach: number;
  /** What MemAvailable has lost since there was nothing, in MB. */
  hostMb: number;
  /** Of QEMU alone, and of the whole host, in processors. */
  qemuCores: number;
  hostCores: number;
  /** Milliseconds from a typed line to what its command prints. */
  echoVm: Summary;
  echoContainer: Summary;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

let typed = 1_000;
async function echo({ screen }: Live): Promise<number> {
  const number = ++typed;
  const began = performance.now();
  // What is typed comes back too, and is not it.
  screen.type(`echo key-$((${number} + 0))\r`);
  await screen.shows(new RegExp(`key-${number}`));
  return performance.now() - began;
}

const echoes = async (machines: readonly Live[], least: number): Promise<Summary> => {
  const times: number[] = [];
  const count = machines.length === 0 ? 0 : Math.max(least, machines.length);
  for (let i = 0; i < count; i++) times.push(await echo(machines[i % machines.length] as Live));
  return summary(times);
};

async function measure(machines: readonly Live[], availableAtFirst: number): Promise<Idle> {
  const vms = machines.filter(({ kind }) => kind === 'vm');
  const containers = machines.filter(({ kind }) => kind === 'container');
  await pause(SETTLE_MS);
  const qemu = () => vms.reduce((sum, { pid }) => sum + cpuMs(pid), 0);
  const before = { qemu: qemu(), host: hostCpuMs(), at: performance.now() };
  await pause(WATCH_MS);
  const watched = performance.now() - before.at;
  const qemuCores = (qemu() - before.qemu) / watched;
  const hostCores = (hostCpuMs() - before.host) / watched;
  const echoVm = await echoes(vms, COMMANDS);
  const echoContainer = await echoes(containers, COMMANDS);
  // After the commands: a shell that has run one has cost what it costs.
  const pss = vms.reduce((sum, { pid }) => sum + pssKiB(pid), 0) / 1_024;
  return {
    vms: vms.length,
    containers: containers.length,
    pssMbEach: pss / vms.length,
    hostMb: availableAtFirst - availableMiB(),
    qemuCores,
    hostCores,
    echoVm,
    echoContainer,
  };
}

/** Measures at each number of VMs, and then with `containers` beside the most of them. Ends all of them. */
export async function measureLevels(
  broker: TestBroker,
  levels: readonly number[],
  containers: number,
): Promise<Idle[]> {
  const found: Idle[] = [];
  const machines: Live[] = [];
  const atFirst = availableMiB();
  for (const level of levels) {
    while (machines.length < level) machines.push((await startVm(broker, 'template'))[0]);
    found.push(await measure(machines, atFirst));
  }
  for (let i = 0; i < containers; i++) machines.push((await startContainer(broker))[0]);
  if (containers > 0) found.push(await measure(machines, atFirst));
  while (machines.length > 0) await Promise.all(machines.splice(-ENDING).map((machine) => machine.end()));
  return found;
}
