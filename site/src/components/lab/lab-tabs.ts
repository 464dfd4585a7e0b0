// The terminals of all machines of a lab, as tabs: those of one machine beside each other, numbered from the second on.
import type { Machine } from '@bulkhead/sandbox-server/protocol';
import type { Tab } from '../terminal/tabs.ts';

/** A terminal whose program ended is offered as long as it is the chosen one, or the only one. */
export function labTabs(machines: readonly Machine[], chosen: string | undefined): Tab[] {
  return machines.filter(({ carrier }) => !carrier).flatMap((machine) => tabsOfOne(machine, chosen));
}

function tabsOfOne({ name, kind, terminals }: Machine, chosen: string | undefined): Tab[] {
  const alive = terminals.filter(({ state }) => state === 'running');
  const shown = terminals.filter(
    (one) =>
      one.state === 'running' ||
      `${name}/${one.terminal}` === chosen ||
      (alive.length === 0 && one === terminals.at(-1)),
  );
  const tabs = shown.map(({ terminal, state }, index) => ({
    id: `${name}/${terminal}`,
    machine: name,
    kind,
    terminal,
    label: index === 0 ? name : `${name} ${index + 1}`,
    ended: state === 'exited',
  }));
  const none = { id: `${name}/`, machine: name, kind, terminal: undefined, label: name, ended: false };
  return tabs.length > 0 ? tabs : [none];
}

/** The nth living terminal of a machine, from 1; undefined when it has fewer. */
export function nthTerminal(machine: Machine | undefined, number: number): string | undefined {
  return machine?.terminals.filter(({ state }) => state === 'running')[number - 1]?.terminal;
}
