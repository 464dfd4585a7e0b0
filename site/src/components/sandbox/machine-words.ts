// What a machine is, what it does and where, in the words of a page.
import type { Machine } from '@bulkhead/sandbox-server/protocol';
import { asSentence } from './format.ts';
import { say } from './words.ts';

/** Within a sentence: "container", "virtual machine". */
export const kindInWords = (kind: Machine['kind']): string =>
  say(kind === 'vm' ? 'machine.vm' : 'machine.container');

const states = {
  starting: 'state.starting',
  booting: 'state.booting',
  running: 'state.running',
  frozen: 'state.frozen',
  ended: 'state.ended',
  failed: 'state.failed',
} as const satisfies Record<Machine['state'], string>;
export const stateInWords = (state: Machine['state']): string => say(states[state]);

/** "on the server", "in a VM on the server", "in this tab". */
export function whereInWords({ where }: Pick<Machine, 'where'>): string {
  if (where.depth === 'tab') return say('where.tab');
  return say(where.depth === 'vm' ? 'where.vm' : 'where.server');
}

/** What its first process is a process of, to begin a row with: "in that VM it is". */
export function seenFromInWords(machine: Pick<Machine, 'where'> | undefined): string {
  if (machine?.where.depth === 'tab') return say('seenFrom.tab');
  return say(machine?.where.depth === 'vm' ? 'seenFrom.vm' : 'seenFrom.host');
}

/** Why it has ended, as far as it was told. */
export const endInWords = ({ reason }: Pick<Machine, 'reason'>): string =>
  asSentence(reason ?? say('machine.firstEnded'));
