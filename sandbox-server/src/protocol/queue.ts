// The HTTP API's part for a host that is full: a place in the queue, and how it moves.
import * as z from 'zod';
import { kindSchema } from './broker.ts';

const time = z.int().min(0).describe('Unix time in milliseconds.');

export const ticketIdSchema = z
  .string()
  .regex(/^[a-z2-7]{20}$/)
  .describe("A ticket's id: 20 random base-32 characters; of no use without its owner's cookie.");

export const ticketStates = ['waiting', 'starting', 'admitted', 'refused', 'left'] as const;

export const ticketSchema = z
  .strictObject({
    ticket: ticketIdSchema,
    state: z
      .enum(ticketStates)
      .describe(
        'waiting: for room; starting: there is room, and the machines are being made; admitted: `sandbox` is yours; ' +
          'refused: it could not be made, `reason` says why; left: given up, or nobody asked for it any more.',
      ),
    place: z.int().min(0).describe('1: the next to be let in; 0 once it waits no more.'),
    waiting: z.int().min(0).describe('How many wait, this one among them.'),
    since: time.describe('When it was asked for, Unix time in milliseconds.'),
    reason: z.string().describe('What there is too little of, or why it was refused: one sentence.'),
    expectedAt: time
      .nullable()
      .describe(
        'When its turn is expected: by how often sandboxes have ended in the last half hour. Null while too few have.',
      ),
    latestAt: time
      .nullable()
      .describe(
        'When its turn comes at the latest by the promises given: the ends of sandboxes that no extension moves. Null ' +
          'where these do not tell, as when the memory is used by something else.',
      ),
    machines: z
      .array(z.strictObject({ name: z.string().describe("A machine's name."), kind: kindSchema }))
      .describe('What was asked for.'),
    sandbox: z.string().nullable().describe('The id of the sandbox once it is admitted.'),
  })
  .describe(
    '202 of POST /api/sandboxes when there is no room; GET /api/queue/:ticket; the event `ticket` of ' +
      'GET /api/queue/:ticket/events. Whoever stops asking loses the place after half a minute.',
  );
export type Ticket = z.output<typeof ticketSchema>;
