// What the tab image consists of: its image.json, written by labs/images/tab/boot.ts and read before anything is fetched.
import * as z from 'zod';

export const tabImageSchema = z.strictObject({
  name: z.literal('tab'),
  digest: z.string().describe('Of everything it was made from.'),
  v86: z.string().describe('The version of the emulator whose state it is; no other reads it.'),
  release: z.string().describe("The kernel's."),
  built: z.string(),
  memoryBytes: z.int().describe("The machine's memory."),
  state: z
    .strictObject({ bytes: z.int(), packedBytes: z.int() })
    .describe('state.gz: the machine after it has booted.'),
  disk: z
    .strictObject({ bytes: z.int(), pieceBytes: z.int() })
    .describe('disk/0000.gz and so on: its disk in pieces.'),
  packages: z
    .array(z.strictObject({ package: z.string(), version: z.string(), source: z.string() }))
    .describe('What it is made of, with the source package of each.'),
});
export type TabImage = z.infer<typeof tabImageSchema>;

export const STATE_FILE = 'state.gz';

/** The file of a piece of the disk. */
export const pieceFile = (index: number): string => `disk/${String(index).padStart(4, '0')}.gz`;
