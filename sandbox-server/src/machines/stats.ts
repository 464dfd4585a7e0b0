// What a machine uses, from the counts of the broker on its host and of whoever counts inside it.
import type { Host } from '../broker/host.ts';
import type { InsideStats, MachineStats } from '../protocol/api.ts';
import type { BrokerResult } from '../protocol/broker.ts';

type Counts = BrokerResult<'machine.stats'>;

/** Adding up what the host pays takes a process of the broker's and walks the page tables of every process of the machine:
 * two milliseconds for a container, more for a VM. */
const HOST_COST_EVERY_MS = 2_000;
/** While a classroom is looked at, so many a second are added up, and each machine less often. */
const HOST_COSTS_PER_SECOND = 10;
/** The same for what guests are asked: each answer wakes a kernel, which under emulation takes milliseconds of the host's. */
const GUESTS_PER_SECOND = 20;
/** What a guest said so long before it was to be asked again is not shown as if it were now. */
const STALE_MS = 3_000;
/** What is outside of a container in a VM is a guest too, and must not keep the figures of others waiting. */
const TIMEOUT_MS = 2_000;

/** A kernel to be asked for its counts. */
export interface KernelToAsk {
  host: Host;
  machine: string;
}

/** How often something is done: the number of times in the last whole second. */
export class Rate {
  #second = 0;
  #now = 0;
  #before = 0;

  /** It is done once more. */
  note(nowMs: number): number {
    const second = Math.floor(nowMs / 1_000);
    if (second !== this.#second) {
      this.#before = second === this.#second + 1 ? this.#now : 0;
      this.#second = second;
      this.#now = 0;
    }
    this.#now++;
    return this.#before;
  }
}

/** Of all machines that anybody looks at, and of the guests among them. */
const reads = new Rate();
const guestReads = new Rate();

/** How long what the host paid is taken for what it pays, when figures are read so often: twice a second of each machine. */
export function hostCostEveryMs(readsPerSecond: number): number {
  return Math.max(HOST_COST_EVERY_MS, (readsPerSecond / 2 / HOST_COSTS_PER_SECOND) * 1_000);
}

/** How long a guest is left alone, when figures of guests are read so often: no time at all while they are few. */
export function guestEveryMs(readsPerSecond: number): number {
  const perGuest = 2;
  return readsPerSecond <= GUESTS_PER_SECOND ? 0 : (readsPerSecond / perGuest / GUESTS_PER_SECOND) * 1_000;
}

/** Asks for one machine's use, again and again. */
export class StatsMeter {
  readonly #outside = new CpuMeter();
  readonly #inside = new CpuMeter();
  #hostCost: { atMs: number; cost: Counts['host'] } | null = null;
  #guest: { atMs: number; stats: InsideStats } | null = null;
  #asking = false;
  #askedAtMs = Number.NEGATIVE_INFINITY;

  /** `inside`: a VM's own kernel, null while that does not answer; 'shared' for a container, whose group on its host
   * says it all. Rejects with BrokerError when the host does not know the machine. */
  async read(outside: KernelToAsk, inside: KernelToAsk | 'shared' | null): Promise<MachineStats> {
    const now = performance.now();
    // In a guest nothing is added up, and so nothing need be left out.
    const everyMs = hostCostEveryMs(reads.note(now));
    const guestMs = inside && inside !== 'shared' ? guestEveryMs(guestReads.note(now)) : 0;
    const addUp = !this.#hostCost?.cost || now - this.#hostCost.atMs >= everyMs;
    const [counts] = await Promise.all([
      outside.host.request(
        'machine.stats',
        { machine: outside.machine, ...(!addUp && { host: false }) },
        { timeoutMs: TIMEOUT_MS },
      ),
      inside && inside !== 'shared' && now - this.#askedAtMs >= guestMs && this.#askGuest(inside),
    ]);
    if (addUp) this.#hostCost = { atMs: now, cost: counts.host };
    const cpuMs = millisecondsOf(counts.cpu_usec);
    const cpuShare = this.#outside.share(cpuMs);
    const isFresh = this.#guest && performance.now() - this.#guest.atMs < guestMs + STALE_MS;
    const fresh = isFresh ? (this.#guest?.stats ?? null) : null;
    return {
      ...outsideOf(counts),
      cpuMs,
      cpuShare,
      hostBytes: this.#hostCost?.cost?.pss_bytes ?? null,
      hostProcesses: this.#hostCost?.cost?.processes ?? null,
      inside: inside === 'shared' ? insideOf(counts, cpuShare) : inside && fresh,
    };
  }

  /** One question at a time, and nobody waits for it longer than for the next: a guest decides itself when it answers. */
  async #askGuest({ host, machine }: KernelToAsk): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    this.#askedAtMs = performance.now();
    const answered = host.request('machine.stats', { machine }).then(
      (counts) => {
        const share = this.#inside.share(millisecondsOf(counts.cpu_usec));
        this.#guest = { atMs: performance.now(), stats: insideOf(counts, share) };
      },
      () => {}, // it ended, or hangs: what it said last becomes stale
    );
    void answered.finally(() => {
      this.#asking = false;
    });
    const patience = AbortSignal.timeout(200);
    await Promise.race([answered, new Promise((resolve) => patience.addEventListener('abort', resolve))]);
  }
}

/** How much CPU time was used between two looks. */
class CpuMeter {
  #last: { atMs: number; cpuMs: number } | null = null;

  /** CPUs used since the last call: 0.5 is half of one. Null in the first one. */
  share(cpuMs: number | null): number | null {
    const last = this.#last;
    const atMs = performance.now();
    this.#last = cpuMs === null ? null : { atMs, cpuMs };
    if (cpuMs === null || !last || atMs <= last.atMs) return null;
    return Math.max(0, (cpuMs - last.cpuMs) / (atMs - last.atMs));
  }
}

function outsideOf(counts: Counts): Omit<MachineStats, 'cpuMs' | 'cpuShare' | 'inside' | `host${string}`> {
  return {
    memoryBytes: counts.memory_bytes,
    memoryPeakBytes: counts.memory_peak_bytes,
    memoryLimitBytes: counts.memory_total_bytes ?? null,
    memoryAnonBytes: counts.memory_anon_bytes ?? null,
    memoryFileBytes: counts.memory_file_bytes ?? null,
    memoryKernelBytes: counts.memory_kernel_bytes ?? null,
    throttling: throttlingOf(counts),
    pids: counts.pids,
    pidsLimit: counts.pids_limit ?? null,
    pidsRefusals: counts.pids_refusals ?? null,
    oomKills: counts.oom_kills,
    io: ioOf(counts),
    ...pressureOf(counts),
  };
}

function throttlingOf({ periods, throttled_periods, throttled_usec }: Counts): MachineStats['throttling'] {
  if (periods == null || throttled_periods == null || throttled_usec == null) return null;
  return { periods, throttledPeriods: throttled_periods, throttledMs: throttled_usec / 1_000 };
}

function ioOf({ read_bytes, written_bytes, reads, writes }: Counts): MachineStats['io'] {
  if (read_bytes == null || written_bytes == null) return null;
  return { readBytes: read_bytes, writtenBytes: written_bytes, reads: reads ?? null, writes: writes ?? null };
}

function pressureOf({
  pressure,
  pressure_missing,
}: Counts): Pick<MachineStats, 'pressure' | 'pressureMissing'> {
  if (!pressure) {
    const older = 'the broker there is of an earlier version, which does not ask for pressure';
    return { pressure: null, pressureMissing: pressure_missing ?? older };
  }
  const percent = (hundredths: number | null) => (hundredths === null ? null : hundredths / 100);
  const stall = ({ some, full }: typeof pressure.cpu) => ({ some: percent(some), full: percent(full) });
  const { cpu, memory, io } = pressure;
  return { pressure: { cpu: stall(cpu), memory: stall(memory), io: stall(io) }, pressureMissing: null };
}

function insideOf(counts: Counts, cpuShare: number | null): InsideStats {
  return {
    memoryTotalBytes: counts.memory_total_bytes ?? null,
    memoryUsedBytes: counts.memory_bytes,
    cpuMs: millisecondsOf(counts.cpu_usec),
    cpuShare,
    tasks: counts.pids,
    oomKills: counts.oom_kills,
    ...pressureOf(counts),
  };
}

function millisecondsOf(microseconds: number | null): number | null {
  return microseconds === null ? null : microseconds / 1_000;
}
