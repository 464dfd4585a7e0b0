// What a tab has no place for, known before anything is fetched: the words of a page that offers it, and of a refusal.

import { say } from './words.ts';

/** As a page, a lab or a request names machines. */
export interface Wanted {
  kind: 'container' | 'vm';
  in?: string | undefined;
}

/** Why these machines cannot all be in a tab, a sentence; null where they can.
 * `noSecond`: why there is no second emulator on this device. */
export function lackedInTab(machines: readonly Wanted[], noSecond: string | null): string | null {
  const vms = machines.filter(({ kind }) => kind === 'vm').length;
  if (machines.some((one) => one.in !== undefined)) return say('lacks.inside');
  if (vms > 1) return say('lacks.vms', { count: vms });
  return vms === 1 && noSecond ? say('lacks.vm', { reason: noSecond }) : null;
}
