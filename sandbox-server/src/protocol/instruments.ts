// The HTTP API's part for what is measured and seen of a machine while a page follows it: its figures, and what befell it.
import * as z from 'zod';

const count = z.int().min(0);
const ms = z.number().min(0);
const time = count.describe('Unix time in milliseconds.');
const maybe = count.nullable();
const maybeMs = ms.nullable();

const percent = z.number().min(0).max(100).nullable();
const stall = z
  .strictObject({
    some: percent.describe('Percent of the last ten seconds in which some of its tasks waited for it.'),
    full: percent.describe('… in which all that had work did; null where the kernel does not tell.'),
  })
  .describe('How long work stood still for want of this.');
const pressure = z
  .strictObject({ cpu: stall, memory: stall, io: stall })
  .nullable()
  .describe("The kernel's pressure stall information (PSI); null where there is none: see pressureMissing.");
const pressureMissing = z
  .string()
  .nullable()
  .describe('Why there is no pressure, one sentence; null where there is.');

export const insideStatsSchema = z
  .strictObject({
    memoryTotalBytes: maybe.describe(
      "A VM: MemTotal of its kernel. A container: its limit, for its /proc shows the host's.",
    ),
    memoryUsedBytes: maybe.describe(
      "A VM: MemTotal less MemAvailable. A container: charged to its control group, its files' cache too.",
    ),
    cpuMs: maybeMs.describe(
      'Milliseconds of CPU time that its own kernel, or its control group, counted so far.',
    ),
    cpuShare: z
      .number()
      .min(0)
      .nullable()
      .describe('CPUs used since the last event by that count; null in the first.'),
    tasks: maybe.describe(
      "Processes and threads it has: of a VM's kernel its own included, of a container those in its group.",
    ),
    oomKills: maybe.describe('Processes killed for want of memory, by that count.'),
    pressure,
    pressureMissing,
  })
  .describe('What the machine itself sees of its use.');
export type InsideStats = z.output<typeof insideStatsSchema>;

export const machineStatsSchema = z
  .strictObject({
    memoryBytes: maybe.describe(
      "Bytes charged to its control group on its host now; for a VM that is QEMU's.",
    ),
    memoryPeakBytes: maybe.describe('The most bytes that ever were.'),
    memoryLimitBytes: maybe.describe('What the machine may have; of a VM its own memory.'),
    memoryAnonBytes: maybe.describe('Of memoryBytes: what its programs have written to their memory.'),
    memoryFileBytes: maybe.describe(
      'Of memoryBytes: files kept in memory; the disk of a container among them.',
    ),
    memoryKernelBytes: maybe.describe('Of memoryBytes: what the kernel keeps for it.'),
    cpuMs: maybeMs.describe(
      "Milliseconds of CPU time that its control group used so far; for a VM that is QEMU's.",
    ),
    cpuShare: z
      .number()
      .min(0)
      .nullable()
      .describe('CPUs its control group used since the last event: 0.5 is half of one; null in the first.'),
    throttling: z
      .strictObject({
        periods: count.describe('Periods of its CPU limit in which it had work.'),
        throttledPeriods: count.describe('Those of them in which it had used its share up and stood still.'),
        throttledMs: ms.describe('How long its tasks stood still, those on different CPUs added up.'),
      })
      .nullable()
      .describe('What its CPU limit did, since it was made.'),
    pids: maybe.describe(
      "Processes and threads in its control group; for a VM those of QEMU and its console's keeper.",
    ),
    pidsLimit: maybe.describe('The most it may have.'),
    pidsRefusals: maybe.describe('New processes and threads that the kernel refused it for that.'),
    oomKills: maybe.describe('Processes in its control group killed for want of memory.'),
    io: z
      .strictObject({
        readBytes: count.describe('Read from disks.'),
        writtenBytes: count.describe(
          'Written to disks; on control groups v1 only what was not written back later by the kernel.',
        ),
        reads: maybe.describe('In so many requests.'),
        writes: maybe.describe('In so many requests.'),
      })
      .nullable()
      .describe("What reached the disks under it; a container's own disk is memory."),
    pressure,
    pressureMissing,
    hostBytes: maybe.describe(
      'What the host pays, bytes: proportional set size of all processes that exist for it, monitors included; ' +
        'measured every two seconds, less often while more than 20 machines are looked at. Null for a container in a VM: its VM pays.',
    ),
    hostProcesses: maybe.describe(
      'Processes on the host that exist for it, monitors included; null for a container in a VM.',
    ),
    inside: insideStatsSchema.nullable().describe('Null while it does not answer, such as a VM that boots.'),
  })
  .describe('What a machine costs its host, beside what it sees itself; null where this host cannot tell.');
export type MachineStats = z.output<typeof machineStatsSchema>;

export const noticeKinds = [
  'oom', // the kernel ended processes because memory was full
  'throttled', // it stood still because its share of CPU time was used up
  'pids', // the kernel refused it new processes
  'exit', // its first process is gone
  'panic', // its kernel panicked
  'migrated', // it goes on elsewhere
] as const;
export const noticeSchema = z
  .strictObject({
    at: time,
    kind: z.enum(noticeKinds).describe('What befell it, for programs.'),
    by: z
      .enum(['host', 'inside'])
      .describe("Whose kernel counted it: that under the machine, or a VM's own."),
    count: maybe.describe(
      'Since the last notice of this kind: processes ended, periods stood still in, processes refused. Null for others.',
    ),
    text: z.string().describe('What befell it, one sentence for a person.'),
  })
  .describe(
    'Something befell a machine. What comes again and again is told at once the first time, and then summed up: ' +
      'every 10 seconds, throttling every 30.',
  );
export type Notice = z.output<typeof noticeSchema>;
