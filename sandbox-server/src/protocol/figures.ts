// The control protocol's part for what a broker counts and sees of a machine: the results of machine.stats and machine.view.
import * as z from 'zod';
import { namespaceKinds } from './view.ts';

const count = z.int().min(0);
const maybe = count.nullable();
/** Absent from a guest's broker of an earlier version. */
const later = maybe.optional();
/** A learner's program chooses it; the broker cuts it. */
const seenText = z.string().max(1_024);
const idMapSchema = z
  .array(
    z.strictObject({
      inside: count.describe('First id.'),
      outside: count.describe('First id on the host.'),
      count: count.describe('How many.'),
    }),
  )
  .max(8)
  .nullable();
const capabilitySet = z
  .string()
  .regex(/^[0-9a-f]{16}$/)
  .optional()
  .describe('16 hexadecimal digits.');
const hundredths = z.int().min(0).max(10_000).nullable();
const stallSchema = z
  .strictObject({
    some: hundredths.describe('Some task waited.'),
    full: hundredths.describe('All that had work did.'),
  })
  .describe('How long work stood still for want of this.');

export const machineStatsResult = z.strictObject({
  memory_total_bytes: maybe
    .optional()
    .describe("A guest itself: MemTotal. Any other machine: its limit. Absent from a guest's older broker."),
  memory_bytes: maybe.describe('Charged to its group now; a guest itself: MemTotal less MemAvailable.'),
  memory_peak_bytes: maybe.describe('The most that ever was.'),
  memory_anon_bytes: later.describe('Of that: written by programs to their own memory.'),
  memory_file_bytes: later.describe('Of that: files kept in memory, tmpfs among them.'),
  memory_kernel_bytes: later.describe("Of that: the kernel's own."),
  cpu_usec: maybe.describe('CPU time used, in microseconds.'),
  periods: later.describe('Periods of its CPU quota in which it ran.'),
  throttled_periods: later.describe('Those in which the quota was used up.'),
  throttled_usec: later.describe('How long it stood still for that, in microseconds of its CPUs.'),
  pids: maybe.describe('Processes and threads in its group.'),
  pids_limit: later.describe('The most it may have.'),
  pids_refusals: later.describe('Forks refused for that.'),
  oom_kills: maybe.describe('Processes killed for want of memory.'),
  read_bytes: later.describe('Read from disks.'),
  written_bytes: later.describe('Written to disks.'),
  reads: later.describe('Requests that read.'),
  writes: later.describe('Requests that wrote.'),
  pressure: z
    .strictObject({ cpu: stallSchema, memory: stallSchema, io: stallSchema })
    .nullable()
    .optional()
    .describe('Pressure stall information, in hundredths of a percent of the last ten seconds.'),
  pressure_missing: z.string().nullable().optional().describe('Why there is no pressure.'),
  host: z
    .strictObject({
      processes: maybe.describe('Processes of the host that exist for this machine, monitors included.'),
      pss_bytes: maybe.describe('Their proportional set size: what the host pays.'),
    })
    .nullable()
    .describe('What the host pays; null in a guest, and where it was not asked for.'),
});

export const machineViewResult = z.strictObject({
  processes: z
    .array(
      z.strictObject({
        pids: z.array(count).min(1).max(8).describe('On the host first, in its own namespace last.'),
        parent: count.nullable().describe("On the host; null when it is none of the machine's."),
        name: seenText.describe("Its program's name."),
        command: seenText.describe('Its command line.'),
        state: seenText.describe('One letter, as proc_pid_stat(5) has it.'),
        threads: count.describe('How many.'),
        thread_names: z
          .array(
            z.strictObject({ tid: count.describe('On the host.'), name: seenText.describe('Its name.') }),
          )
          .max(64)
          .optional()
          .describe('Of a VM.'),
        uid: count.describe('Effective, on the host.'),
        gid: count.describe('Effective, on the host.'),
        namespaces: z
          .record(z.enum(namespaceKinds), count.nullable())
          .describe('Inode numbers; null where the kernel has no such kind.'),
        cgroup: seenText.nullable().describe('Path of its group.'),
        uid_map: idMapSchema.describe('Of its user namespace.'),
        gid_map: idMapSchema.describe('Of its user namespace.'),
        label: seenText.nullable().describe("Its security module's label."),
        capabilities: z
          .strictObject({
            effective: capabilitySet,
            permitted: capabilitySet,
            inheritable: capabilitySet,
            bounding: capabilitySet,
            ambient: capabilitySet,
          })
          .describe('Its sets.'),
        seccomp: z.int().min(0).max(2).optional().describe('2: a filter.'),
        no_new_privs: z.int().min(0).max(1).optional().describe('1: set.'),
      }),
    )
    .max(64)
    .describe('Those with the lowest pids.'),
  total: count.describe('How many there are.'),
  host_namespaces: z
    .record(z.enum(namespaceKinds), count.nullable())
    .nullable()
    .optional()
    .describe("The broker's own, which are its host's. Absent from a guest's older broker."),
});
