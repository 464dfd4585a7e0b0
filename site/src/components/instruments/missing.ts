// What an instrument says while it has nothing to show.
import type { SandboxView } from '../sandbox/sandbox-session.ts';
import { machineOf } from './source.ts';

const states: Partial<Record<string, string>> = {
  starting: 'is being made.',
  frozen: 'is frozen: nothing in it moves until it is thawed.',
  ended: 'has ended.',
  failed: 'could not be made.',
};

/** One sentence; null when `known`, which the instrument was waiting for, is there to be shown. */
export function missingWords(view: SandboxView, name: string, known: boolean): string | null {
  const machine = machineOf(view, name);
  if (!machine) return 'This shows a machine while one runs.';
  const state = states[machine.state];
  if (state && !(known && machine.state === 'frozen')) return `${name} ${state}`;
  return known ? null : `Waiting for the first look at ${name}.`;
}
