// Which terminals a machine's panel offers: its own shells, and one for each container inside it.
import type { Machine } from '@bulkhead/sandbox-server/protocol';
import { newestTerminal } from '../sandbox/attach-path.ts';
import { say } from './words.ts';

export interface Tab {
  /** Unique in the panel, and the same for as long as the terminal is offered. */
  id: string;
  /** Name of the machine whose terminal it is. */
  machine: string;
  kind: Machine['kind'];
  /** Undefined while the machine is being made. */
  terminal: string | undefined;
  label: string;
  /** Its program has ended; what it printed can still be read. */
  ended: boolean;
}

/** `inner`: the containers inside the machine. A shell that ended is offered as long as it is the chosen one, or the last. */
export function tabsOf(
  machine: Machine | undefined,
  inner: readonly Machine[],
  chosen: string | undefined,
  name: string,
): Tab[] {
  const kind = machine?.kind ?? 'container';
  const terminals = machine?.terminals ?? [];
  const newest = terminals[newestTerminal(machine)];
  const shells = terminals
    .filter((one) => one.state === 'running' || one === newest || `${name}/${one.terminal}` === chosen)
    .map(({ terminal, state }, index) => ({
      id: `${name}/${terminal}`,
      machine: name,
      kind,
      terminal,
      label: index === 0 ? say('tabs.shell') : say('tabs.shellNumber', { number: index + 1 }),
      ended: state === 'exited',
    }));
  const first = {
    id: `${name}/`,
    machine: name,
    kind,
    terminal: undefined,
    label: say('tabs.shell'),
    ended: false,
  };
  const inside = inner.map((one) => ({
    id: `${one.name}/`,
    machine: one.name,
    kind: one.kind,
    terminal: one.terminals[newestTerminal(one)]?.terminal,
    label: one.name,
    ended: one.state === 'ended' || one.state === 'failed',
  }));
  return [...(shells.length > 0 ? shells : [first]), ...inside];
}

/** The tab to show: the chosen one if it is still there, else the newest shell of the machine itself. */
export function shownTab(tabs: readonly Tab[], chosen: string | undefined, name: string): Tab | undefined {
  return tabs.find(({ id }) => id === chosen) ?? tabs.findLast(({ machine }) => machine === name);
}
