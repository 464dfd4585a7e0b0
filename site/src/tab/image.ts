// What the tab image consists of: its image.json, written by labs/images/tab/boot.ts and read before anything is fetched.
import { traceStepSchema } from '@bulkhead/sandbox-server/protocol/broker';
import * as z from 'zod';

const component = z.strictObject({
  package: z.string(),
  version: z.string(),
  source: z.string().describe('The source package.'),
  sourceVersion: z.string(),
  licences: z
    .array(z.string())
    .describe("By the package's own copyright file, in the order in which it names them."),
});
export type Component = z.infer<typeof component>;

export const tabImageSchema = z.strictObject({
  name: z.literal('tab'),
  digest: z.string().describe('Of everything it was made from.'),
  content: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .describe(
      'Of what its files hold: the folder that they are served in, so that those of two builds never mix.',
    ),
  v86: z.string().describe('The version of the emulator whose state it is; no other reads it.'),
  release: z.string().describe("The kernel's."),
  built: z.string(),
  memoryBytes: z.int().describe("The machine's memory."),
  state: z
    .strictObject({ bytes: z.int(), packedBytes: z.int(), parts: z.int() })
    .describe('state/00.bin and so on, one gzip file together: the machine after it has booted.'),
  disk: z
    .strictObject({ bytes: z.int(), packedBytes: z.int(), pieceBytes: z.int() })
    .describe('disk/0000.bin and so on, each a gzip file: its disk in pieces.'),
  prepared: z
    .array(z.strictObject({ machine: z.string(), trace: z.array(traceStepSchema) }))
    .describe('Containers that run in it already, for whoever asks first (plan.ts), and how each was made.'),
  packages: z.array(component).describe('What it is made of.'),
});
export type TabImage = z.infer<typeof tabImageSchema>;

/** Where the image is on a site. */
export const TAB_PATH = '/linux/';

/** Its description there; all else is in the folder that `filesOf` names. */
export const IMAGE_FILE = 'image.json';

/** A part of the state that a connection may lose without much being lost. */
export const PART_BYTES = 1_048_576;

// Not named for what is in them: of a `.gz` many web hosts tell the browser to unpack it, and it arrives as something else.
const numbered = (folder: string, digits: number, index: number): string =>
  `${folder}/${String(index).padStart(digits, '0')}.bin`;

/** The file of a part of the state. */
export const statePart = (index: number): string => numbered('state', 2, index);

/** The file of a piece of the disk. */
export const pieceFile = (index: number): string => numbered('disk', 4, index);

export const pieceCount = ({ disk }: Pick<TabImage, 'disk'>): number =>
  Math.ceil(disk.bytes / disk.pieceBytes);

/** Every file that `filesOf` holds. */
export const imageFiles = (image: Pick<TabImage, 'state' | 'disk'>): string[] => [
  ...Array.from({ length: image.state.parts }, (_, index) => statePart(index)),
  ...Array.from({ length: pieceCount(image) }, (_, index) => pieceFile(index)),
];

/** Where the files of an image are, with a slash at its end. `base`: where its description is. */
export const filesOf = (base: string, { content }: Pick<TabImage, 'content'>): string => `${base}${content}/`;
