// What a page asks about its learner, and an instructor about themself (docs/protocol.md, "People").
import * as z from 'zod';

const time = z.int().min(0).describe('Unix time in milliseconds.');
const slug = z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'a-z, 0-9 and -, at most 64, not starting with -');
export const labSlugSchema = slug.describe("A lab's folder name, such as build-a-container.");
export const stepIdSchema = slug.describe('The id of a step in a lab.');

export const progressSchema = z
  .strictObject({
    done: z
      .array(
        z.strictObject({
          lab: labSlugSchema,
          step: stepIdSchema,
          doneAt: time,
          proof: z
            .enum(['checked', 'told'])
            .describe(
              "checked: a check of the server's saw it; told: the page said so, as of the Linux in its tab.",
            ),
        }),
      )
      .describe('Steps done, in the order in which they were.'),
    places: z
      .array(z.strictObject({ lab: labSlugSchema, step: stepIdSchema, at: time }))
      .describe('Where the learner was in each lab, the latest first.'),
  })
  .describe('GET /api/progress, and the answer of everything that changes it');
export type Progress = z.output<typeof progressSchema>;

export const placeSchema = z.strictObject({ step: stepIdSchema }).describe('PUT /api/progress/:lab/place');

export const recoveryCodeSchema = z
  .strictObject({
    code: z
      .string()
      .describe('Four groups of five characters, told this once; a new one ends the one before.'),
  })
  .describe('201 of POST /api/recovery-code');

export const recoverSchema = z
  .strictObject({
    code: z
      .string()
      .max(200, 'at most 200 characters')
      .describe('As it was written down; case and hyphens do not matter.'),
  })
  .describe(
    'POST /api/recover: this browser goes on as the learner with that code, who gets what was done here too. ' +
      'Answers 200 with the progress and a new cookie.',
  );

export const loginSchema = z
  .strictObject({
    login: z.string().max(64, 'at most 64 characters').describe("An instructor's login."),
    password: z.string().max(200, 'at most 200 characters').describe('The password.'),
  })
  .describe('POST /api/instructor/login');

export const instructorSchema = z
  .strictObject({ login: z.string().describe('Who is logged in.') })
  .describe('GET /api/instructor, and 200 of POST /api/instructor/login');
