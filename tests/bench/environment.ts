// What a benchmark's numbers were measured on. Times of one machine say nothing about another, and times of a busy machine
// little about itself.
import { cpus, loadavg, release, totalmem } from 'node:os';

export interface Environment {
  at: string;
  cpu: string;
  cpus: number;
  memoryGiB: number;
  kernel: string;
  node: string;
  /** Processes that wanted a processor, on average of the last minute. */
  load: number;
}

export function environment(): Environment {
  return {
    at: new Date().toISOString(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.versions.node,
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

/** One line for people; says so when something else used the machine before the benchmark began. */
export function describeEnvironment(before: Environment, after: Environment): string {
  const { cpu, memoryGiB, kernel, node } = before;
  const machine = `${before.cpus} × ${cpu}, ${memoryGiB} GiB, Linux ${kernel}, Node ${node}`;
  const busy = before.load > before.cpus / 2 ? ' (busy before it began: these times are too long)' : '';
  return `${machine}; load average ${before.load} before, ${after.load} after${busy}`;
}
