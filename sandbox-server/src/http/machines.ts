// The routes for what is done with one machine, of either kind: terminals, beginning again, standing still and going on.
import type { FastifyInstance } from 'fastify';
import { openTerminalSchema, restartSchema } from '../protocol/api.ts';
import type { MachineFor } from './access.ts';
import { nothing } from './nothing.ts';

export function registerMachines(app: FastifyInstance, machineFor: MachineFor): void {
  app.post('/api/sandboxes/:id/machines/:name/terminals', async (request, reply) => {
    const { sandbox, machine } = machineFor(request, 'type');
    const terminal = await machine.openTerminal(openTerminalSchema.parse(request.body));
    sandbox.noteActivity();
    return reply.code(201).send({ terminal });
  });

  app.post('/api/sandboxes/:id/machines/:name/restart', async (request) => {
    const { sandbox, machine } = machineFor(request, 'change');
    await machine.restart(restartSchema.parse(request.body ?? {}), request.arrivedAt);
    sandbox.noteActivity();
    return machine.view;
  });

  app.post('/api/sandboxes/:id/machines/:name/freeze', async (request) => {
    nothing.parse(request.body);
    const { machine } = machineFor(request, 'change');
    await machine.freeze();
    return machine.view;
  });

  app.post('/api/sandboxes/:id/machines/:name/thaw', async (request) => {
    nothing.parse(request.body);
    const { sandbox, machine } = machineFor(request, 'change');
    await machine.thaw();
    sandbox.noteActivity();
    return machine.view;
  });
}
