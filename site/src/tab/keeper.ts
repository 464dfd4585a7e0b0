// Saves what is in the tab's machines on the device, a while after something has happened and when the page is hidden, so that
// a page that is loaded again goes on there.
import type { SavedPage } from './place.ts';
import { drop, forgetSaved, save } from './saved.ts';
import type { TabMachine } from './tab-machine.ts';

export interface KeeperOptions {
  machines: readonly [TabMachine, TabMachine];
  page: () => SavedPage;
  saves: boolean;
}

/** Saving stops the machine for a moment: not under somebody's hands, and not all the time. */
const QUIET_MS = 1_500;
const EVERY_MS = 10_000;

export class Keeper {
  readonly #options: KeeperOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #savedAt = 0;
  #touched = false;
  #saving = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Something has changed. */
  touch(): void {
    if (!this.#options.saves) return;
    this.#touched = true;
    clearTimeout(this.#timer);
    // What was ended must not be there again in a page that is loaded in the next moment.
    const empty = this.#options.page().sandboxes.length === 0;
    const wait = empty ? 0 : Math.max(QUIET_MS, this.#savedAt + EVERY_MS - Date.now());
    this.#timer = setTimeout(() => this.saveNow(), wait);
  }

  saveNow(): void {
    if (!this.#touched || this.#saving) return;
    clearTimeout(this.#timer);
    this.#touched = false;
    this.#saving = true;
    void this.#save().finally(() => {
      this.#saving = false;
      this.#savedAt = Date.now();
      if (this.#touched) this.touch();
    });
  }

  /** What has happened so far is not to be saved. */
  drop(): void {
    this.#touched = false;
    clearTimeout(this.#timer);
  }

  async #save(): Promise<void> {
    const { machines, page } = this.#options;
    const { content, sandboxes } = page();
    // Without a machine there is nothing to go on with.
    if (sandboxes.length === 0) return await forgetSaved();
    const [first, second] = machines;
    const hasSecond = sandboxes.some((one) => one.machines.some(({ view }) => view.kind === 'vm'));
    const running = (machine: TabMachine) => machine.state.phase === 'running';
    const done = await Promise.all(
      [first, ...(hasSecond ? [second] : [])].filter(running).map((machine) => machine.save()),
    );
    if (!hasSecond) await drop('second');
    // What was forgotten meanwhile is not written down again.
    if (done.length === 0 || page().sandboxes.length === 0) return;
    // The list last: it tells of nothing that was not saved before.
    if (done.every(Boolean))
      await save('sandboxes', { content, sandboxes } satisfies SavedPage).catch(() => {});
    else this.#touched = true;
  }
}
