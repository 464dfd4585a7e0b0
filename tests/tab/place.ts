// Where the tab's image is: `labs/images/build --only tab` puts it there.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { IMAGE_FILE, pieceFile, statePart, type TabImage, tabImageSchema } from '../../site/src/tab/image.ts';

const images = process.env.BULKHEAD_IMAGES ?? '/var/lib/bulkhead/images';

export const TAB_IMAGE = join(images, 'tab');

if (!existsSync(join(TAB_IMAGE, IMAGE_FILE)))
  throw new Error(
    `there is no image of the Linux in the tab: run labs/images/build --out ${images} --only tab`,
  );

export const readImage = (): TabImage =>
  tabImageSchema.parse(JSON.parse(readFileSync(join(TAB_IMAGE, IMAGE_FILE), 'utf8')));

/** The memory of the machine. */
export const readState = ({ state }: TabImage): ArrayBuffer => {
  const parts = Array.from({ length: state.parts }, (_, index) =>
    readFileSync(join(TAB_IMAGE, statePart(index))),
  );
  return Uint8Array.from(gunzipSync(Buffer.concat(parts))).buffer;
};

/** A piece of its disk. */
export const readPiece = async (index: number): Promise<Uint8Array> =>
  gunzipSync(readFileSync(join(TAB_IMAGE, pieceFile(index))));
