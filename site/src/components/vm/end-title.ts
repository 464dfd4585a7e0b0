// How a machine ended, in a heading.
import type { EndCause, Machine } from '@bulkhead/sandbox-server/protocol';
import { say } from './words.ts';

const titles = {
  panic: 'end.panic',
  poweroff: 'end.poweroff',
  reboot: 'end.reboot',
  exit: 'end.exit',
  crash: 'end.crash',
  oom: 'end.oom',
  host: 'end.host',
  asked: 'end.asked',
  lost: 'end.lost',
} as const satisfies Record<EndCause, string>;

/** `label`: what the machine is called, such as "virtual machine". */
export function titleOfEnd({ state, end }: Pick<Machine, 'state' | 'end'>, label: string): string {
  if (state === 'failed') return say('end.never', { machine: label });
  const title = say(titles[end?.cause ?? 'lost'], { machine: label });
  const count = end?.containers ?? 0;
  return count === 0 ? title : say(count === 1 ? 'end.withOne' : 'end.withMany', { title, count });
}
