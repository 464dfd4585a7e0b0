// What a recording has to say of itself to be printed: unknown keys fail, and so does a machine that is not described.
import { z } from 'astro/zod';
import { type Cast, type CastHeader, parseCast } from './asciicast.ts';

const text = z.string().trim().min(1);
const headerSchema: z.ZodType<CastHeader> = z.strictObject({
  version: z.literal(2),
  width: z.int().min(20).max(200),
  height: z.int().min(5).max(100),
  timestamp: z.int().min(1),
  title: text,
  bulkhead: z.strictObject({ machine: text, virtualMachines: text, load: z.number().min(0), command: text }),
});

/** A recording whose header is in order; throws with what is not. */
export function checkedCast(cast: string): Cast {
  const parsed = parseCast(cast);
  return { ...parsed, header: headerSchema.parse(parsed.header) };
}
