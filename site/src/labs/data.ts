// What pages know of each lab besides its text.
import type { LabError } from '@bulkhead/sandbox-server/labs/front-matter';
import type { Lab } from '@bulkhead/sandbox-server/labs/lab';
import { z } from 'astro/zod';
import { soundLabs } from './check.ts';

const levels = ['first', 'further', 'deep'] as const;

export const labSchema = z.object({
  title: z.string(),
  summary: z.string(),
  era: z.string(),
  level: z.enum(levels),
  minutes: z.number(),
  license: z.string(),
  authors: z.array(z.string()),
  after: z.array(z.string()),
  machines: z.array(
    z.object({ name: z.string(), kind: z.enum(['container', 'vm']), in: z.string().optional() }),
  ),
  steps: z.array(z.object({ id: z.string(), title: z.string(), machine: z.string(), watch: z.boolean() })),
  /** Its place in the list of labs, from 0. */
  order: z.number(),
});
export type LabData = z.output<typeof labSchema>;

/** By slug, of the labs in a folder that have no mistake. */
export function labData(directory: string): { data: Map<string, LabData>; mistakes: LabError[] } {
  const { labs, mistakes } = soundLabs(directory);
  const data = new Map<string, LabData>();
  for (const [order, lab] of inOrder(labs).entries()) data.set(lab.slug, { ...describe(lab), order });
  return { data, mistakes };
}

function describe({ matter, steps }: Lab): Omit<LabData, 'order'> {
  const { title, summary, era = '', level = 'first', minutes = 0, license = '', authors = [] } = matter;
  return {
    ...{ title, summary, era, level, minutes, license, authors },
    after: matter.after ?? [],
    machines: matter.machines.map(({ name, kind, in: home }) => ({ name, kind, ...(home && { in: home }) })),
    steps: steps.map(({ id, title, machine, watch }) => ({ id, title, machine, watch })),
  };
}

/** Each after those that it names; among equals the easier first. */
function inOrder(labs: readonly Lab[]): Lab[] {
  const by = new Map(labs.map((lab) => [lab.slug, lab]));
  const depths = new Map<string, number>();
  const depth = (slug: string): number => {
    const known = depths.get(slug);
    if (known !== undefined) return known;
    depths.set(slug, 0); // two labs that name each other
    const after = by.get(slug)?.matter.after ?? [];
    const found = after.length === 0 ? 0 : 1 + Math.max(...after.map(depth));
    depths.set(slug, found);
    return found;
  };
  const rank = ({ slug, matter }: Lab) => [depth(slug), levels.indexOf(matter.level ?? 'first')] as const;
  return labs.toSorted((a, b) => {
    const [one, other] = [rank(a), rank(b)];
    return one[0] - other[0] || one[1] - other[1] || a.matter.title.localeCompare(b.matter.title);
  });
}
