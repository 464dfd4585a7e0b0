// The routes for commands, files and processes in a machine.
import type { FastifyInstance } from 'fastify';
import { listDirectory, readFile, runCommand, writeFile } from '../machines/inside.ts';
import {
  directoryQuerySchema,
  FILE_BYTES_MAX,
  fileQuerySchema,
  runSchema,
  writeFileSchema,
} from '../protocol/api.ts';
import type { MachineFor } from './access.ts';

/** A file's bytes in base64, those that it had, and what is around them. */
const WRITE_BODY_LIMIT = 3 * FILE_BYTES_MAX;

export function registerInside(app: FastifyInstance, machineFor: MachineFor): void {
  app.post('/api/sandboxes/:id/machines/:name/exec', (request) => {
    const { sandbox, machine } = machineFor(request, 'work');
    const wish = runSchema.parse(request.body);
    sandbox.noteActivity();
    return machine.work((host, id) => runCommand(host, id, wish)).finally(() => sandbox.stirs.emit());
  });

  app.get('/api/sandboxes/:id/machines/:name/view', (request) =>
    machineFor(request, 'see').machine.hostView(),
  );

  app.get('/api/sandboxes/:id/machines/:name/files', (request) => {
    const { machine } = machineFor(request, 'work');
    const wish = fileQuerySchema.parse(request.query);
    return machine.work((host, id) => readFile(host, id, wish));
  });

  app.put(
    '/api/sandboxes/:id/machines/:name/files',
    { bodyLimit: WRITE_BODY_LIMIT },
    async (request, reply) => {
      const { sandbox, machine } = machineFor(request, 'work');
      const wish = writeFileSchema.parse(request.body);
      sandbox.noteActivity();
      await machine.work((host, id) => writeFile(host, id, wish)).finally(() => sandbox.stirs.emit());
      return reply.code(204).send();
    },
  );

  app.get('/api/sandboxes/:id/machines/:name/directory', (request) => {
    const { machine } = machineFor(request, 'work');
    const { path } = directoryQuerySchema.parse(request.query);
    return machine.work((host, id) => listDirectory(host, id, path));
  });
}
