// The HTTP API between a page and sandbox-server: every request, answer and event (docs/protocol.md, "HTTP API").
// Times are milliseconds; a field that ends in `At` is Unix time.
import * as z from 'zod';
import {
  endCauses as brokerEndCauses,
  kindSchema,
  profileSchema,
  startSchema,
  terminalIdSchema,
} from './broker.ts';
import { machineStatsSchema, noticeSchema } from './instruments.ts';
import { checkSchema, solveSchema } from './labs.ts';
import { columnsSchema, machineNameSchema, needMeanings, needSchema, rowsSchema } from './names.ts';
import { labSlugSchema } from './people.ts';
import { ticketSchema } from './queue.ts';
import { hostViewSchema } from './view.ts';

export * from './names.ts';

const count = z.int().min(0);
const ms = z.number().min(0);
const time = count.describe('Unix time in milliseconds.');
const sentence = z.string().describe('One sentence for a person.');

export const sandboxIdSchema = z
  .string()
  .regex(/^[a-z2-7]{20}$/)
  .describe("A sandbox's id: 20 random base-32 characters; of no use without its owner's cookie.");

// ---- errors

export const apiErrorCodes = [
  'bad_request', // 400: malformed; `field` names what
  'no_session', // 401: no valid cookie; GET /api/status gives one
  'forbidden', // 403: a page of another origin asked, or the Host header is not ours
  'not_found', // 404: no such route, sandbox, machine or terminal (or it is somebody else's)
  'conflict', // 409: not in this state, such as a terminal in a VM that is still booting
  'too_large', // 413: the body is over its limit
  'quota', // 429: this learner has as many sandboxes as one may have
  'rate', // 429: too many requests; Retry-After says when
  'full', // 503: the host has no room, nor the queue; Retry-After says when to try again
  'no_host', // 503: the broker does not answer, so nothing can be started
  'not_built', // 503: the Linux for the tab is being built, or is not going to be; Retry-After says when to look
  'too_big', // 422: the host never has room for it, also when nothing else runs
  'unmet', // 422: nobody here has what a machine needs; `field` names its needs
  'unsupported', // 501: this host cannot make what was asked for, such as a VM
  'failed', // 500: it should have worked; the message says what did not
] as const;
export type ApiErrorCode = (typeof apiErrorCodes)[number];

export const apiErrorSchema = z
  .strictObject({
    error: z
      .strictObject({
        code: z.enum(apiErrorCodes).describe('What kind of error, for programs.'),
        message: sentence,
        field: z.string().optional().describe('The field at fault, as a path such as machines.0.name.'),
      })
      .describe('What went wrong.'),
  })
  .describe('The body of every answer from 400 on.');
export type ApiError = z.output<typeof apiErrorSchema>;

// ---- the host

export const hostSchema = z
  .strictObject({
    hostname: z.string().describe("The host's name."),
    kernel: z.strictObject({
      release: z.string().describe('uname -r on the host; containers share it.'),
      machine: z.string().describe('uname -m on the host.'),
    }),
    cgroup: z.strictObject({
      version: z.int().describe('1 or 2.'),
      controllers: z.array(z.string()).describe('Controllers that can be used.'),
    }),
    cpus: count.describe('CPUs.'),
    memoryBytes: count.describe('RAM.'),
    memoryAvailableBytes: count.describe('RAM that can be used without swapping.'),
    nesting: z
      .enum(['host', 'vm'])
      .describe('Where containers in which a learner builds partitions may run.'),
    vm: z.strictObject({
      accel: z
        .enum(['kvm', 'tcg'])
        .nullable()
        .describe('How VMs run: hardware help, emulation, or not at all.'),
      reason: z.string().describe('What was tried and seen, one sentence; may be empty.'),
    }),
    images: z
      .array(z.strictObject({ name: z.string().describe("The image's name."), kind: kindSchema }))
      .describe('What machines can start from.'),
  })
  .describe('The host on which machines are made.');

export const roomSchema = z
  .strictObject({
    machines: count.describe('Machines that run now.'),
    mostMachines: count.describe('Machines that may run at once.'),
    containers: count.describe('Containers that could be started now.'),
    vms: count.describe('VMs that could be started now, as copies of a template.'),
    waiting: count.describe('Requests of learners that wait for room.'),
    ready: count.describe('Machines that were made beforehand and are ready for whoever asks.'),
    reason: z.string().nullable().describe('Why there is no room; null while there is.'),
  })
  .describe('What the host can still take.');

export const statusSchema = z
  .strictObject({
    server: z.strictObject({
      version: z.string().describe("sandbox-server's version."),
      startedAt: time,
    }),
    host: hostSchema.nullable().describe('Null when the broker does not answer.'),
    reason: z
      .string()
      .nullable()
      .describe('Why there is no host, with the next step; null while there is one.'),
    room: roomSchema.nullable().describe('Null when there is no host.'),
    you: z
      .strictObject({
        sandboxes: z.array(sandboxIdSchema).describe('Your sandboxes, oldest first.'),
        mostSandboxes: count.describe('Sandboxes that one learner may have.'),
        waiting: z.array(ticketSchema).describe('Your places in the queue, oldest first.'),
      })
      .describe('The learner whose cookie came with the request.'),
  })
  .describe('GET /api/status');
export type Status = z.output<typeof statusSchema>;

// ---- machines

export const limitsSchema = z
  .strictObject({
    memoryBytes: count.describe('Most memory; for a VM the size of its RAM.'),
    cpuMillis: count.describe('Thousandths of a CPU.'),
    pids: count.nullable().describe("Most processes; null: the kernel's own limit, as in a VM."),
    diskBytes: count.nullable().describe('Most bytes on its disk; null: bounded by its memory, as in a VM.'),
  })
  .describe('What a machine may use.');

export const factsSchema = z
  .strictObject({
    kernelRelease: z.string().describe('uname -r, asked inside the machine.'),
    hostname: z.string().describe('hostname, asked inside.'),
    pid1: z.string().describe('Command line of process 1 as the machine sees it.'),
    processes: count.describe('Processes that the machine can see.'),
    uptimeMs: ms.describe('/proc/uptime inside: since its kernel started.'),
    readAt: time.describe('When these were read, so that a page can let the uptime run on.'),
  })
  .describe('What programs inside the machine are told; read in the machine, not known from outside.');

export const timelineStepSchema = z
  .strictObject({
    by: z.enum(['server', 'broker', 'runtime', 'guest']).describe('Whose clock and whose work.'),
    step: z.string().describe('What was done, in two or three words.'),
    startMs: ms.describe('Since the request arrived.'),
    endMs: ms.describe('Since the request arrived.'),
    detail: z.string().describe('With what; may be empty.'),
    source: z
      .string()
      .nullable()
      .describe('The source that did it, as native/…/file.c:line; null where none is known.'),
  })
  .describe('A step on the way to a prompt.');

export const measuresSchema = z
  .strictObject({
    requestedAt: time.describe('When the request for the sandbox arrived: 0 on the time axis.'),
    pooledAt: time
      .nullable()
      .describe(
        'When it had been made beforehand, to be ready for whoever asks: the steps are then those of that making, on an ' +
          'axis of their own that begins there. The other times count from the request. Null where it was made on request.',
      ),
    readyMs: ms
      .nullable()
      .describe("From the request's arrival until the machine could take a terminal; null while it cannot."),
    terminalMs: ms
      .nullable()
      .describe(
        "From the request's arrival until its first terminal was open; null until then or if none was asked for.",
      ),
    promptMs: ms
      .nullable()
      .describe(
        "From the request's arrival until the first byte of its first terminal was on its way to a page; null until then.",
      ),
    steps: z
      .array(timelineStepSchema)
      .describe(
        "The server's own parts (placement, broker, waiting for the guest, terminal), the runtime's launch steps, " +
          "and a VM's boot steps, all on one axis, in order of their start. Parts contain the steps of those they call. " +
          'The phases of a boot are start QEMU, firmware, kernel, init and prompt; those of a copy of a template ' +
          'map memory, start QEMU, restore, hello, identity and prompt; a container ends with prompt as well.',
      ),
  })
  .describe('How the machine was made (or, after a restart, made again), and how long each part took.');

export const endCauses = [
  ...brokerEndCauses,
  'host', // the VM it was in has ended
  'asked', // it was ended or restarted from outside
] as const;
export type EndCause = (typeof endCauses)[number];

export const machineEndSchema = z
  .strictObject({
    cause: z.enum(endCauses).describe('What ended it, for programs; `reason` says it to a person.'),
    at: time.describe('When that was seen, Unix time in milliseconds.'),
    containers: count.describe('Containers that ran inside it and went with it; 0 for a container.'),
    console: z
      .array(z.string())
      .describe(
        "The last lines of a VM's console: at most 40, of at most 200 characters, oldest first, without control " +
          'characters; the host keeps them until the machine is restarted or ended. None for a container.',
      ),
  })
  .describe('How a machine ended.');
export type MachineEnd = z.output<typeof machineEndSchema>;

export const machineStates = ['starting', 'booting', 'running', 'frozen', 'ended', 'failed'] as const;

export const machineSchema = z
  .strictObject({
    name: machineNameSchema,
    kind: kindSchema,
    profile: profileSchema.nullable().describe('Containers: what they are allowed; null for a VM.'),
    image: z.string().describe('The image it started from.'),
    state: z
      .enum(machineStates)
      .describe(
        "starting: the broker is at work; booting: a VM's kernel is on its way; running: terminals can be opened; " +
          'frozen: it stands still with all it has in memory, until it is thawed; ' +
          'ended: its first process is gone; failed: it never ran.',
      ),
    reason: z
      .string()
      .nullable()
      .describe(
        'For ended, failed and frozen: why, and what to do. While booting: said when a boot is tried again.',
      ),
    end: machineEndSchema.nullable().describe('How it ended; null unless its state is ended.'),
    needs: z.array(needSchema).describe('What it was asked to have; in the order of the vocabulary.'),
    carrier: z
      .boolean()
      .describe('A VM that nobody asked for by name: made because containers here need its kernel.'),
    where: z
      .strictObject({
        depth: z
          .enum(['host', 'vm', 'tab'])
          .describe("On the host itself, inside a VM, or in the reader's tab, where no server says this."),
        host: z
          .string()
          .describe('Name of the host whose kernel it runs on; in a VM, the host name of that.'),
        vm: machineNameSchema
          .nullable()
          .describe(
            'The machine of this sandbox in which it runs, whose end is its end; null: none, it is on the host.',
          ),
        kernel: z
          .string()
          .nullable()
          .describe(
            'uname -r of the kernel it runs on (for a VM: on which QEMU runs); null until it is known.',
          ),
        accel: z
          .enum(['kvm', 'tcg'])
          .nullable()
          .describe('VMs: hardware help or emulation; null for containers.'),
      })
      .describe('Where it runs.'),
    why: sentence.describe('Why it runs there, one sentence.'),
    label: z
      .string()
      .nullable()
      .describe('The SELinux label of its processes; null where the kernel under it has no SELinux.'),
    limits: limitsSchema,
    hostPid: z
      .int()
      .nullable()
      .describe(
        'Its first process (for a VM: QEMU) as the host sees it; of a container in a VM, as that VM does.',
      ),
    createdAt: time,
    facts: factsSchema.nullable().describe('Null until they have been read (soon after it runs).'),
    measures: measuresSchema
      .nullable()
      .describe('Null for a machine that an earlier run of the server made.'),
    terminals: z
      .array(
        z.strictObject({
          terminal: terminalIdSchema,
          state: z.enum(['running', 'exited']).describe('Whether the program in it lives.'),
        }),
      )
      .describe('Its terminals, oldest first.'),
  })
  .describe('A machine of a sandbox.');
export type Machine = z.output<typeof machineSchema>;
export type MachineState = (typeof machineStates)[number];
export type MachineFacts = z.output<typeof factsSchema>;
export type Measures = z.output<typeof measuresSchema>;
export type TimelineStep = z.output<typeof timelineStepSchema>;

// ---- figures and events of a machine

export * from './instruments.ts';
export * from './view.ts';

// ---- sandboxes

export const createSandboxSchema = z
  .strictObject({
    machines: z
      .array(
        z
          .strictObject({
            name: machineNameSchema,
            kind: kindSchema,
            profile: profileSchema
              .optional()
              .describe('Containers: hardened unless stated or needed otherwise. Not for a VM.'),
            start: startSchema.optional().describe('VMs: boot unless stated. Not for a container.'),
            in: machineNameSchema
              .optional()
              .describe(
                'Containers: the VM of this sandbox, by its name, that it is to run in. Not for a VM.',
              ),
            needs: z
              .array(needSchema)
              .max(Object.keys(needMeanings).length)
              .optional()
              .describe(
                'What it must have. A container without `in` is put on the host if the host has all of it, else into a ' +
                  'VM made for it, which it shares with containers of this sandbox that need the same kernel. What ' +
                  'nobody can provide is the error `unmet`.',
              ),
            columns: columnsSchema
              .optional()
              .describe('With rows: a first terminal is opened, of this size.'),
            rows: rowsSchema.optional().describe('With columns: a first terminal is opened, of this size.'),
          })
          .describe('A machine to make.'),
      )
      .min(1)
      .max(8)
      .describe('The machines of the sandbox; their names differ.'),
  })
  .describe('POST /api/sandboxes');
export type CreateSandbox = z.input<typeof createSandboxSchema>;

export const sandboxSchema = z
  .strictObject({
    id: sandboxIdSchema,
    createdAt: time,
    expiresAt: time.describe('When it is ended unless somebody types in it or extends it.'),
    latestAt: time.describe('When it is ended whatever happens: no extension goes beyond.'),
    lab: labSlugSchema.optional().describe('The lab that it was made for; absent: none.'),
    machines: z
      .array(machineSchema)
      .describe('Its machines, in the order asked for; then the VMs that were made to carry some of them.'),
  })
  .describe('A sandbox: 201 of POST /api/sandboxes, 200 of GET /api/sandboxes/:id and of extend.');
export type Sandbox = z.output<typeof sandboxSchema>;

export const sandboxListSchema = z
  .strictObject({ sandboxes: z.array(sandboxSchema).describe('Your sandboxes, oldest first.') })
  .describe('GET /api/sandboxes');

export const openTerminalSchema = z
  .strictObject({ columns: columnsSchema, rows: rowsSchema })
  .describe('POST /api/sandboxes/:id/machines/:name/terminals');
export const terminalSchema = z
  .strictObject({ terminal: terminalIdSchema })
  .describe('201 of POST /api/sandboxes/:id/machines/:name/terminals');

export const restartSchema = z
  .strictObject({
    start: startSchema.optional().describe('VMs: as it began before unless stated. Not for a container.'),
    columns: columnsSchema
      .optional()
      .describe(
        'With rows: a first terminal is opened, of this size. Without: of that of its first one, or 80 by 24.',
      ),
    rows: rowsSchema.optional().describe('With columns: a first terminal is opened, of this size.'),
  })
  .describe(
    'POST /api/sandboxes/:id/machines/:name/restart: the same machine begins again, whether it runs or has ended. Its ' +
      'terminals end; a VM keeps its snapshots. Answers 200 with the machine: a container runs then, a VM may still boot.',
  );
export type RestartMachine = z.input<typeof restartSchema>;

// ---- commands and files in a machine

export * from './inside.ts';
export * from './queue.ts';

// ---- VMs on the move

export const moveFiguresSchema = z
  .strictObject({
    status: z.string().describe("QEMU's word: setup, active, pre-switchover, device, completed."),
    elapsedMs: z.number().describe('Since it began.'),
    pauseMs: z.number().describe('How long the VM stood still; 0 until it has.'),
    rounds: z.int().describe('Times that memory was gone through, for what had changed again.'),
    transferredBytes: z.int().describe('Sent so far.'),
    remainingBytes: z.int().describe('Still to be sent.'),
    totalBytes: z.int().describe('Memory of the VM.'),
  })
  .describe('How far a VM has got on its way to another QEMU, or into a snapshot.');
export type MoveFigures = z.output<typeof moveFiguresSchema>;

export const snapshotNameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,26}$/, 'must be 1 to 27 of a-z, 0-9 and -, not starting with -')
  .describe('Name of a snapshot.');
export const snapshotListSchema = z
  .strictObject({
    snapshots: z
      .array(
        z.strictObject({
          snapshot: snapshotNameSchema,
          createdAt: time,
          bytes: z.int().describe('On disk.'),
        }),
      )
      .describe('Oldest first.'),
  })
  .describe('GET /api/sandboxes/:id/machines/:name/snapshots');
export type Snapshot = z.output<typeof snapshotListSchema>['snapshots'][number];

// ---- checkpoints of containers in VMs

export const checkpointNameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,26}$/, 'must be 1 to 27 of a-z, 0-9 and -, not starting with -')
  .describe('Name of a checkpoint.');
const archiveBytes = z.int().describe('Of the archive: memory, files and terminals of the container.');
export const checkpointedSchema = z
  .strictObject({
    bytes: archiveBytes,
    elapsedMs: z.number().describe('How long it took; the container stood still for a part of it.'),
  })
  .describe('PUT /api/sandboxes/:id/machines/:name/checkpoints/:checkpoint');
export type Checkpointed = z.output<typeof checkpointedSchema>;
export const checkpointListSchema = z
  .strictObject({
    checkpoints: z
      .array(
        z.strictObject({
          checkpoint: checkpointNameSchema,
          createdAt: time,
          bytes: archiveBytes,
          processes: z.int().describe('How many it holds.'),
        }),
      )
      .describe('Oldest first.'),
  })
  .describe('GET /api/sandboxes/:id/machines/:name/checkpoints');
export type Checkpoint = z.output<typeof checkpointListSchema>['checkpoints'][number];
export const moveContainerSchema = z
  .strictObject({ to: machineNameSchema.describe('The VM of the sandbox in which it is to go on.') })
  .describe('POST /api/sandboxes/:id/machines/:name/move');
export const containerMovedSchema = z
  .strictObject({
    bytes: archiveBytes,
    standstillMs: z.number().describe('From when it was written down until it went on elsewhere.'),
    elapsedMs: z.number().describe('In all.'),
  })
  .describe('What it took to move a container.');
export type ContainerMoved = z.output<typeof containerMovedSchema>;

// ---- events

/** The server-sent events of a sandbox: the `event:` field is the key, the `data:` field is JSON of the value. On
 * connecting, one `machine` is sent for each machine, so nothing is missed between a GET and the first event. */
export const sandboxEvents = {
  machine: machineSchema.describe("A machine's new state: everything about it, to replace what was known."),
  stats: z
    .strictObject({
      at: time,
      machines: z.record(machineNameSchema, machineStatsSchema).describe('By machine; running ones only.'),
    })
    .describe('Twice a second while somebody listens; nothing is measured otherwise.'),
  notice: noticeSchema
    .extend({ machine: machineNameSchema })
    .describe('Something befell a machine, by the counts of a kernel; while somebody listens.'),
  view: hostViewSchema
    .extend({ machine: machineNameSchema, at: time })
    .describe(
      "The host's view of a machine, of those that the query names: at first, and when it has changed.",
    ),
  moving: moveFiguresSchema
    .extend({ machine: machineNameSchema })
    .describe('A VM is being moved, or saved: twenty times a second.'),
  check: checkSchema.describe('How a step stands; on connecting, the latest of each step that was checked.'),
  solve: solveSchema,
  expiring: z
    .strictObject({
      expiresAt: time,
      extendable: z.boolean().describe('Whether POST …/extend can still move it.'),
    })
    .describe(
      'The sandbox is about to be ended for want of activity; again, with the new time, when that changes.',
    ),
  ended: z.strictObject({ reason: sentence }).describe('The sandbox is gone; the stream ends.'),
} as const;
export type SandboxEventName = keyof typeof sandboxEvents;
export type SandboxEvent = {
  [N in SandboxEventName]: { event: N; data: z.output<(typeof sandboxEvents)[N]> };
}[SandboxEventName];

// ---- labs

export * from './labs.ts';

// ---- addresses and close codes

export { apiPaths, attachClose } from './addresses.ts';
