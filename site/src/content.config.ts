// What the site is made of: Starlight's reading pages, and the facts they rest on, read and checked by facts/facts.ts.

import { defineCollection } from 'astro:content';
import { fileURLToPath } from 'node:url';
import { docsLoader, i18nLoader } from '@astrojs/starlight/loaders';
import { docsSchema, i18nSchema } from '@astrojs/starlight/schema';
import { glob, type Loader } from 'astro/loaders';
import { z } from 'astro/zod';
import english from './content/i18n/en.json' with { type: 'json' };
import { type Collection, readFacts, schemas } from './facts/facts.ts';
import { readGuide } from './facts/guide.ts';
import { labData, labSchema } from './labs/data.ts';
import { labsFolder } from './labs/folder.ts';

/** Loads one collection, after all of them have been checked together: a reference leads from one to another. Astro's own
 * file loader would only log what cannot be parsed, and the page would be built without it. */
function facts(name: Collection): Loader {
  return {
    name: 'facts',
    async load({ config, store, watcher }) {
      const folder = fileURLToPath(new URL('content/facts/', config.srcDir));
      const fill = () => {
        const entries = readFacts(folder)[name];
        store.clear();
        for (const [id, data] of entries) store.set({ id, data: { ...data } });
      };
      fill();
      watcher?.on('change', (path) => {
        if (path.startsWith(folder)) fill();
      });
    },
  };
}

/** native/README.md, a section an entry, its prose made into HTML. */
const guide: Loader = {
  name: 'guide',
  async load({ config, store, renderMarkdown }) {
    const sections = readGuide(fileURLToPath(new URL('../../native/', config.srcDir)));
    store.clear();
    for (const [order, { id, blocks, ...section }] of sections.entries()) {
      const made = blocks.map(async (block) =>
        'prose' in block ? { html: reachable((await renderMarkdown(block.prose)).html) } : block,
      );
      store.set({ id, data: { ...section, order, blocks: await Promise.all(made) } });
    }
  },
};

/** The labs of labs/, or of a folder of one's own: those without mistakes. A lab with one is left out, here as by the server. */
const labs: Loader = {
  name: 'labs',
  load: async (context) => {
    const base = labsFolder;
    const { data, mistakes } = labData(base);
    for (const { message } of mistakes) context.logger.error(message);
    const found = glob({
      base,
      pattern: [...data.keys()].map((slug) => `${slug}/lab.mdx`),
      generateId: ({ entry }) => entry.replace(/\/.*/, ''),
    });
    const parseData = (({ id, filePath }) =>
      context.parseData({
        id,
        data: { ...data.get(id) },
        ...(filePath && { filePath }),
      })) as typeof context.parseData;
    await found.load({ ...context, parseData });
  },
};

/** What may be wider than a phone can be scrolled with keys too. */
const reachable = (html: string): string => html.replaceAll('<pre', '<pre tabindex="0"');

const guideSchema = z.object({
  title: z.string(),
  number: z.number().nullable(),
  order: z.number(),
  blocks: z.array(
    z.union([
      z.object({ html: z.string() }),
      z.object({
        by: z.enum(['runtime', 'child', 'either']),
        trace: z.string(),
        functions: z.array(
          z.object({ file: z.string(), name: z.string(), line: z.number(), code: z.string() }),
        ),
      }),
    ]),
  ),
});

/** The words of what browsers draw: by language, by folder of components. */
const liveWords = new Map<string, Record<string, Record<string, string>>>();
for (const [path, words] of Object.entries(
  import.meta.glob<Record<string, string>>('./content/live/*/*.json', { eager: true, import: 'default' }),
)) {
  const [, language = '', folder = ''] = path.match(/([^/]+)\/([^/]+)\.json$/) ?? [];
  liveWords.set(language, { ...liveWords.get(language), [folder]: words });
}

/** Words that a second language has to have too: all of them, and no others. */
const wordsLike = <Key extends string>(first: Record<Key, string>) =>
  z.strictObject(
    Object.fromEntries(Object.keys(first).map((name) => [name, z.string()])) as Record<Key, z.ZodString>,
  );

export const collections = {
  labs: defineCollection({ loader: labs, schema: labSchema }),
  i18n: defineCollection({ loader: i18nLoader(), schema: i18nSchema({ extend: wordsLike(english) }) }),
  live: defineCollection({
    loader: () => [...liveWords].map(([id, folders]) => ({ id, ...folders })),
    schema: z.strictObject({
      id: z.string(),
      ...Object.fromEntries(
        Object.entries(liveWords.get('en') ?? {}).map(([folder, words]) => [folder, wordsLike(words)]),
      ),
    }),
  }),
  docs: defineCollection({
    loader: docsLoader(),
    schema: docsSchema({
      extend: z.object({
        /** The sentence under the title: what the reader will know afterwards. */
        lead: z.string().optional(),
        /** The era of an essay on history: a key of facts/eras.yaml. */
        era: z.string().optional(),
      }),
    }),
  }),
  sources: defineCollection({ loader: facts('sources'), schema: schemas.sources }),
  eras: defineCollection({ loader: facts('eras'), schema: schemas.eras }),
  timeline: defineCollection({ loader: facts('timeline'), schema: schemas.timeline }),
  claims: defineCollection({ loader: facts('claims'), schema: schemas.claims }),
  technologies: defineCollection({ loader: facts('technologies'), schema: schemas.technologies }),
  properties: defineCollection({ loader: facts('properties'), schema: schemas.properties }),
  notes: defineCollection({ loader: facts('notes'), schema: schemas.notes }),
  figures: defineCollection({ loader: facts('figures'), schema: schemas.figures }),
  guide: defineCollection({ loader: guide, schema: guideSchema }),
  glossary: defineCollection({ loader: facts('glossary'), schema: schemas.glossary }),
};
