// The control protocol: every method, result and event between sandbox-server and a broker (docs/protocol.md). The same
// on the host's Unix socket, over a VM's link, and in a reader's tab.
import * as z from 'zod';
import { machineStatsResult, machineViewResult } from './figures.ts';

const count = z.int().min(0);
const bytes = count.describe('Bytes.');
const microseconds = count.describe('Microseconds of CLOCK_MONOTONIC since the first step began.');

export const machineIdSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/)
  .describe("A machine's id, chosen by whoever creates it; unguessable.");
export const terminalIdSchema = z
  .string()
  .regex(/^[a-z0-9]{1,16}$/)
  .describe("A terminal's id, chosen by the broker; unique in its machine.");
const streamIdSchema = z
  .string()
  .regex(/^[a-z0-9]{1,16}$/)
  .describe("A dialled connection's id, good for one claim.");
const channelSchema = z.int().min(2).max(0xffff_ffff).describe("The link's channel with its frames.");
export const profileSchema = z.enum(['hardened', 'nested']).describe('What a container is allowed.');
/** How a VM begins. */
export const startSchema = z
  .enum(['boot', 'template'])
  .describe('boot: its kernel starts; template: it goes on as a copy of one that has booted.');
export const kindSchema = z.enum(['container', 'vm']).describe('The kind of partition.');
const featureSchema = z
  .enum(['selinux'])
  .describe('selinux: its kernel enforces the policy of native/selinux.');
export const imageSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,31}$/, 'must be 1 to 32 of a-z, 0-9, ., _ and -, a letter or digit first')
  .describe('Name of the image that the machine starts from.');
const hostnameSchema = z.string().describe("The machine's own host name.");
const columnsSchema = z.int().min(1).max(65_535).describe('Columns of a terminal.');
const rowsSchema = z.int().min(1).max(65_535).describe('Rows of a terminal.');
const commandSchema = z
  .array(z.string())
  .min(1)
  .describe('Program and arguments; no shell is put around them.');
const pathSchema = z
  .string()
  .startsWith('/')
  .max(4_095)
  .describe("Absolute, in the machine's own root; symbolic links do not lead out of that.");
const labelsSchema = z
  .record(z.string(), z.string())
  .describe("The server's own notes on the machine; at most 16, of 256 bytes each.");

export const traceStepSchema = z
  .strictObject({
    step: z.string().describe('What was done, in two or three words.'),
    start_us: microseconds,
    end_us: microseconds,
    detail: z.string().describe('With what: flags, paths, sizes; may be empty.'),
    source: z.string().describe('The C that did it, as file:line in native/; may be empty.'),
  })
  .describe('One step of a launch or a boot.');

export const limitsSchema = z
  .strictObject({
    memory_bytes: bytes.describe('Most memory; for a VM the size of its RAM.'),
    pids: count.optional().describe('Most processes and threads; containers only.'),
    cpu_millis: count.describe('Thousandths of a CPU.'),
    disk_bytes: bytes.optional().describe('Most bytes written to the root file system; containers only.'),
  })
  .describe('What a machine may use.');

/** What ended a machine, as its broker tells. */
export const endCauses = [
  'panic', // a VM's kernel panicked
  'poweroff', // a VM was powered off from inside
  'reboot', // a VM was restarted from inside, which ends it: it can be restarted from outside
  'exit', // a container's first process exited
  'crash', // QEMU, or a container's first process, was killed by a signal or failed
  'oom', // the kernel of its host killed it for want of memory
  'lost', // it is gone and nobody saw how
] as const;
const causeSchema = z
  .enum(endCauses)
  .describe('What ended it: see docs/protocol.md. Absent from a broker of an earlier version.');
const consoleSchema = z
  .array(z.string())
  .describe('VMs: the last lines of its console, at most 40 of 200 characters, without control characters.');

export const machineRecordSchema = z
  .strictObject({
    machine: machineIdSchema,
    kind: kindSchema,
    image: imageSchema,
    profile: profileSchema.optional(),
    hostname: hostnameSchema,
    state: z.enum(['running', 'exited']).describe('Whether its first process lives.'),
    exit: z.string().nullable().describe('Why it ended, one sentence; null while it runs.'),
    frozen: z
      .literal(true)
      .optional()
      .describe('It runs, and stands still until it is thawed; absent otherwise.'),
    cause: causeSchema.optional(),
    console: consoleSchema.optional(),
    limits: limitsSchema
      .partial()
      .describe('What it may use; empty where nothing is known, as for a guest itself.'),
    labels: labelsSchema,
    created_ms: count.describe('Unix time in milliseconds.'),
    pid: z.int().nullable().describe("Its first process (for a VM: QEMU) as the broker's host sees it."),
    terminals: z
      .array(
        z.strictObject({
          terminal: terminalIdSchema,
          state: z.enum(['running', 'exited']).describe('Whether the program in it lives.'),
        }),
      )
      .max(64)
      .describe('Its terminals.'),
    accel: z.string().nullable().optional().describe('VMs: kvm or tcg (emulation).'),
    features: z.array(featureSchema).optional().describe('VMs: what was asked for; absent if nothing was.'),
    label: z.string().optional().describe('The SELinux label of its processes, where the host has SELinux.'),
  })
  .describe('A machine as its broker knows it.');

const probeResult = z.strictObject({
  version: z.string().describe("The broker's version."),
  depth: z.enum(['host', 'guest']).describe('Whether the broker runs on the host or is the init of a VM.'),
  hostname: hostnameSchema,
  kernel: z
    .strictObject({
      release: z.string().describe('uname -r'),
      machine: z.string().describe('uname -m'),
    })
    .describe('The running kernel.'),
  uptime_ms: count.describe('Since this kernel started, in milliseconds.'),
  cgroup: z
    .strictObject({
      version: z.int().describe('1 or 2.'),
      controllers: z.array(z.string()).describe('Controllers that can be used here.'),
    })
    .describe('Control groups of this host.'),
  selinux: z
    .enum(['off', 'permissive', 'enforcing'])
    .describe("What this host's SELinux does; off where its kernel has none or no policy."),
  vm: z
    .strictObject({
      accel: z.enum(['kvm', 'tcg']).nullable().describe('How VMs run here; null: not at all.'),
      machine: z.string().nullable().describe("QEMU's machine type."),
      reason: z.string().describe('What was tried and seen, one sentence.'),
    })
    .describe('Whether and how this host runs VMs.'),
  images: z
    .array(
      z.strictObject({
        name: imageSchema,
        kind: kindSchema,
        digest: z.string().describe('Changes when the image does.'),
      }),
    )
    .describe('What machines can start from.'),
  capacity: z
    .strictObject({
      cpus: count.describe('CPUs that the broker may use.'),
      memory_bytes: bytes,
      memory_available_bytes: bytes.describe('MemAvailable: what can be used without swapping.'),
      pids: count.optional().describe('Processes and threads that there may be; absent where nobody says.'),
      pids_used: count.optional().describe('Processes and threads that there are.'),
      disk_bytes: bytes.optional().describe('Size of the file system with its state.'),
      disk_available_bytes: bytes.optional().describe('What is free there.'),
    })
    .describe('The size of the host.'),
  nesting: z.enum(['host', 'vm']).describe('Where `nested` containers may be made.'),
  maxima: z
    .strictObject({
      machines: count.describe('Machines at once.'),
      memory_bytes: bytes.describe('Memory of one machine.'),
      pids: count.describe('Processes of one container.'),
      disk_bytes: bytes.describe('Disk of one container.'),
      cpu_millis: count.describe('Thousandths of a CPU of one machine.'),
    })
    .describe('The most that the broker grants.'),
  init: z
    .strictObject({
      command: z.string().describe('What process 1 was started as.'),
      processes: count.describe("Processes, the kernel's own among them."),
    })
    .optional()
    .describe('A guest: what runs on its kernel.'),
  boot: z.array(traceStepSchema).optional().describe("A guest's own boot."),
});

/** How far a VM's memory has got on its way to another QEMU, or to a file. */
const moveFigures = {
  status: z.string().describe("QEMU's word for it: setup, active, pre-switchover, device, completed."),
  elapsed_ms: count.describe('Since it began.'),
  pause_ms: count.describe('How long the VM stood still; 0 until it has.'),
  rounds: count.describe('Times that memory was gone through, for what had changed again.'),
  transferred_bytes: count.describe('Sent so far.'),
  remaining_bytes: count.describe('Still to be sent.'),
  total_bytes: count.describe('Memory of the VM.'),
};
const snapshotNameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,26}$/)
  .describe('Name of a snapshot: 1 to 27 of a-z, 0-9 and -, not starting with -.');
const oneSnapshot = z.strictObject({ machine: machineIdSchema, snapshot: snapshotNameSchema });
const moved = z.strictObject({
  machine: machineRecordSchema,
  figures: z.strictObject(moveFigures).partial().describe('The last ones; empty for a return to a snapshot.'),
});

/** A quarter of a megabyte travels in one line. */
export const CHECKPOINT_CHUNK = 262_144;
export const checkpointNameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/)
  .describe('Name of a checkpoint: 1 to 32 of a-z, 0-9 and -, not starting with -.');
const oneCheckpoint = z.strictObject({ checkpoint: checkpointNameSchema });
const checkpointOffset = count.describe('Offset in the archive.');

const nothing = z.strictObject({});
const oneMachine = z.strictObject({ machine: machineIdSchema });
/** How a program ended, and what it said. */
const ranShape = {
  status: z.int().describe('Exit status; meaningless if a signal killed it.'),
  signal: z.int().describe('The signal that killed it, or 0.'),
  timed_out: z.boolean().describe('Whether the time limit ended it.'),
  truncated: z.boolean().describe('Whether output was left out.'),
  stdout: z.string().describe('Standard output as UTF-8.'),
  stderr: z.string().describe('Standard error as UTF-8.'),
  duration_us: count.describe('Microseconds that it ran.'),
};
/** Bytes of a check's script. */
export const CHECK_SCRIPT_MAX = 65_536;

/** Every method: what it takes and what it answers. */
export const brokerMethods = {
  probe: { params: nothing, result: probeResult },
  'container.create': {
    params: z.strictObject({
      machine: machineIdSchema,
      image: imageSchema,
      profile: profileSchema,
      hostname: hostnameSchema,
      limits: limitsSchema.required(),
      labels: labelsSchema,
    }),
    result: z.strictObject({
      machine: machineRecordSchema,
      trace: z.array(traceStepSchema).describe('How the container was made.'),
    }),
  },
  'container.checkpoint': {
    params: z.strictObject({
      machine: machineIdSchema,
      checkpoint: checkpointNameSchema,
      hold: z
        .boolean()
        .optional()
        .describe('Whether the container stands still afterwards, until container.resume or its deletion.'),
      timeout_ms: z
        .int()
        .min(1)
        .max(60_000)
        .optional()
        .describe('How long CRIU may take; 60,000 unless stated.'),
    }),
    result: z.strictObject({ checkpoint: checkpointNameSchema, bytes: count.describe('Of the archive.') }),
  },
  'container.checkpoint.cancel': { params: z.strictObject({ machine: machineIdSchema }), result: nothing },
  'container.resume': { params: z.strictObject({ machine: machineIdSchema }), result: nothing },
  'container.restore': {
    params: oneCheckpoint,
    result: z.strictObject({ machine: machineRecordSchema }),
  },
  'checkpoint.list': {
    params: nothing,
    result: z.strictObject({
      checkpoints: z
        .array(
          z.strictObject({
            checkpoint: checkpointNameSchema,
            machine: machineIdSchema
              .nullable()
              .describe('Of which container; null while it is not all here.'),
            bytes: count.describe('Of the archive.'),
            created_ms: count.describe('Unix time.'),
            processes: count.describe('How many it holds.'),
          }),
        )
        .describe('In no order.'),
    }),
  },
  'checkpoint.read': {
    params: oneCheckpoint.extend({
      offset: checkpointOffset,
      length: z.int().min(1).max(CHECKPOINT_CHUNK).describe('At most so many bytes.'),
    }),
    result: z.strictObject({
      data: z.string().describe('Base64.'),
      bytes: count.describe('Of the whole archive.'),
    }),
  },
  'checkpoint.write': {
    params: oneCheckpoint.extend({
      offset: checkpointOffset.describe('Where the last piece ended; 0 begins a new one.'),
      data: z.string().min(4).describe('Base64, of at most 262,144 bytes.'),
    }),
    result: z.strictObject({ bytes: count.describe('So far.') }),
  },
  'checkpoint.delete': { params: oneCheckpoint, result: nothing },
  'vm.create': {
    params: z.strictObject({
      machine: machineIdSchema,
      image: imageSchema,
      hostname: hostnameSchema,
      limits: limitsSchema.pick({ memory_bytes: true, cpu_millis: true }),
      labels: labelsSchema,
      features: z.array(featureSchema).optional().describe('What it has beyond the ordinary.'),
      start: startSchema.optional().describe('boot unless stated.'),
    }),
    result: z.strictObject({
      machine: machineRecordSchema,
      trace: z.array(traceStepSchema).describe('How a copy of a template began; empty for a boot.'),
    }),
  },
  'vm.migrate': { params: oneMachine, result: moved },
  'vm.migrate.cancel': { params: oneMachine, result: nothing },
  'vm.snapshot.save': { params: oneSnapshot, result: moved },
  'vm.snapshot.restore': { params: oneSnapshot, result: moved },
  'vm.snapshot.list': {
    params: oneMachine,
    result: z.strictObject({
      snapshots: z
        .array(
          z.strictObject({
            snapshot: snapshotNameSchema,
            created_ms: count.describe('Unix time.'),
            bytes: count.describe('On disk.'),
          }),
        )
        .describe('Oldest first.'),
    }),
  },
  'vm.snapshot.delete': { params: oneSnapshot, result: nothing },
  'machine.list': {
    params: nothing,
    result: z.strictObject({
      machines: z.array(machineRecordSchema).describe('Every machine of the broker.'),
    }),
  },
  'machine.label': {
    params: oneMachine.extend({ labels: labelsSchema }),
    result: z.strictObject({ machine: machineRecordSchema }),
  },
  'machine.delete': { params: oneMachine, result: nothing },
  'machine.restart': {
    params: oneMachine.extend({ start: startSchema.optional().describe('VMs: boot unless stated.') }),
    result: z.strictObject({
      machine: machineRecordSchema,
      trace: z.array(traceStepSchema).describe('How it was made anew.'),
    }),
  },
  'machine.freeze': { params: oneMachine, result: z.strictObject({ machine: machineRecordSchema }) },
  'machine.thaw': { params: oneMachine, result: z.strictObject({ machine: machineRecordSchema }) },
  'machine.stats': {
    params: oneMachine.extend({
      host: z
        .boolean()
        .optional()
        .describe('Whether to add up what the host pays, which takes milliseconds; it is unless stated.'),
    }),
    result: machineStatsResult,
  },
  'machine.view': {
    params: oneMachine,
    result: machineViewResult,
  },
  'terminal.open': {
    params: z.strictObject({
      machine: machineIdSchema,
      columns: columnsSchema,
      rows: rowsSchema,
      command: commandSchema.optional(),
    }),
    result: z.strictObject({ terminal: terminalIdSchema }),
  },
  /** Only in a guest that is about to be copied: the first `terminal.open` without a command gets the shell that waits. */
  'terminal.prepare': {
    params: z.strictObject({ machine: machineIdSchema }),
    result: z.strictObject({ terminal: terminalIdSchema }),
  },
  'terminal.close': {
    params: z.strictObject({ machine: machineIdSchema, terminal: terminalIdSchema }),
    result: nothing,
  },
  'channel.open': {
    params: z.strictObject({ machine: machineIdSchema, terminal: terminalIdSchema }),
    result: z.strictObject({
      channel: channelSchema,
    }),
  },
  exec: {
    params: z.strictObject({
      machine: machineIdSchema,
      command: commandSchema,
      stdin: z.string().optional().describe('What the program reads; nothing otherwise.'),
      as_learner: z
        .boolean()
        .optional()
        .describe('In the control group of the machine, where its learner can move it; otherwise beside it.'),
      timeout_ms: z.int().min(1).max(60_000).describe('Milliseconds until it is killed.'),
      max_output_bytes: z.int().min(0).max(65_536).describe('Kept of each output stream.'),
    }),
    result: z.strictObject(ranShape),
  },
  check: {
    params: z.strictObject({
      machine: machineIdSchema,
      script: z.string().min(3).max(CHECK_SCRIPT_MAX).describe('Begins with #! and an interpreter.'),
      timeout_ms: z.int().min(1).max(60_000).describe('Milliseconds until all of it is killed.'),
      max_output_bytes: z.int().min(0).max(65_536).describe('Kept of each output stream.'),
    }),
    result: z.strictObject({
      ...ranShape,
      out_of_memory: z.boolean().describe('Whether something of it was killed for want of memory.'),
    }),
  },
  'file.read': {
    params: z.strictObject({
      machine: machineIdSchema,
      path: pathSchema,
      offset: count.optional().describe('Bytes to pass over; 0 unless stated.'),
      max_bytes: z.int().min(1).max(262_144).describe('The most that is read.'),
    }),
    result: z.strictObject({
      size: count.describe('Bytes of the file; 0 for what the kernel makes up.'),
      mode: count.describe('Permission bits.'),
      modified_ms: count.describe('Unix time.'),
      content: z.base64().describe('What was read.'),
      more: z.boolean().describe('Whether there is more after that.'),
    }),
  },
  'file.write': {
    params: z.strictObject({
      machine: machineIdSchema,
      path: pathSchema,
      content: z.base64().describe('All of the file; at most 256 KiB.'),
      was: z.base64().optional().describe('What it has to hold; else `exists`, and nothing is written.'),
      fresh: z.literal(true).optional().describe('There must be none; else `exists`.'),
      mode: z.int().min(0).max(0o777).optional().describe('Permission bits; as before, or 0644.'),
    }),
    result: nothing,
  },
  'file.list': {
    params: z.strictObject({ machine: machineIdSchema, path: pathSchema }),
    result: z.strictObject({
      entries: z
        .array(
          z.strictObject({
            name: z.string().describe('Bytes that are no UTF-8 are U+FFFD.'),
            type: z
              .enum(['file', 'directory', 'link', 'other'])
              .describe('What it is; links are not followed.'),
            size: count.describe('Bytes.'),
            mode: count.describe('Permission bits.'),
            modified_ms: count.describe('Unix time.'),
          }),
        )
        .describe('In the order of their names; at most 1,000, of 64 KiB of names.'),
      more: z.boolean().describe('Whether some were left out.'),
    }),
  },
  dial: {
    params: oneMachine.extend({
      port: z.int().min(1).max(65_535).describe("TCP port on the machine's own loopback."),
    }),
    result: z.union([
      z
        .strictObject({ stream: streamIdSchema })
        .describe('On a Unix socket: <machine>/streams/<stream>.sock.'),
      z.strictObject({ channel: channelSchema }).describe('On a link: the channel that carries it.'),
    ]),
  },
  'identity.renew': {
    params: z.strictObject({
      hostname: hostnameSchema.optional(),
      entropy: z
        .string()
        .regex(/^([0-9a-f]{2}){16,64}$/)
        .describe('16 to 64 bytes, hexadecimal.'),
      unix_ms: count.describe('What its clock is to show.'),
    }),
    result: nothing,
  },
  subscribe: { params: nothing, result: nothing },
} as const;

export type BrokerMethod = keyof typeof brokerMethods;
export type BrokerParams<M extends BrokerMethod> = z.input<(typeof brokerMethods)[M]['params']>;
export type BrokerResult<M extends BrokerMethod> = z.output<(typeof brokerMethods)[M]['result']>;
export type MachineRecord = z.output<typeof machineRecordSchema>;
export type TraceStep = z.output<typeof traceStepSchema>;
export type Probe = BrokerResult<'probe'>;

export const brokerErrorCodes = [
  'bad_request',
  'unknown_method',
  'not_found',
  'exists',
  'limit',
  'denied',
  'unsupported',
  'timeout',
  'failed',
] as const;

export const brokerErrorSchema = z.strictObject({
  code: z.enum(brokerErrorCodes).describe('What kind of error.'),
  message: z.string().describe('One sentence for a person.'),
  field: z.string().optional().describe('The parameter at fault, when it is one.'),
});

const requestId = z.int().min(0).describe("The request's number.");

export const brokerEventSchema = z.discriminatedUnion('event', [
  z.strictObject({
    event: z.literal('machine.moving').describe('A VM is being moved or saved.'),
    machine: machineIdSchema,
    ...moveFigures,
  }),
  z.strictObject({
    event: z.literal('machine.created').describe('A machine runs, for the first time or again.'),
    machine: machineIdSchema,
  }),
  z.strictObject({
    event: z.literal('machine.deleted').describe('Nothing of a machine is left.'),
    machine: machineIdSchema,
  }),
  z.strictObject({
    event: z.literal('machine.exited').describe("A machine's first process is gone."),
    machine: machineIdSchema,
    reason: z.string().describe('Why, one sentence for a person.'),
    cause: causeSchema.optional(),
    console: consoleSchema.optional(),
  }),
  z.strictObject({
    event: z.literal('terminal.exited').describe('The program in a terminal is gone.'),
    machine: machineIdSchema,
    terminal: terminalIdSchema,
    kind: z.int().describe('0 exited, 1 killed by a signal.'),
    status: z.int().describe('Exit status or signal number.'),
  }),
]);
export type BrokerEvent = z.output<typeof brokerEventSchema>;

/** An answer. Its result is checked against its method by whoever asked; an error without an id is about a line that
 * could not be read. */
export const brokerAnswerSchema = z.union([
  z.strictObject({ id: requestId, result: z.unknown().describe('As the method says.') }),
  z.strictObject({ id: requestId.nullable(), error: brokerErrorSchema.describe('Why there is no result.') }),
]);
