// The HTTP API's part for what is done in a machine without a terminal: commands under a time limit, and files.
import * as z from 'zod';

const count = z.int().min(0);
const ms = z.number().min(0);
const time = count.describe('Unix time in milliseconds.');

export const runSchema = z
  .strictObject({
    command: z
      .array(z.string().max(4_096))
      .min(1)
      .max(64)
      .describe('Program and arguments; no shell is put around them.'),
    timeoutMs: z.int().min(1).max(60_000).optional().describe('It is killed after this; 10 s unless stated.'),
  })
  .describe('POST /api/sandboxes/:id/machines/:name/exec');
export type RunCommand = z.output<typeof runSchema>;
export const ranSchema = z
  .strictObject({
    status: z.int().describe('Exit status; meaningless if a signal killed it.'),
    signal: z.int().describe('The signal that killed it, or 0.'),
    timedOut: z.boolean().describe('Whether the time limit ended it.'),
    truncated: z.boolean().describe('Whether output was left out: 64 KiB of each stream are kept.'),
    stdout: z.string().describe('Standard output as UTF-8.'),
    stderr: z.string().describe('Standard error as UTF-8.'),
    durationMs: ms.describe('How long it ran.'),
  })
  .describe('200 of POST /api/sandboxes/:id/machines/:name/exec');
export type Ran = z.output<typeof ranSchema>;

/** Bytes that one request may read or write of a file. */
export const FILE_BYTES_MAX = 262_144;

export const filePathSchema = z
  .string()
  .max(4_095)
  .regex(/^\/[^\0]*$/, 'an absolute path of at most 4095 bytes')
  .describe(
    "Absolute, as programs in the machine see it; symbolic links do not lead out of the machine's root.",
  );
export const fileQuerySchema = z
  .strictObject({
    path: filePathSchema,
    offset: z.coerce.number().int().min(0).optional().describe('Bytes to pass over; 0 unless stated.'),
  })
  .describe('The query of GET /api/sandboxes/:id/machines/:name/files');
export const fileSchema = z
  .strictObject({
    size: count.describe('Bytes of the file; 0 for files that the kernel makes up, such as those of /proc.'),
    mode: count.describe('Permission bits, such as 0o644.'),
    modifiedAt: time,
    content: z.base64().describe(`At most ${FILE_BYTES_MAX} bytes from the offset on.`),
    more: z.boolean().describe('Whether there is more after these.'),
  })
  .describe('200 of GET /api/sandboxes/:id/machines/:name/files?path=/…');
export type FilePart = z.output<typeof fileSchema>;
const wholeFile = z.base64().max(Math.ceil(FILE_BYTES_MAX / 3) * 4);
export const writeFileSchema = z
  .strictObject({
    path: filePathSchema,
    content: wholeFile.describe(
      `All of the file, at most ${FILE_BYTES_MAX} bytes; it replaces what was there in one step.`,
    ),
    mode: z
      .int()
      .min(0)
      .max(0o777)
      .optional()
      .describe('Permission bits; as they were, or 0o644 for a new file.'),
    was: wholeFile
      .nullable()
      .optional()
      .describe(
        'All that the file held when it was read, null: there was none. If it is something else by now, nothing is ' +
          'written, and the error is `conflict`. Unless stated, whatever is there is replaced.',
      ),
  })
  .describe('PUT /api/sandboxes/:id/machines/:name/files');
export type WriteFile = z.output<typeof writeFileSchema>;
export const previewSchema = z
  .strictObject({
    port: z.int().min(1).max(65_535).describe("TCP port on the machine's own loopback that serves HTTP."),
  })
  .describe('POST /api/sandboxes/:id/machines/:name/previews');
export const previewOpenedSchema = z
  .strictObject({
    url: z.string().describe('Opens the preview in a window of its own; good for one browser and one click.'),
    expiresAt: time.describe('Until when `url` is good; the preview stays open with its sandbox.'),
  })
  .describe('200 of POST /api/sandboxes/:id/machines/:name/previews');
export type Preview = z.output<typeof previewOpenedSchema>;
export const directoryQuerySchema = z
  .strictObject({ path: filePathSchema })
  .describe('The query of GET /api/sandboxes/:id/machines/:name/directory');
export const fileTypes = ['file', 'directory', 'link', 'other'] as const;
export const directorySchema = z
  .strictObject({
    entries: z
      .array(
        z.strictObject({
          name: z.string().describe('Bytes that are no UTF-8 are shown as U+FFFD.'),
          type: z.enum(fileTypes).describe('other: devices, sockets and named pipes.'),
          size: count.describe('Bytes.'),
          mode: count.describe('Permission bits.'),
          modifiedAt: time,
        }),
      )
      .describe('In the order of their names, without . and ..; at most 1,000.'),
    more: z.boolean().describe('Whether some were left out.'),
  })
  .describe('200 of GET /api/sandboxes/:id/machines/:name/directory?path=/…');
export type Directory = z.output<typeof directorySchema>;
