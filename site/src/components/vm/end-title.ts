// How a machine ended, in a heading.
import type { EndCause, Machine } from '@bulkhead/sandbox-server/protocol';

const titles: Record<EndCause, (label: string) => string> = {
  panic: () => 'Kernel panicked',
  poweroff: (label) => `The ${label} was powered off from inside`,
  reboot: (label) => `The ${label} was restarted from inside`,
  exit: (label) => `The ${label} has ended`,
  crash: (label) => `The ${label} was killed`,
  oom: (label) => `The ${label} ran out of memory`,
  host: (label) => `The ${label} went with its host`,
  asked: (label) => `The ${label} was ended`,
  lost: (label) => `The ${label} is gone`,
};

/** `label`: what the machine is called, such as "virtual machine". */
export function titleOfEnd({ state, end }: Pick<Machine, 'state' | 'end'>, label: string): string {
  if (state === 'failed') return `The ${label} never ran`;
  const title = titles[end?.cause ?? 'lost'](label);
  const lost = end?.containers ?? 0;
  return lost === 0 ? title : `${title}, ${lost} ${lost === 1 ? 'container' : 'containers'} went with it`;
}
