// Terminals before they are wanted: the code fetched and the emulators built while the page has nothing else to do, so that
// a click waits for neither.
import type TerminalView from './Terminal.svelte';

/** Fetches the terminal's code and has `count` emulators stand ready; once they do, it costs nothing to ask again. */
export async function prepareTerminals(count: number): Promise<typeof TerminalView> {
  const emulators = import('./xterm-view.ts').then(({ prepareEmulators }) => prepareEmulators(count));
  emulators.catch(() => {}); // told by the terminal that then has to build its own
  return (await import('./Terminal.svelte')).default;
}

/** Calls `work` once the page is idle; not for readers who pay by the byte, nor on a phone, which has less to spare: there a
 * click makes what it needs. Returns the function that cancels it. */
export function whenIdle(work: () => void): () => void {
  const { connection } = navigator as Navigator & { connection?: { saveData?: boolean } };
  const phone = matchMedia('(hover: none) and (pointer: coarse)').matches;
  if (connection?.saveData || phone) return () => {};
  if (typeof requestIdleCallback === 'undefined') {
    const timer = setTimeout(work, 500); // Safari
    return () => clearTimeout(timer);
  }
  const idle = requestIdleCallback(work);
  return () => cancelIdleCallback(idle);
}
