// Every route of the API in one table: who may ask, what is sent, what comes back, what is refused. The OpenAPI document is
// made from it, and a test holds it to the routes that there are.
import type { ZodType } from 'zod';
import * as z from 'zod';
import * as api from '../../protocol/api.ts';
import * as people from '../../protocol/people.ts';
import * as workshops from '../../protocol/workshops.ts';

/** Whose cookie a request needs: nobody's; any learner's; that of whoever may see the sandbox; an instructor's. */
export type Who = 'anybody' | 'learner' | 'sandbox' | 'instructor';

/** What comes back: JSON by a schema; nothing; a text; or server-sent events. */
export type Answer = ZodType | 'nothing' | 'text' | 'events' | 'upgrade';

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** As Fastify has it: a parameter has a colon. */
  path: string;
  who: Who;
  summary: string;
  query?: z.ZodObject;
  body?: ZodType;
  answers: Record<number, Answer>;
  /** Error codes beyond those that `who`, a body and the limits bring along. */
  problems?: readonly api.ApiErrorCode[];
}

const none = { 204: 'nothing' } as const;
const sandbox = '/api/sandboxes/:id';
const machine = `${sandbox}/machines/:name`;
/** What a machine that is away, busy or not there answers. */
const machines = ['conflict', 'no_host', 'failed'] as const;

const general: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/status',
    who: 'anybody',
    summary: 'The host, its room, and you; gives you a cookie if you have none.',
    answers: { 200: api.statusSchema },
  },
  {
    method: 'GET',
    path: '/api/openapi.json',
    who: 'anybody',
    summary: 'This document.',
    answers: { 200: z.record(z.string(), z.unknown()).describe('OpenAPI 3.1') },
  },
  {
    method: 'GET',
    path: '/healthz',
    who: 'anybody',
    summary: 'Whether the process answers.',
    answers: { 200: 'text' },
  },
  {
    method: 'GET',
    path: '/readyz',
    who: 'anybody',
    summary: 'Whether a click can be answered with a machine.',
    answers: { 200: 'text', 503: 'text' },
  },
];

const sandboxes: readonly Route[] = [
  {
    method: 'POST',
    path: '/api/sandboxes',
    who: 'learner',
    summary:
      'Makes a sandbox: its containers run when this answers, its VMs boot then. On a full host it gives a place in the queue.',
    body: z.union([api.createSandboxSchema, api.createLabSandboxSchema]),
    answers: { 201: api.sandboxSchema, 202: api.ticketSchema },
    problems: ['quota', 'full', 'no_host', 'too_big', 'unmet', 'unsupported', 'failed'],
  },
  {
    method: 'GET',
    path: '/api/queue/:ticket',
    who: 'learner',
    summary: 'Your place in the queue, when the host was full.',
    answers: { 200: api.ticketSchema },
    problems: ['not_found'],
  },
  {
    method: 'DELETE',
    path: '/api/queue/:ticket',
    who: 'learner',
    summary: 'Leaves the queue.',
    answers: none,
    problems: ['not_found', 'conflict'],
  },
  {
    method: 'GET',
    path: '/api/queue/:ticket/events',
    who: 'learner',
    summary: 'How your place moves, as server-sent events.',
    answers: { 200: 'events' },
    problems: ['not_found'],
  },
  {
    method: 'GET',
    path: '/api/sandboxes',
    who: 'learner',
    summary: 'Your sandboxes.',
    answers: { 200: api.sandboxListSchema },
    problems: ['no_host'],
  },
  {
    method: 'GET',
    path: sandbox,
    who: 'sandbox',
    summary: 'A sandbox.',
    answers: { 200: api.sandboxSchema },
  },
  {
    method: 'POST',
    path: `${sandbox}/extend`,
    who: 'sandbox',
    summary: 'Gives it the whole idle time again, as far as its latest end allows.',
    answers: { 200: api.sandboxSchema },
  },
  {
    method: 'DELETE',
    path: sandbox,
    who: 'sandbox',
    summary: 'Ends it; answers when nothing of it is left.',
    answers: none,
    problems: ['no_host', 'failed'],
  },
  {
    method: 'GET',
    path: `${sandbox}/events`,
    who: 'sandbox',
    summary: 'What happens in it, as server-sent events, beginning with the state of each machine.',
    query: api.eventsQuerySchema,
    answers: { 200: 'events' },
  },
];

const inMachines: readonly Route[] = [
  {
    method: 'POST',
    path: `${machine}/terminals`,
    who: 'sandbox',
    summary: 'Opens a terminal.',
    body: api.openTerminalSchema,
    answers: { 201: api.terminalSchema },
    problems: [...machines, 'quota'],
  },
  {
    method: 'GET',
    path: `${machine}/terminals/:terminal/attach`,
    who: 'sandbox',
    summary: 'Upgrades to a WebSocket that speaks the attach protocol (docs/protocol.md).',
    query: z.object({ role: z.enum(['watch', 'type']).optional().describe('To watch, or to type as well.') }),
    answers: { 101: 'upgrade' },
  },
  {
    method: 'POST',
    path: `${machine}/restart`,
    who: 'sandbox',
    summary: 'Begins it again in its place, whether it runs or has ended.',
    body: api.restartSchema,
    answers: { 200: api.machineSchema },
    problems: [...machines, 'full', 'unsupported'],
  },
  {
    method: 'POST',
    path: `${machine}/freeze`,
    who: 'sandbox',
    summary: 'Stops everything in it where it is.',
    answers: { 200: api.machineSchema },
    problems: [...machines, 'unsupported'],
  },
  {
    method: 'POST',
    path: `${machine}/thaw`,
    who: 'sandbox',
    summary: 'Lets it go on.',
    answers: { 200: api.machineSchema },
    problems: [...machines, 'unsupported'],
  },
  {
    method: 'POST',
    path: `${machine}/exec`,
    who: 'sandbox',
    summary: 'Runs a command without a terminal, under a time limit.',
    body: api.runSchema,
    answers: { 200: api.ranSchema },
    problems: machines,
  },
  {
    method: 'GET',
    path: `${machine}/view`,
    who: 'sandbox',
    summary: 'Its processes as the kernel under it sees them: ids, namespaces, cgroup, label, capabilities.',
    answers: { 200: api.hostViewSchema },
    problems: machines,
  },
  {
    method: 'POST',
    path: `${machine}/previews`,
    who: 'sandbox',
    summary: 'An address, on an origin of its own, of what a program in it serves.',
    body: api.previewSchema,
    answers: { 200: api.previewOpenedSchema },
    problems: ['conflict'],
  },
  {
    method: 'GET',
    path: `${machine}/files`,
    who: 'sandbox',
    summary: 'Reads a part of a file.',
    query: api.fileQuerySchema,
    answers: { 200: api.fileSchema },
    problems: machines,
  },
  {
    method: 'PUT',
    path: `${machine}/files`,
    who: 'sandbox',
    summary: 'Writes a file, in one step.',
    body: api.writeFileSchema,
    answers: none,
    problems: machines,
  },
  {
    method: 'GET',
    path: `${machine}/directory`,
    who: 'sandbox',
    summary: 'Lists a directory.',
    query: api.directoryQuerySchema,
    answers: { 200: api.directorySchema },
    problems: machines,
  },
];

const moving = [...machines, 'unsupported', 'full'] as const;
const snapshot = `${machine}/snapshots/:snapshot`;
const checkpoint = `${machine}/checkpoints/:checkpoint`;
const onTheMove: readonly Route[] = [
  {
    method: 'POST',
    path: `${machine}/migration`,
    who: 'sandbox',
    summary: 'Moves a VM into a second QEMU while it runs; answers when it is there.',
    answers: { 200: api.moveFiguresSchema },
    problems: moving,
  },
  {
    method: 'DELETE',
    path: `${machine}/migration`,
    who: 'sandbox',
    summary: 'Calls such a move off.',
    answers: none,
    problems: moving,
  },
  {
    method: 'GET',
    path: `${machine}/snapshots`,
    who: 'sandbox',
    summary: "A VM's snapshots.",
    answers: { 200: api.snapshotListSchema },
    problems: moving,
  },
  {
    method: 'PUT',
    path: snapshot,
    who: 'sandbox',
    summary: 'Saves a VM, memory and all.',
    answers: { 201: api.moveFiguresSchema },
    problems: moving,
  },
  {
    method: 'POST',
    path: `${snapshot}/restore`,
    who: 'sandbox',
    summary: 'Goes back to a snapshot.',
    answers: none,
    problems: moving,
  },
  {
    method: 'DELETE',
    path: snapshot,
    who: 'sandbox',
    summary: 'Deletes a snapshot.',
    answers: none,
    problems: moving,
  },
  {
    method: 'GET',
    path: `${machine}/checkpoints`,
    who: 'sandbox',
    summary: 'The checkpoints of a container in a VM.',
    answers: { 200: api.checkpointListSchema },
    problems: moving,
  },
  {
    method: 'PUT',
    path: checkpoint,
    who: 'sandbox',
    summary: 'Writes a container in a VM down, processes and all.',
    answers: { 201: api.checkpointedSchema },
    problems: moving,
  },
  {
    method: 'POST',
    path: `${checkpoint}/restore`,
    who: 'sandbox',
    summary: 'Goes back to a checkpoint.',
    answers: none,
    problems: moving,
  },
  {
    method: 'DELETE',
    path: checkpoint,
    who: 'sandbox',
    summary: 'Deletes a checkpoint.',
    answers: none,
    problems: moving,
  },
  {
    method: 'POST',
    path: `${machine}/move`,
    who: 'sandbox',
    summary: 'Moves a container to another VM of its sandbox.',
    body: api.moveContainerSchema,
    answers: { 200: api.containerMovedSchema },
    problems: moving,
  },
];

const ofLabs: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/labs',
    who: 'anybody',
    summary: 'Labs that can be done here.',
    answers: { 200: api.labListSchema },
  },
  {
    method: 'GET',
    path: '/api/labs/:lab/steps/:step/solve',
    who: 'anybody',
    summary: 'What solves a step.',
    answers: { 200: api.solutionSchema },
    problems: ['not_found'],
  },
  {
    method: 'GET',
    path: `${sandbox}/checks`,
    who: 'sandbox',
    summary: 'How the steps of its lab stand.',
    answers: { 200: api.checkListSchema },
  },
  {
    method: 'POST',
    path: `${sandbox}/steps/:step/check`,
    who: 'sandbox',
    summary: 'Has a step checked; the verdict comes as an event.',
    answers: { 202: api.checkSchema },
    problems: ['conflict'],
  },
  {
    method: 'POST',
    path: `${sandbox}/steps/:step/solve`,
    who: 'sandbox',
    summary: 'Solves a step in its machine, and has it checked.',
    answers: { 200: api.ranSchema },
    problems: machines,
  },
];

const ofPeople: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/me',
    who: 'learner',
    summary: 'The workshops you are in, and what instructors did in your sandboxes.',
    answers: { 200: workshops.meSchema },
  },
  { method: 'DELETE', path: '/api/me', who: 'learner', summary: 'Forgets you.', answers: none },
  {
    method: 'GET',
    path: '/api/progress',
    who: 'learner',
    summary: 'What you have done.',
    answers: { 200: people.progressSchema },
  },
  {
    method: 'PUT',
    path: '/api/progress/:lab/place',
    who: 'learner',
    summary: 'Notes where you are in a lab.',
    body: people.placeSchema,
    answers: { 200: people.progressSchema },
    problems: ['quota'],
  },
  {
    method: 'PUT',
    path: '/api/progress/:lab/steps/:step',
    who: 'learner',
    summary: 'Notes a step as done because the page says so.',
    answers: { 200: people.progressSchema },
    problems: ['quota'],
  },
  {
    method: 'DELETE',
    path: '/api/progress/:lab',
    who: 'learner',
    summary: 'Forgets what you did in a lab.',
    answers: { 200: people.progressSchema },
  },
  {
    method: 'POST',
    path: '/api/recovery-code',
    who: 'learner',
    summary: 'A new recovery code; the one before is void.',
    answers: { 201: people.recoveryCodeSchema },
  },
  {
    method: 'POST',
    path: '/api/recover',
    who: 'learner',
    summary: 'This browser goes on as the learner with that code.',
    body: people.recoverSchema,
    answers: { 200: people.progressSchema },
    problems: ['not_found'],
  },
  {
    method: 'POST',
    path: '/api/workshops/join',
    who: 'learner',
    summary: 'Joins a workshop.',
    body: workshops.joinWorkshopSchema,
    answers: { 200: workshops.attendedSchema },
    problems: ['not_found'],
  },
  {
    method: 'DELETE',
    path: '/api/workshops/:workshop/attendance',
    who: 'learner',
    summary: 'Leaves a workshop.',
    answers: none,
    problems: ['not_found'],
  },
];

const ofInstructors: readonly Route[] = [
  {
    method: 'POST',
    path: '/api/instructor/login',
    who: 'anybody',
    summary: 'Logs an instructor in.',
    body: people.loginSchema,
    answers: { 200: people.instructorSchema },
  },
  {
    method: 'GET',
    path: '/api/instructor',
    who: 'instructor',
    summary: 'Who is logged in.',
    answers: { 200: people.instructorSchema },
  },
  { method: 'DELETE', path: '/api/instructor/login', who: 'anybody', summary: 'Logs out.', answers: none },
  {
    method: 'POST',
    path: '/api/workshops',
    who: 'instructor',
    summary: 'Makes a workshop.',
    body: workshops.createWorkshopSchema,
    answers: { 201: workshops.workshopSchema },
  },
  {
    method: 'GET',
    path: '/api/workshops',
    who: 'instructor',
    summary: 'What this instructor teaches.',
    answers: { 200: workshops.workshopListSchema },
  },
  {
    method: 'GET',
    path: '/api/workshops/:workshop',
    who: 'instructor',
    summary: 'A workshop and who is in the room.',
    answers: { 200: workshops.rosterSchema },
    problems: ['not_found'],
  },
  {
    method: 'POST',
    path: '/api/workshops/:workshop/helpers',
    who: 'instructor',
    summary: 'Asks another instructor to help.',
    body: workshops.helperSchema,
    answers: none,
    problems: ['not_found'],
  },
  {
    method: 'DELETE',
    path: '/api/workshops/:workshop',
    who: 'instructor',
    summary: 'Ends a workshop.',
    answers: none,
    problems: ['not_found'],
  },
];

export const routes: readonly Route[] = [
  ...general,
  ...sandboxes,
  ...inMachines,
  ...onTheMove,
  ...ofLabs,
  ...ofPeople,
  ...ofInstructors,
];

/** What a parameter in a path has to be. */
export const parameters: Record<string, ZodType> = {
  id: api.sandboxIdSchema,
  ticket: api.ticketIdSchema,
  name: api.machineNameSchema,
  terminal: api.terminalSchema.shape.terminal,
  snapshot: api.snapshotNameSchema,
  checkpoint: api.checkpointNameSchema,
  lab: people.labSlugSchema,
  step: people.stepIdSchema,
  workshop: workshops.workshopIdSchema,
};
