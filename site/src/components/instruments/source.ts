// What instruments need of a session, wherever its machines run. They fetch nothing themselves.
import type { Machine } from '@bulkhead/sandbox-server/protocol';
import type { SandboxSession, SandboxView } from '../sandbox/sandbox-session.ts';
import { say } from './words.ts';

/** A session as instruments see it: a store of what is known, and `see`, which asks for the host's view of a machine. */
export type InstrumentSource = Pick<SandboxSession, 'view' | 'subscribe' | 'see' | 'dismiss'>;

/** What an instrument is given. */
export interface InstrumentProps {
  session: InstrumentSource;
  /** The machine's name in its sandbox. */
  machine: string;
}

/** The machine of that name while it is there to be measured; undefined otherwise. */
export function machineOf({ phase, sandbox }: SandboxView, name: string): Machine | undefined {
  return phase === 'running' ? sandbox?.machines.find((machine) => machine.name === name) : undefined;
}

/** Whose kernel the machine stands on, to be compared with it. */
export function hostWords(machine: Machine | undefined): string {
  if (machine?.where.depth === 'tab') return say('host.tab');
  if (machine?.where.depth !== 'vm') return say('host');
  return machine.where.vm === null ? say('host.someVm') : say('host.vm', { name: machine.where.vm });
}
