// Where a machine runs, in the words of a page.
import type { Machine } from '@bulkhead/sandbox-server/protocol';

/** "on the server", "in a VM on the server", "in this tab". */
export function whereInWords({ where }: Pick<Machine, 'where'>): string {
  if (where.depth === 'tab') return 'in this tab';
  return where.depth === 'vm' ? 'in a VM on the server' : 'on the server';
}

/** What its first process is a process of, to begin a row with: "in that VM it is". */
export function seenFromInWords(machine: Pick<Machine, 'where'> | undefined): string {
  if (machine?.where.depth === 'tab') return "in the tab's kernel it is";
  return machine?.where.depth === 'vm' ? 'in that VM it is' : 'on the host it is';
}
