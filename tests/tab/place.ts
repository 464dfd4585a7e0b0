// Where the tab's image is: `labs/images/build --only tab` puts it there.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const images = process.env.BULKHEAD_IMAGES ?? '/var/lib/bulkhead/images';

export const TAB_IMAGE = join(images, 'tab');

if (!existsSync(join(TAB_IMAGE, 'image.json')))
  throw new Error(
    `there is no image of the Linux in the tab: run labs/images/build --out ${images} --only tab`,
  );
