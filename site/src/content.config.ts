// The reading pages: Starlight's collection, with the fields that only this site has.
import { defineCollection } from 'astro:content';
import { docsLoader } from '@astrojs/starlight/loaders';
import { docsSchema } from '@astrojs/starlight/schema';
import { z } from 'astro/zod';

export const collections = {
  docs: defineCollection({
    loader: docsLoader(),
    schema: docsSchema({
      extend: z.object({
        /** The sentence under the title: what the reader will know afterwards. */
        lead: z.string().optional(),
      }),
    }),
  }),
};
