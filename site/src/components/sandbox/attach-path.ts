// Which terminal of a machine a page shows, and where it is reached.
import type { Machine, Sandbox } from '@bulkhead/sandbox-server/protocol';
import { apiPaths } from '@bulkhead/sandbox-server/protocol/addresses';

/** Index of the newest terminal whose program lives, or of the newest of all; -1 while there is none. */
export function newestTerminal(machine: Machine | undefined): number {
  const terminals = machine?.terminals ?? [];
  const alive = terminals.findLastIndex(({ state }) => state === 'running');
  return alive >= 0 ? alive : terminals.length - 1;
}

/** Address of the newest terminal's attach endpoint, without scheme and host; undefined while there is none. */
export function attachPath(sandbox: Sandbox | null, name: string): string | undefined {
  const machine = sandbox?.machines.find((one) => one.name === name);
  const terminal = machine?.terminals[newestTerminal(machine)]?.terminal;
  return sandbox && terminal ? apiPaths.attach(sandbox.id, name, terminal) : undefined;
}
