// The instruments that a lab may show beside a step. No schema library comes with them: pages have these words too.

/** The instruments that the player has, and what each shows. */
export const instruments = {
  gauges: 'memory, processor, processes and pressure of a machine, against its limits',
  'host-view': "a machine's processes as the kernel under it sees them",
  launch: 'the steps in which a machine was made, with their times',
  namespaces: 'the namespaces of a machine, and which of its processes are in which',
} as const;
export type InstrumentName = keyof typeof instruments;
