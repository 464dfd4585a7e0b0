// Where the labs of this site are: those of the project, or a folder of one's own (the server's --labs).
import { resolve } from 'node:path';

/** Builds run in site/. */
export const labsFolder = process.env.BULKHEAD_LABS ?? resolve('../labs');
