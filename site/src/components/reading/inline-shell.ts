// What a page loads when a shell is asked for: Svelte, the terminal, and the client of the server.
import { mount, unmount } from 'svelte';
import type { InstrumentName } from '../instruments/instruments.ts';
import InlineShellView from '../sandbox/InlineShell.svelte';
import type { Offer, Place, Setup } from '../sandbox/setup.ts';

export interface InlineShell {
  /** Types a command as soon as there is a shell to type it in. */
  run(offer: Offer): void;
  /** Takes it off the page; the machines go on. */
  end(): Promise<void>;
}

export interface Wanted {
  setup: Setup;
  instruments: readonly InstrumentName[];
  /** The machine that the instruments show; all unless stated. */
  of?: Place | undefined;
}

export function mountInlineShell(target: Element, wanted: Wanted): InlineShell {
  const view = mount(InlineShellView, { target, props: { ...wanted } });
  return { run: (offer) => view.run(offer), end: () => unmount(view) };
}
