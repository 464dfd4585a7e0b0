// The routes of labs: what there is, checks and solutions of the lab that a sandbox was made for.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { describeLab } from '../labs/lab.ts';
import type { Labs } from '../labs/labs.ts';
import { Problem } from '../problem.ts';
import { stepIdSchema } from '../protocol/people.ts';
import type { Sandbox } from '../sandboxes/sandbox.ts';
import { nothing } from './nothing.ts';

export function registerLabs(
  app: FastifyInstance,
  labs: Labs,
  sandboxFor: (request: FastifyRequest, deed: 'see' | 'work') => Sandbox,
): void {
  app.get('/api/labs', () => ({ labs: labs.all().map(describeLab) }));

  app.get('/api/labs/:lab/steps/:step/solve', (request) => {
    const { lab, step } = request.params as { lab: string; step: string };
    const found = labs.get(lab).steps.find(({ id }) => id === step);
    if (!found) throw new Problem('not_found', `The lab ${lab} has no such step.`);
    return { script: found.solve };
  });

  app.get('/api/sandboxes/:id/checks', (request) => ({ checks: sandboxFor(request, 'see').checks }));

  app.post('/api/sandboxes/:id/steps/:step/check', (request, reply) => {
    nothing.parse(request.body);
    const sandbox = sandboxFor(request, 'work');
    return reply.code(202).send(labs.runOf(sandbox).ask(stepOf(request)));
  });

  app.post('/api/sandboxes/:id/steps/:step/solve', (request) => {
    nothing.parse(request.body);
    const sandbox = sandboxFor(request, 'work');
    sandbox.noteActivity();
    return labs.runOf(sandbox).solve(stepOf(request));
  });
}

function stepOf(request: FastifyRequest): string {
  const step = stepIdSchema.safeParse((request.params as { step: string }).step);
  if (step.success) return step.data;
  throw new Problem('not_found', 'There is no such step.');
}
