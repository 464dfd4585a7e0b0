// The instruments by the names that pages call them by; the code of each is loaded when it is shown.
import type { Component } from 'svelte';
import type { InstrumentSource } from './source.ts';

/** gauges: <CgroupGauges>. host-view: <HostView>. launch: <LaunchTimeline>. namespaces: <NamespaceMap>. */
export const instrumentNames = ['gauges', 'host-view', 'launch', 'namespaces'] as const;
export type InstrumentName = (typeof instrumentNames)[number];

type Instrument = Component<{ session: InstrumentSource; machine: string }>;

const loaders: Record<InstrumentName, () => Promise<{ default: Instrument }>> = {
  gauges: () => import('./CgroupGauges.svelte'),
  'host-view': () => import('./HostView.svelte'),
  launch: () => import('./Launch.svelte'),
  namespaces: () => import('./NamespaceMap.svelte'),
};

const loading = new Map<InstrumentName, Promise<Instrument>>();

/** The same promise each time, so that a page which asks again goes on showing what it has; unless it could not be loaded. */
export function loadInstrument(name: InstrumentName): Promise<Instrument> {
  const known = loading.get(name);
  if (known) return known;
  const asked = loaders[name]().then((loaded) => loaded.default);
  loading.set(name, asked);
  asked.catch(() => loading.delete(name));
  return asked;
}

/** The names in an attribute of a page, such as "gauges namespaces". What is no name is left out. */
export function readInstrumentNames(attribute: string | undefined): InstrumentName[] {
  return instrumentNames.filter((name) => attribute?.split(' ').includes(name));
}
