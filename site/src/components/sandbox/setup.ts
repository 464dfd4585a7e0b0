// What a page's experiment needs to stand on: which machines, and whether a running sandbox has just them.
import type { CreateSandbox, Machine } from '@bulkhead/sandbox-server/protocol';

/** `container`: one, hardened. `nested`: one in which its root builds partitions. `pair`: a hardened one, and a VM beside it. */
export const setups = ['container', 'nested', 'pair'] as const;
export type Setup = (typeof setups)[number];
/** The names of the machines that a setup may have. */
export type Place = 'box' | 'vm';
export interface Offer {
  command: string;
  /** Of a pair: where it is typed; in both unless stated. */
  in?: Place | undefined;
}

const profileOf = (setup: Setup) => (setup === 'nested' ? 'nested' : 'hardened');

/** The machines to ask for. Where the host cannot run a VM, a pair is one container. */
export function machinesOf(
  setup: Setup,
  vmPossible: boolean,
  size: { columns: number; rows: number },
): CreateSandbox['machines'] {
  const box = { name: 'box', kind: 'container', profile: profileOf(setup), ...size } as const;
  if (setup !== 'pair' || !vmPossible) return [box];
  return [box, { name: 'vm', kind: 'vm', start: 'template', ...size }];
}

/** Whether these are the machines of that setup, and none beside but the VM that the server may have put one into. A place in
 * the queue tells no profiles: it is one that a page like this asked for. */
export function isSetup(
  machines: readonly (Pick<Machine, 'name' | 'kind'> & {
    profile?: Machine['profile'] | undefined;
    carrier?: boolean;
  })[],
  setup: Setup,
): boolean {
  const own = machines.filter(({ carrier }) => !carrier);
  const box = own.find(({ name, kind }) => name === 'box' && kind === 'container');
  const vm = own.find(({ name, kind }) => name === 'vm' && kind === 'vm');
  if (!box || (box.profile ?? profileOf(setup)) !== profileOf(setup)) return false;
  // A sandbox of /compare has containers inside its VM at times: they do not disturb.
  if (setup === 'pair') return vm !== undefined;
  return own.length === 1;
}
