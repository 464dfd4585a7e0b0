// What the text of a lab may have besides prose: its tags and their attributes, and the blocks of commands that run on a
// click. docs/writing-labs.md tells their writers.
import * as z from 'zod';
import { instruments } from './lab-instruments.ts';
import { stepAttributesSchema } from './labs.ts';
import { machineNameSchema } from './names.ts';

const machine = machineNameSchema.optional().describe("A machine of the lab; the step's unless stated.");
const question = z.string().min(1).max(300).describe('What is asked; one sentence.');
const answers = z
  .array(z.string().min(1).max(200))
  .min(2)
  .max(6)
  .describe('What may be chosen, each a text in double quotes.');
const right = z.int().min(0).max(5).describe('The place of the right one among the answers, from 0.');
const keys = z.string().min(1).max(200).describe('Keys of facts, with spaces between.');

export const instrumentSchema = z
  .enum(Object.keys(instruments) as (keyof typeof instruments)[])
  .describe('The instrument.');

const questionSchema = z
  .strictObject({
    question,
    answers: answers.optional(),
    right: right.optional(),
    accept: z
      .array(z.string().min(1).max(100))
      .min(1)
      .max(20)
      .optional()
      .describe('Typed: every way to write the right answer. Case, and spaces around it, do not count.'),
    from: z
      .string()
      .min(1)
      .max(500)
      .optional()
      .describe("Typed: a command whose output, in the learner's machine, is the right answer."),
    machine,
  })
  .refine(
    ({ answers, right, accept, from }) =>
      [answers ?? right, accept, from].filter((one) => one !== undefined).length === 1 &&
      (answers === undefined) === (right === undefined),
    'expected either answers={[…]} and right={…}, or accept={[…]}, or from="…"',
  );

/** Attributes, by tag. A tag that is not here is a mistake. */
export const labTags = {
  Step: stepAttributesSchema,
  Hint: z
    .strictObject({
      when: z
        .string()
        .min(3)
        .max(200)
        .optional()
        .describe(
          "Words of what the step's check says: the hint is shown when it says them. Without it the learner asks for it, one " +
            'after the other.',
        ),
    })
    .describe('What helps a learner who is stuck.'),
  Predict: z
    .strictObject({ question, answers, right })
    .describe('A guess before something is run; what is between its tags is so, and shows afterwards.'),
  Question: questionSchema.describe(
    'A question after something was seen. What is between its tags explains, and shows once it was answered.',
  ),
  Live: z
    .strictObject({
      command: z.string().min(1).max(500).describe('A shell command; its first line of output is shown.'),
      machine,
    })
    .describe("A number or a word of the learner's own machine, in a sentence."),
  Instrument: z
    .strictObject({ of: instrumentSchema, machine })
    .describe('An instrument that is shown beside this step; what is between its tags says what to look at.'),
  Edit: z
    .strictObject({
      path: z
        .string()
        .regex(/^\/[^\s]+$/, 'an absolute path without spaces')
        .describe('The file, absolute.'),
      run: z.string().min(1).max(300).optional().describe("What the editor's Run types into the terminal."),
      machine,
    })
    .describe('Opens a file in the editor.'),
  Notes: z
    .strictObject({
      minutes: z.int().min(1).max(60).optional().describe('How long the step takes on a stage.'),
    })
    .describe('For who presents the lab: not shown to learners.'),
  Finish: z.strictObject({}).describe('After the last step: what was learned, and what it means elsewhere.'),
  Term: z.strictObject({ of: keys }).describe('A word of the glossary.'),
  Source: z.strictObject({ of: keys }).describe('Where a fact is from.'),
} as const;
export type LabTag = keyof typeof labTags;

/** What may stand behind ```run. */
export const runSchema = z
  .strictObject({
    machine,
    terminal: z
      .int()
      .min(1)
      .max(4)
      .optional()
      .describe('Which of its terminals: 2 is opened when it is wanted and not there yet. 1 unless stated.'),
  })
  .describe('A block of commands that are typed into a terminal on a click.');
export type Run = z.output<typeof runSchema>;
