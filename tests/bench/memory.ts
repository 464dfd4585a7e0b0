// What processes cost: their proportional set size and their processor time, read from /proc.
import { readdirSync, readFileSync } from 'node:fs';

const ifThere = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // ended meanwhile
  }
};

/** Kilobytes that a process has of its own, and its part of what it shares. 0 for one that has ended. */
export const pssKiB = (pid: number): number =>
  Number(/^Pss:\s+(\d+)/m.exec(ifThere(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);

/** Milliseconds of processor time that a process has used. */
export const cpuMs = (pid: number): number => {
  const fields = ifThere(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 10;
};

/** Milliseconds of processor time that everything on this machine has used. */
export const hostCpuMs = (): number => {
  const [, user, nice, system, , , irq, soft] = ifThere('/proc/stat').split(/\s+/).map(Number);
  return [user, nice, system, irq, soft].reduce<number>((sum, one) => sum + (one ?? 0), 0) * 10;
};

/** Megabytes that new programs could have. */
export const availableMiB = (): number =>
  Number(/^MemAvailable:\s+(\d+)/m.exec(ifThere('/proc/meminfo'))?.[1] ?? Number.NaN) / 1_024;

/** Processes whose command line has all of `words`. */
export const processesWith = (...words: string[]): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const command = ifThere(`/proc/${pid}/cmdline`);
      return words.every((word) => command.includes(word));
    })
    .map(Number);
