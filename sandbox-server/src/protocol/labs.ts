// Labs as the server knows them, and what a page hears of their checks (docs/protocol.md, "Labs").
import * as z from 'zod';
import { imageSchema, kindSchema, profileSchema, startSchema } from './broker.ts';
import { columnsSchema, machineNameSchema, needSchema, rowsSchema } from './names.ts';
import { labSlugSchema, stepIdSchema } from './people.ts';

const sentence = z.string().describe('One sentence for a person.');

/** How large a machine of a lab is. What is left out is as usual, and no host gives more than it has. */
const labSizeSchema = z
  .strictObject({
    memory: z
      .int()
      .min(16)
      .max(1_024)
      .optional()
      .describe('MiB of memory; of a VM its RAM, from 96 on. In a VM, less than half of what that has.'),
    processor: z.int().min(5).max(400).optional().describe('Hundredths of a processor: 100 is one.'),
    processes: z
      .int()
      .min(16)
      .max(4_096)
      .optional()
      .describe('Containers: processes and threads at once. A VM has a kernel of its own to limit them.'),
    disk: z
      .int()
      .min(1)
      .max(1_024)
      .optional()
      .describe("Containers: MiB that may be written. A VM's disk is its memory."),
  })
  .describe('How large a machine of a lab is; what is left out is as usual.');
export type LabSize = z.output<typeof labSizeSchema>;

/** A machine of a lab, as its front matter has it. */
const labMachineSchema = z
  .strictObject({
    name: machineNameSchema,
    kind: kindSchema,
    profile: profileSchema.optional().describe('Containers: hardened unless stated or needed otherwise.'),
    start: startSchema.optional().describe('VMs: boot unless stated.'),
    image: imageSchema
      .optional()
      .describe(
        'What it starts from, of the images that the server has; unless stated, the first of its kind.',
      ),
    size: labSizeSchema.optional(),
    in: machineNameSchema.optional().describe('Containers: the VM of this lab that it is to run in.'),
    needs: z
      .array(needSchema)
      .optional()
      .describe('What it must have of the kernel under it, besides the needs of the lab.'),
    files: z
      .boolean()
      .optional()
      .describe("Whether the lab's files/ are put there; in the first machine unless stated."),
    terminal: z
      .boolean()
      .optional()
      .describe('Whether a terminal is opened in it at once; unless stated, it is.'),
  })
  .describe('A machine of a lab.');

/** The front matter of labs/<slug>/lab.mdx. */
export const labMatterSchema = z
  .strictObject({
    title: z.string().min(1).max(80).describe('What it is called.'),
    summary: z.string().min(1).max(300).describe('What a learner can do afterwards, in a sentence or two.'),
    era: z.string().max(40).optional().describe('The years that it is about.'),
    level: z.enum(['first', 'further', 'deep']).optional().describe('How much it asks for.'),
    minutes: z.int().min(1).max(240).optional().describe('How long it takes.'),
    machines: z.array(labMachineSchema).min(1).max(8).describe('Its machines; their names differ.'),
    needs: z.array(needSchema).optional().describe('What each of its containers needs.'),
    after: z.array(labSlugSchema).optional().describe('Labs to do before.'),
    license: z.string().max(40).optional().describe('SPDX identifier of its licence.'),
    authors: z.array(z.string().max(80)).optional().describe('Who wrote it.'),
  })
  .describe('The front matter of a lab.');
export type LabMatter = z.output<typeof labMatterSchema>;

/** The attributes of a <Step>. */
export const stepAttributesSchema = z
  .strictObject({
    id: stepIdSchema,
    title: z.string().max(120).optional().describe('What is done in it.'),
    machine: machineNameSchema.optional().describe('Where its check looks; the first machine unless stated.'),
    watch: z
      .boolean()
      .optional()
      .describe('Whether it is checked again when something happens in a terminal.'),
  })
  .describe('A step of a lab.');

export const labListSchema = z
  .strictObject({
    labs: z
      .array(
        z.strictObject({
          lab: labSlugSchema,
          title: z.string().describe('What it is called.'),
          summary: z.string().describe('What a learner can do afterwards.'),
          machines: z
            .array(z.strictObject({ name: machineNameSchema, kind: kindSchema }))
            .describe('Its machines.'),
          steps: z
            .array(
              z.strictObject({
                step: stepIdSchema,
                title: z.string().describe('What is done in it; may be empty.'),
                machine: machineNameSchema.describe('Where its check looks.'),
                watch: z.boolean().describe('Whether it is checked again when something happens.'),
              }),
            )
            .describe('Its steps, in order.'),
        }),
      )
      .describe('Labs that can be done here.'),
  })
  .describe('GET /api/labs');
export type LabList = z.output<typeof labListSchema>;

export const createLabSandboxSchema = z
  .strictObject({
    lab: labSlugSchema,
    columns: columnsSchema.optional().describe('With rows: the size of the first terminals; else 80 by 24.'),
    rows: rowsSchema.optional().describe('With columns: the size of the first terminals; else 80 by 24.'),
  })
  .describe("POST /api/sandboxes, for a lab: its machines, with the lab's files in place.");
export type CreateLabSandbox = z.input<typeof createLabSandboxSchema>;

export const solutionSchema = z
  .strictObject({ script: z.string().describe('What a learner could type.') })
  .describe('GET /api/labs/:lab/steps/:step/solve');

/** How far a check may be believed. */
export const trusts = {
  outside:
    'the check looks from outside the kernel that the learner is root of, or from outside its root’s reach',
  guest: 'the learner is root of the kernel that answers the check, and could have it say anything',
} as const;

export const checkSchema = z
  .strictObject({
    step: stepIdSchema,
    machine: machineNameSchema,
    state: z
      .enum(['waiting', 'running', 'done', 'missing', 'failed'])
      .describe(
        'waiting: for its turn; missing: the step is not done, `reason` says what is missing; failed: it cannot be told, ' +
          '`reason` says why.',
      ),
    reason: sentence
      .nullable()
      .describe('For missing and failed; a script’s own words, without control characters.'),
    at: z.int().min(0).describe('When it came into this state, Unix time in milliseconds.'),
    trust: z.enum(Object.keys(trusts) as (keyof typeof trusts)[]).describe(
      Object.entries(trusts)
        .map(([word, meaning]) => `${word}: ${meaning}`)
        .join('; '),
    ),
  })
  .describe('How a step of the lab stands.');
export type Check = z.output<typeof checkSchema>;

export const checkListSchema = z
  .strictObject({ checks: z.array(checkSchema).describe('The latest of each step that was checked.') })
  .describe('GET /api/sandboxes/:id/checks');

export const solveSchema = z
  .strictObject({
    step: stepIdSchema,
    machine: machineNameSchema,
    state: z.enum(['running', 'done', 'failed']).describe('failed: `reason` says why.'),
    reason: sentence.nullable().describe('For failed.'),
    output: z.string().describe('What it printed, so far as it is kept; without control characters.'),
    at: z.int().min(0).describe('When it came into this state, Unix time in milliseconds.'),
  })
  .describe('How the solving of a step goes.');
export type Solve = z.output<typeof solveSchema>;
