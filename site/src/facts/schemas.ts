// What a fact must bring with it to be printed: every key known, every date and figure with its source. Types are
// inferred from these schemas; facts.ts checks what needs more than one document (does that source exist?).
import { z } from 'astro/zod';
import { ownMeasureNames, ownMeasures } from '../components/figures/own-measures.ts';
import { setups } from '../components/sandbox/setup.ts';
import { categoryNames } from '../data/categories.ts';
import { type KindName, kinds, wallNames } from '../data/kinds.ts';

const text = z.string().trim().min(1);
/** Lower-case words joined by hyphens: what stands in an address after # or /. */
const slug = z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be lower-case words joined by hyphens');
/** A key of sources.yaml; facts.ts checks that it is one. */
const sourceKey = slug;
const sources = z.array(sourceKey).min(1, 'names no source');
const kindName = z.enum(Object.keys(kinds) as [KindName, ...KindName[]]);

/** An address on this site. The tests follow every link of the built pages. */
const page = z
  .string()
  .regex(/^\/([a-z0-9-]+\/)*(#[a-z0-9-]+)?$/, 'must be an address on this site, as /compare/');
/** Something a reader can do on this site. */
const trial = z.strictObject({ href: page, label: text });

/** A recording of src/recordings, for where there is no server: the build stops where it is not there. */
const recording = slug.optional();
const shell = {
  commands: z
    .array(
      z.strictObject({
        command: text,
        look: text.describe('what to look for, without giving it away'),
        /** Of a pair: where it is typed; in both unless stated. */
        in: z.enum(['box', 'vm']).optional(),
      }),
    )
    .min(1),
  shows: text.describe('what can be seen then, and why it is so'),
  recording,
};
/** What a reader can do about a claim or a property, there and then; where nothing can be done, why not. */
export const experimentSchema = z.discriminatedUnion('setup', [
  z.strictObject({ setup: z.enum(setups), ...shell }),
  z.strictObject({ setup: z.literal('elsewhere'), ...trial.shape, recording }),
  z.strictObject({ setup: z.literal('none'), because: text, recording }),
]);

export const sourceSchema = z
  .strictObject({
    author: text,
    title: text,
    /** `living`: it is kept up to date (a repository, a manual). `undated`: it does not say. */
    year: z.union([z.int().min(1950).max(2030), z.enum(['living', 'undated'])]),
    url: z.url({ protocol: /^https?$/ }).optional(),
    /** How to find what has no address. */
    where: text.optional(),
    /** `opened`: it was read, and says so. `secondary`: it repeats others. */
    trust: z.enum(['opened', 'secondary']),
    for: text.describe('what it is trusted for'),
  })
  .refine(({ url, where }) => (url === undefined) !== (where === undefined), 'needs either url or where');

export const eraSchema = z.strictObject({
  title: text,
  /** The page of the essay under /history/. */
  page: slug,
  from: z.int(),
  to: z.int(),
  summary: text,
});

const day = z
  .string()
  .regex(
    /^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$/,
    'must be YYYY, YYYY-MM or YYYY-MM-DD in quotes',
  );

/** When something happened. How exactly it is known can be read from how many digits are given. */
export const dateSchema = z
  .strictObject({
    on: day,
    /** The end, for what took years. */
    to: day.optional(),
    /** In place of the digits, where the sources say no more than that: "about 2006". */
    words: text.optional(),
    /** `secondary`: only pages that repeat others say so. `disputed`: sources contradict each other. */
    certainty: z.enum(['sourced', 'secondary', 'disputed']),
    /** Each account of a disputed date, with who gives it. */
    accounts: z
      .array(z.strictObject({ says: text, sources }))
      .min(2)
      .optional(),
    sources,
  })
  .refine(({ on, to }) => to === undefined || to >= on.slice(0, to.length), 'ends before it begins')
  .refine(
    ({ certainty, accounts }) => (certainty === 'disputed') === (accounts !== undefined),
    'a disputed date tells its accounts, and only a disputed date has them',
  );

export const timelineSchema = z.strictObject({
  title: text,
  /** Fits on the chart beside a glyph. */
  short: text.max(20),
  who: text.optional(),
  date: dateSchema,
  category: z.enum(categoryNames),
  /** Whose glyph and colour it has; an idea has none. */
  kind: kindName.optional(),
  era: slug,
  what: text,
  matters: text,
  isolates: text,
  shares: text,
  /** The walls that it raised or strengthened, for the threads through the chart. */
  walls: z.array(z.enum(wallNames)),
  today: text.describe('its nearest relative in Linux today'),
  sources,
  try: trial.optional(),
});

export const verdicts = ['right', 'nuance', 'partly', 'wrong'] as const;

export const claimSchema = z.strictObject({
  /** Its number in the order of the article. */
  number: z.int().min(1),
  part: text,
  /** In brief, in our words. */
  claim: text,
  verdict: z.enum(verdicts),
  /** What was true of it then. */
  in2013: text,
  now: text,
  /** What anybody can run to see it. */
  see: text,
  /** What can be done about it here. */
  experiment: experimentSchema,
  /** It was run while these pages were prepared; `see` says with what result. */
  tried: z.boolean(),
  sources: z.array(sourceKey),
  /** What is printed where there is neither a source nor an experiment: that there is none. */
  unsourced: text.optional(),
});

export const cellMarks = ['yes', 'partly', 'no', 'unknown', 'n/a'] as const;
const cell = z
  .string()
  .regex(
    /^(yes|partly|no|unknown|n\/a|[\d][^[]*)( \[\d+(,\d+)*\])?$/,
    'must be yes, partly, no, unknown, n/a or a time, and notes as [3]',
  );

export const technologySchema = z.strictObject({
  label: text,
  /** As a column's head on a narrow screen. */
  short: text.max(12),
  kind: kindName,
  says: text,
});

export const propertySchema = z.strictObject({
  number: z.int().min(1),
  label: text,
  wall: z.enum(wallNames).optional(),
  /** The answer depends on trust or on set-up more than on the mechanism. */
  contentious: text.optional(),
  /** One for each technology, by its key. */
  cells: z.record(slug, cell),
  /** "Show me". */
  experiment: experimentSchema,
});

export const noteSchema = z.strictObject({
  number: z.int().min(1),
  text,
  sources: z.array(sourceKey),
});

export const figureSchema = z
  .strictObject({
    group: z.enum(['overhead', 'start', 'density', 'migration', 'market', 'security']),
    title: text,
    /** What the numbers depend on: the machine, the year, who measured. */
    setting: text,
    unit: text,
    better: z.enum(['more', 'less', 'neither']),
    values: z
      .array(
        z.strictObject({
          label: text,
          value: z.number(),
          to: z.number().optional(),
          kind: kindName.optional(),
        }),
      )
      .min(1),
    /** Somebody who sells it says so. */
    vendor: z.boolean().optional(),
    /** Measured while these pages were prepared. */
    ours: z.boolean().optional(),
    /** What of the reader's machine can stand beside it, once it was measured. */
    here: z.array(z.enum(ownMeasureNames)).optional(),
    sources: z.array(sourceKey),
  })
  .refine(
    ({ unit, here = [] }) => here.every((name) => ownMeasures[name].unit === unit.replace('MiB', 'MB')),
    'has measures of this machine in another unit beside it',
  );

export const termSchema = z.strictObject({
  term: text,
  /** Other forms that a page may use. */
  also: z.array(text).optional(),
  says: text,
  kind: kindName.optional(),
  /** It is a word of every day too: its first use on a page is linked only where somebody marks it. */
  byHand: z.literal(true).optional(),
  /** Phrases in which it is not the word of the field: a time zone. */
  except: z.array(text).optional(),
  /** Where there is more to read. */
  more: page.optional(),
});

export type Source = z.infer<typeof sourceSchema>;
export type Era = z.infer<typeof eraSchema>;
export type FactDate = z.infer<typeof dateSchema>;
export type TimelineEntry = z.infer<typeof timelineSchema>;
export type Experiment = z.infer<typeof experimentSchema>;
export type Claim = z.infer<typeof claimSchema>;
export type Verdict = (typeof verdicts)[number];
export type Technology = z.infer<typeof technologySchema>;
export type Property = z.infer<typeof propertySchema>;
export type Note = z.infer<typeof noteSchema>;
export type Figure = z.infer<typeof figureSchema>;
export type Term = z.infer<typeof termSchema>;
