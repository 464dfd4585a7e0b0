// The body of a request that has nothing to say: none, or an empty object.
import * as z from 'zod';

export const nothing = z.strictObject({}).nullish();
