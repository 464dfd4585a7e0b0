// The HTTP API's part for the host's view: a machine's own processes as the kernel under it sees them.
import * as z from 'zod';

export { capabilitiesOf, capabilityNames } from './capabilities.ts';

const count = z.int().min(0);
const text = z.string().max(1_024);
const mask = z
  .string()
  .regex(/^[0-9a-f]{16}$/)
  .nullable();

/** The kinds of namespaces, as the OCI specification calls them. */
export const namespaceKinds = ['user', 'mount', 'pid', 'network', 'ipc', 'uts', 'cgroup', 'time'] as const;
export type NamespaceKind = (typeof namespaceKinds)[number];

const namespaceIds = z.record(z.enum(namespaceKinds), count.nullable());
export type NamespaceIds = z.output<typeof namespaceIds>;

const idMap = z
  .array(
    z.strictObject({
      inside: count.describe('First id as programs in the user namespace see it.'),
      outside: count.describe('First id on the host.'),
      count: count.describe('How many follow one another.'),
    }),
  )
  .max(8)
  .nullable();

export const seenProcessSchema = z
  .strictObject({
    pids: z
      .array(count)
      .min(1)
      .max(8)
      .describe('Its process id on the host first, then in each pid namespace below; the last is its own.'),
    parent: count
      .nullable()
      .describe("Its parent's id on the host; null when that is none of the machine's."),
    name: text.describe('The name of its program, at most 15 bytes.'),
    command: text.describe('Its command line, one line of text; it may say there what it likes.'),
    state: text.describe('R runs, S sleeps, D waits for a disk, T stopped, Z ended and not yet waited for.'),
    threads: count.describe('How many threads it has.'),
    threadNames: z
      .array(
        z.strictObject({ tid: count.describe('Thread id on the host.'), name: text.describe('Its name.') }),
      )
      .max(64)
      .describe('Of a VM: the threads of QEMU. Empty for others.'),
    uid: count.describe('Its effective user id on the host.'),
    gid: count.describe('Its effective group id on the host.'),
    namespaces: namespaceIds.describe(
      'The ids (inode numbers) of its namespaces; null where the kernel has no such kind.',
    ),
    cgroup: text.nullable().describe('The path of its control group.'),
    uidMap: idMap.describe('The user ids of its user namespace.'),
    gidMap: idMap.describe('The group ids of its user namespace.'),
    label: text.nullable().describe('Its SELinux label or AppArmor profile; null without either.'),
    capabilities: z
      .strictObject({
        effective: mask.describe('What the kernel lets it do now.'),
        permitted: mask.describe('What it may make effective.'),
        inheritable: mask.describe('What it can hand to a program that takes it.'),
        bounding: mask.describe('Beyond which no program it starts can go.'),
        ambient: mask.describe('What programs without any of their own get.'),
      })
      .describe('Sets of capabilities, in its user namespace: 16 hexadecimal digits, see capabilitiesOf.'),
    seccomp: z
      .int()
      .min(0)
      .max(2)
      .nullable()
      .describe('2: a filter decides which system calls it may make; 0: none does.'),
    noNewPrivs: z
      .boolean()
      .nullable()
      .describe('Whether set-user-id programs give it nothing (no_new_privs).'),
  })
  .describe('A process as a kernel sees it.');
export type SeenProcess = z.output<typeof seenProcessSchema>;

export const seenProcessesSchema = z
  .strictObject({
    processes: z
      .array(seenProcessSchema)
      .max(64)
      .describe('The 64 with the lowest process ids, in that order.'),
    total: count.describe('How many there are.'),
    hostNamespaces: namespaceIds
      .nullable()
      .describe(
        'The namespaces of the host itself, for comparison: a process with the same id shares that with it. Null where ' +
          'a broker of an earlier version in a VM does not tell.',
      ),
  })
  .describe("A machine's own processes, and nobody else's.");
export type SeenProcesses = z.output<typeof seenProcessesSchema>;

export const hostViewSchema = z
  .strictObject({
    outside: seenProcessesSchema.describe('As the kernel under the machine sees them; of a VM that is QEMU.'),
    inside: seenProcessesSchema
      .nullable()
      .describe(
        "Of a VM: as its own kernel sees them, its kernel's threads left out; null while it does not answer, and for a " +
          'container, which has no other kernel.',
      ),
  })
  .describe('200 of GET /api/sandboxes/:id/machines/:name/view');
export type HostView = z.output<typeof hostViewSchema>;

export const eventsQuerySchema = z
  .strictObject({
    view: z
      .string()
      .regex(/^[a-z0-9-]{1,16}(,[a-z0-9-]{1,16}){0,7}$/, 'names of machines, with commas between them')
      .transform((names) => names.split(','))
      .optional()
      .describe("Machines whose host's view is wanted too."),
  })
  .describe('The query of GET /api/sandboxes/:id/events');
