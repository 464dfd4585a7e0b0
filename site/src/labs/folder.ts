// Where the labs of this site are: those of the project, or a folder of one's own (the server's --labs).
import { resolve } from 'node:path';

/** From where the build runs (the site's folder), since what is bundled is no longer where it was written. */
export const labsFolder = process.env.BULKHEAD_LABS ?? resolve('../labs');
