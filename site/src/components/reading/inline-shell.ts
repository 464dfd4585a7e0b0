// What a page loads when a shell is asked for: Svelte, the terminal, and the client of the server.
import { mount, unmount } from 'svelte';
import InlineShellView from '../sandbox/InlineShell.svelte';
import type { Offer, Setup } from '../sandbox/setup.ts';

export interface InlineShell {
  /** Types a command as soon as there is a shell to type it in. */
  run(offer: Offer): void;
  /** Takes it off the page; the machines go on. */
  end(): Promise<void>;
}

export function mountInlineShell(target: Element, setup: Setup): InlineShell {
  const view = mount(InlineShellView, { target, props: { setup } });
  return { run: (offer) => view.run(offer), end: () => unmount(view) };
}
