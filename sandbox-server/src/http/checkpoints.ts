// The routes for checkpoints of containers that run in VMs, and for moving such a container to another VM.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ContainerMachine } from '../machines/container.ts';
import { VirtualMachine } from '../machines/vm.ts';
import type { Deed } from '../people/authority.ts';
import { Problem } from '../problem.ts';
import { checkpointNameSchema, moveContainerSchema } from '../protocol/api.ts';
import type { Sandbox } from '../sandboxes/sandbox.ts';
import type { MachineFor } from './access.ts';
import { nothing } from './nothing.ts';

export function registerCheckpoints(app: FastifyInstance, machineFor: MachineFor): void {
  const containerFor = (
    request: FastifyRequest,
    deed: Deed,
  ): { sandbox: Sandbox; container: ContainerMachine } => {
    const { sandbox, machine } = machineFor(request, deed);
    if (!(machine instanceof ContainerMachine)) {
      const message = `${machine.view.name} is a VM: it has snapshots, and moves with its memory as it is.`;
      throw new Problem('unsupported', message);
    }
    if (deed !== 'see') sandbox.noteActivity();
    return { sandbox, container: machine };
  };
  const checkpointOf = (request: FastifyRequest): string => {
    const name = checkpointNameSchema.safeParse((request.params as { checkpoint: string }).checkpoint);
    if (name.success) return name.data;
    throw new Problem('bad_request', `A checkpoint's name ${name.error.issues[0]?.message}.`, {
      field: 'checkpoint',
    });
  };

  app.get('/api/sandboxes/:id/machines/:name/checkpoints', async (request) => ({
    checkpoints: await containerFor(request, 'see').container.checkpoints(),
  }));

  app.put('/api/sandboxes/:id/machines/:name/checkpoints/:checkpoint', async (request, reply) => {
    nothing.parse(request.body);
    return reply
      .code(201)
      .send(await containerFor(request, 'change').container.checkpoint(checkpointOf(request)));
  });

  app.post('/api/sandboxes/:id/machines/:name/checkpoints/:checkpoint/restore', async (request, reply) => {
    nothing.parse(request.body);
    await containerFor(request, 'change').container.goBackTo(checkpointOf(request));
    return reply.code(204).send();
  });

  app.delete('/api/sandboxes/:id/machines/:name/checkpoints/:checkpoint', async (request, reply) => {
    await containerFor(request, 'change').container.deleteCheckpoint(checkpointOf(request));
    return reply.code(204).send();
  });

  app.post('/api/sandboxes/:id/machines/:name/move', (request) => {
    const { sandbox, container } = containerFor(request, 'change');
    const target = sandbox.machine(moveContainerSchema.parse(request.body).to);
    if (!(target instanceof VirtualMachine)) {
      const message = `${target.view.name} is a container: name a VM of this sandbox.`;
      throw new Problem('bad_request', message, { field: 'to' });
    }
    return container.moveTo(target);
  });
}
