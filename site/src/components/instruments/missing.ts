// What an instrument says while it has nothing to show.
import type { Machine } from '@bulkhead/sandbox-server/protocol';
import type { SandboxView } from '../sandbox/sandbox-session.ts';
import { machineOf } from './source.ts';
import { say } from './words.ts';

const states = {
  starting: 'missing.starting',
  booting: null,
  running: null,
  frozen: 'missing.frozen',
  ended: 'missing.ended',
  failed: 'missing.failed',
} as const satisfies Record<Machine['state'], string | null>;

/** One sentence; null when `known`, which the instrument was waiting for, is there to be shown. */
export function missingWords(view: SandboxView, name: string, known: boolean): string | null {
  const machine = machineOf(view, name);
  if (!machine) return say('missing.machine');
  const state = states[machine.state];
  if (state && !(known && machine.state === 'frozen')) return say(state, { name });
  return known ? null : say('missing.look', { name });
}
