// What instructors and learners ask about workshops (docs/protocol.md, "Workshops").
import * as z from 'zod';
import { sandboxIdSchema } from './api.ts';
import { labSlugSchema } from './people.ts';

const time = z.int().min(0).describe('Unix time in milliseconds.');
const line = (most: number) =>
  z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(most, `at most ${most} characters`)
    // Shown beside other people's: no control characters, and nothing that turns the writing direction of what follows.
    .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u, 'one line of visible characters');

export const workshopIdSchema = z
  .string()
  .regex(/^[a-z2-7]{20}$/)
  .describe("A workshop's id: 20 random base-32 characters.");
const titleSchema = line(100).describe('What the workshop is called.');
const nameSchema = line(40).describe('What the learner wants to be called in the room.');
const codeSchema = z.string().describe('What a room joins with: six characters, on the wall.');
const roleSchema = z
  .enum(['lead', 'helper'])
  .describe('lead: made it, and ends it. helper: was asked to help.');

export const createWorkshopSchema = z
  .strictObject({ title: titleSchema, lab: labSlugSchema })
  .describe('POST /api/workshops, by an instructor');

const taught = {
  id: workshopIdSchema,
  title: titleSchema,
  lab: labSlugSchema,
  createdAt: time,
  code: codeSchema,
  role: roleSchema,
};
export const workshopSchema = z
  .strictObject(taught)
  .describe('201 of POST /api/workshops: a workshop, as its instructors see it');
export const workshopListSchema = z
  .strictObject({ workshops: z.array(workshopSchema).describe('Those that go on, oldest first.') })
  .describe('GET /api/workshops: what this instructor teaches');

export const rosterSchema = z
  .strictObject({
    ...taught,
    learners: z
      .array(
        z.strictObject({
          name: nameSchema,
          joinedAt: time,
          sandboxes: z
            .array(sandboxIdSchema)
            .describe('What runs, oldest first; each can be seen and helped in.'),
        }),
      )
      .describe('Who is in the room, in the order in which they came.'),
  })
  .describe('GET /api/workshops/:workshop');
export type Roster = z.output<typeof rosterSchema>;

export const helperSchema = z
  .strictObject({
    login: z.string().max(64, 'at most 64 characters').describe("The other instructor's login."),
  })
  .describe('POST /api/workshops/:workshop/helpers, by its lead');

export const joinWorkshopSchema = z
  .strictObject({
    code: z.string().max(200, 'at most 200 characters').describe('As it was read from the wall.'),
    name: nameSchema,
  })
  .describe(
    'POST /api/workshops/join: the learner is in the room; its instructors may see and help in what the learner runs',
  );

const attendedSchema = z
  .strictObject({ id: workshopIdSchema, title: titleSchema, lab: labSlugSchema, name: nameSchema })
  .describe('200 of POST /api/workshops/join: a workshop, as somebody in the room sees it');

export { attendedSchema };

export const meSchema = z
  .strictObject({
    workshops: z
      .array(attendedSchema)
      .describe('Those that go on and that you are in, the latest joined first.'),
    visits: z
      .array(
        z.strictObject({
          at: time,
          instructor: z.string().describe('The login of who came; empty when the account is gone.'),
          deed: z.enum(['watch', 'type', 'change', 'extend']).describe('What they asked to do.'),
          sandbox: sandboxIdSchema,
        }),
      )
      .describe('What instructors did in your sandboxes, the latest first, at most 200.'),
  })
  .describe('GET /api/me: what is known of this learner that others had a part in');
export type Me = z.output<typeof meSchema>;
