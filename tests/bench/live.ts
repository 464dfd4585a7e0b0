// Containers that live while others are started, and what each of them costs in memory.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Workshop } from '../integration/bundle.ts';
import { hardened, type Programs } from './contenders.ts';
import { time } from './timer.ts';

export interface MemoryPerContainer {
  live: number;
  /** What MemAvailable lost. */
  availableKiB: number;
  /** Kernel objects: Slab, KernelStack, PageTables and Percpu of /proc/meminfo. */
  kernelKiB: number;
  /** Proportional set size of the one process in it. */
  pssKiB: number;
  /** Processes of the runtime that stayed for all of them. */
  runtimeProcesses: number;
}

const meminfo = (): { available: number; kernel: number } => {
  const text = readFileSync('/proc/meminfo', 'utf8');
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0);
  const kernel = ['Slab', 'KernelStack', 'PageTables', 'Percpu'].reduce((sum, name) => sum + field(name), 0);
  return { available: field('MemAvailable'), kernel };
};

const ifThere = (read: () => string): string => {
  try {
    return read();
  } catch {
    return ''; // ended meanwhile
  }
};

/** Processes in cgroups of the shop, and those that run `runtime`, a copy that nobody else has. */
const processes = (shop: Workshop, runtime: string): { pss: number; runtimes: number } => {
  let pss = 0;
  let runtimes = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (ifThere(() => readFileSync(`/proc/${pid}/cgroup`, 'utf8')).includes(`/${shop.cgroup}/`)) {
      const rollup = ifThere(() => readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
      pss += Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
    }
    if (ifThere(() => readlinkSync(`/proc/${pid}/exe`)) === runtime) runtimes++;
  }
  return { pss, runtimes };
};

/** Live containers of one shop: more are added, and in the end all are deleted. */
export class Live {
  readonly #shop: Workshop;
  readonly #programs: Programs;
  #count = 0;

  constructor(shop: Workshop, programs: Programs) {
    this.#shop = shop;
    this.#programs = programs;
  }

  /** Adds containers until there are `count`. Returns what those added cost; undefined where none were. */
  grow(count: number): MemoryPerContainer | undefined {
    const added = count - this.#count;
    if (added <= 0) return undefined;
    const ids = Array.from({ length: added }, (_, i) => this.#count + i);
    // Before the memory is looked at: the documents lie in the page cache.
    const steps = ids.map((n) => {
      const bundle = hardened(this.#shop, `live-${n}`, 1 + n, ['/bin/payload', 'stay']);
      const command = [
        this.#programs.bulkhead,
        '--root',
        this.#shop.state,
        'run',
        '--detach',
        '--bundle',
        bundle,
        `live-${n}`,
      ];
      return { group: String(n), name: '-', command };
    });
    const before = meminfo();
    time(this.#programs.timer, steps, 1, 0);
    const after = meminfo();
    this.#count = count;
    const { pss, runtimes } = processes(this.#shop, this.#programs.bulkhead);
    return {
      live: count,
      availableKiB: Math.round((before.available - after.available) / added),
      kernelKiB: Math.round((after.kernel - before.kernel) / added),
      pssKiB: Math.round(pss / count),
      runtimeProcesses: runtimes,
    };
  }

  end(): void {
    const steps = Array.from({ length: this.#count }, (_, n) => ({
      group: String(n),
      name: '-',
      command: [this.#programs.bulkhead, '--root', this.#shop.state, 'delete', '--force', `live-${n}`],
    }));
    if (steps.length > 0) time(this.#programs.timer, steps, 1, 0);
    this.#count = 0;
  }
}
