// How sources are named on a page, and how a page finds them.
import { getEntry } from 'astro:content';
import type { Source } from './schemas.ts';

/** A source by its key; a key that does not exist stops the build. */
export async function sourceOf(key: string): Promise<Source> {
  const entry = await getEntry('sources', key);
  if (!entry) throw new Error(`there is no source ${key} in content/facts/sources.yaml`);
  return entry.data;
}
