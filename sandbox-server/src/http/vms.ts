// The routes for what only a VM can, whose memory is its own: move to another QEMU, and go back to a snapshot.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { VirtualMachine } from '../machines/vm.ts';
import type { Deed } from '../people/authority.ts';
import { Problem } from '../problem.ts';
import { snapshotNameSchema } from '../protocol/api.ts';
import type { MachineFor } from './access.ts';
import { nothing } from './nothing.ts';

export function registerVms(app: FastifyInstance, machineFor: MachineFor): void {
  const vmFor = (request: FastifyRequest, deed: Deed): VirtualMachine => {
    const { sandbox, machine } = machineFor(request, deed);
    if (!(machine instanceof VirtualMachine)) {
      const message = `${machine.view.name} is a container: its memory is its host's, and stays there. Ask for a vm.`;
      throw new Problem('unsupported', message);
    }
    if (deed !== 'see') sandbox.noteActivity();
    return machine;
  };
  const snapshotOf = (request: FastifyRequest): string => {
    const name = snapshotNameSchema.safeParse((request.params as { snapshot: string }).snapshot);
    if (name.success) return name.data;
    throw new Problem('bad_request', `A snapshot's name ${name.error.issues[0]?.message}.`, {
      field: 'snapshot',
    });
  };

  app.post('/api/sandboxes/:id/machines/:name/migration', (request) => {
    nothing.parse(request.body);
    return vmFor(request, 'change').migrate();
  });

  app.delete('/api/sandboxes/:id/machines/:name/migration', async (request, reply) => {
    await vmFor(request, 'change').cancelMigration();
    return reply.code(204).send();
  });

  app.get('/api/sandboxes/:id/machines/:name/snapshots', async (request) => ({
    snapshots: await vmFor(request, 'see').snapshots(),
  }));

  app.put('/api/sandboxes/:id/machines/:name/snapshots/:snapshot', async (request, reply) => {
    nothing.parse(request.body);
    return reply.code(201).send(await vmFor(request, 'change').saveSnapshot(snapshotOf(request)));
  });

  app.post('/api/sandboxes/:id/machines/:name/snapshots/:snapshot/restore', async (request, reply) => {
    nothing.parse(request.body);
    await vmFor(request, 'change').restoreSnapshot(snapshotOf(request));
    return reply.code(204).send();
  });

  app.delete('/api/sandboxes/:id/machines/:name/snapshots/:snapshot', async (request, reply) => {
    await vmFor(request, 'change').deleteSnapshot(snapshotOf(request));
    return reply.code(204).send();
  });
}
