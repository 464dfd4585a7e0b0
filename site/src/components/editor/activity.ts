// When to look whether files have changed: what changes a file in a learner's machine is, nearly always, something that the
// learner has just done on this page. So it is looked soon after a key or a click, and never while nobody does anything: a
// classroom that reads costs its server nothing.

/** Milliseconds after the first of some activity: for a command that is done at once, and for one that takes a while. */
const LOOKS_MS = [1_200, 4_000];

/** Calls `look` some time after keys and clicks anywhere on the page, and when the page is seen again. Returns what ends it. */
export function afterActivity(look: () => void): () => void {
  const timers = new Set<ReturnType<typeof setTimeout>>();
  const soon = () => {
    if (timers.size > 0) return;
    for (const delay of LOOKS_MS) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        if (!document.hidden) look();
      }, delay);
      timers.add(timer);
    }
  };
  const back = () => {
    if (!document.hidden) look();
  };
  // In the capture phase: a terminal keeps its keys to itself.
  addEventListener('keydown', soon, true);
  addEventListener('pointerdown', soon, true);
  addEventListener('focus', back);
  document.addEventListener('visibilitychange', back);
  return () => {
    for (const timer of timers) clearTimeout(timer);
    removeEventListener('keydown', soon, true);
    removeEventListener('pointerdown', soon, true);
    removeEventListener('focus', back);
    document.removeEventListener('visibilitychange', back);
  };
}
