// The route that lets a page's reader in to what a machine serves. The preview itself has an origin of its own: previews/.
import type { FastifyInstance } from 'fastify';
import type { PreviewKeys } from '../previews/keys.ts';
import type { PreviewNames } from '../previews/names.ts';
import { ENTER_PATH } from '../previews/proxy.ts';
import { type Preview, previewSchema } from '../protocol/api.ts';
import type { MachineFor } from './access.ts';

export interface Previews {
  keys: PreviewKeys;
  names: PreviewNames;
}

export function registerPreviews(
  app: FastifyInstance,
  machineFor: MachineFor,
  { keys, names }: Previews,
): void {
  app.post('/api/sandboxes/:id/machines/:name/previews', (request): Preview => {
    const { sandbox, machine } = machineFor(request, 'work');
    const { port } = previewSchema.parse(request.body);
    const label = keys.label({ sandbox: sandbox.id, machine: machine.view.name, port });
    const origin = names.originFor(request.headers.host, label);
    const { ticket, expiresAt } = keys.ticket(label);
    return { url: `${origin}${ENTER_PATH}?ticket=${encodeURIComponent(ticket)}`, expiresAt };
  });
}
