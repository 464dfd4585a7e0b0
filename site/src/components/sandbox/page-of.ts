// Which page a sandbox belongs to.
import type { Sandbox } from '@bulkhead/sandbox-server/protocol';
import { siteAddress } from '../../site-address.ts';

/** The address of the page that would have started it, and joins it when it is opened. */
export function pageOf({ lab, machines }: Pick<Sandbox, 'lab' | 'machines'>): string {
  if (lab !== undefined) return siteAddress(`/labs/${lab}/`);
  return machines.some(({ kind, carrier }) => kind === 'vm' && !carrier)
    ? siteAddress('/compare/')
    : siteAddress('/');
}
