// Names and sizes that several parts of the API speak of.
import * as z from 'zod';

export const machineNameSchema = z
  .string()
  .regex(/^[a-z]([a-z0-9-]{0,14}[a-z0-9])?$/, 'a-z, 0-9 and -, at most 16, a letter first, no - last')
  .describe("A machine's name inside its sandbox, such as box or vm; also its host name.");
export const columnsSchema = z.int().min(1).max(1_000).describe('Columns of the terminal.');
export const rowsSchema = z.int().min(1).max(1_000).describe('Rows of the terminal.');

/** What a machine may need of the kernel under it, and what each word means. A container is put on the host where the
 * host's kernel has it, else into a VM; every VM has all of these, selinux when it is asked for. */
export const needMeanings = {
  cgroup2: 'control groups version 2, with the controllers cpu, io, memory and pids',
  selinux: 'SELinux that enforces, with a label of its own for each container',
  nested: 'leave to build partitions in it: its profile is nested',
  panic: 'a kernel that may be crashed (by root of the VM: not from inside a container)',
  modules: 'a kernel that takes modules (from root of the VM: not from inside a container)',
} as const;
export const needSchema = z.enum(Object.keys(needMeanings) as (keyof typeof needMeanings)[]).describe(
  `${Object.entries(needMeanings)
    .map(([need, meaning]) => `${need}: ${meaning}`)
    .join('; ')}.`,
);
export type Need = z.output<typeof needSchema>;
