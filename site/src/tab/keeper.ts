// Saves what is in the tab's machines on the device, a while after something has happened and when the page is hidden, so that
// a page that is loaded again goes on there.
import type { SavedPage } from './place.ts';
import { drop, forgetSaved, save, whyNotSaved } from './saved.ts';
import type { TabMachine } from './tab-machine.ts';

type ToSave = Pick<TabMachine, 'state' | 'save'>;

export interface KeeperOptions {
  machines: readonly [ToSave, ToSave];
  page: () => SavedPage;
  saves: boolean;
  /** Told, in a sentence, why this device does not keep it; null once it does. */
  told: (why: string | null) => void;
}

/** Saving stops the machine for a moment: not under somebody's hands, and not all the time. */
const QUIET_MS = 1_500;
const EVERY_MS = 10_000;
/** A machine's whole memory is packed for nothing where a device does not keep it. */
const AFTER_REFUSAL_MS = 60_000;

export class Keeper {
  readonly #options: KeeperOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Not before. */
  #nextAt = 0;
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
    const wait = empty ? 0 : Math.max(QUIET_MS, this.#nextAt - Date.now());
    this.#timer = setTimeout(() => this.saveNow(), wait);
  }

  saveNow(): void {
    if (!this.#touched || this.#saving) return;
    clearTimeout(this.#timer);
    this.#touched = false;
    this.#saving = true;
    void this.#save().then((refused) => {
      this.#saving = false;
      this.#nextAt = Date.now() + (refused ? AFTER_REFUSAL_MS : EVERY_MS);
      if (this.#touched) this.touch();
    });
  }

  /** What has happened so far is not to be saved. */
  drop(): void {
    this.#touched = false;
    clearTimeout(this.#timer);
  }

  /** Resolves to whether the device refused it: then it is tried again only after something more has happened. */
  async #save(): Promise<boolean> {
    const { machines, page, told } = this.#options;
    const { content, sandboxes } = page();
    // Without a machine there is nothing to go on with.
    if (sandboxes.length === 0) {
      await forgetSaved();
      return false;
    }
    const [first, second] = machines;
    const hasSecond = sandboxes.some((one) => one.machines.some(({ view }) => view.kind === 'vm'));
    const running = (machine: ToSave) => machine.state.phase === 'running';
    const saved = await Promise.all(
      [first, ...(hasSecond ? [second] : [])].filter(running).map((machine) => machine.save()),
    );
    if (!hasSecond) await drop('second');
    // What was forgotten meanwhile is not written down again.
    if (saved.length === 0 || page().sandboxes.length === 0) return false;
    let why = saved.map((one) => one.why).find((one) => one !== null) ?? null;
    if (!why && !saved.every(({ done }) => done)) {
      this.#touched = true;
      return false;
    }
    // The list last: it tells of nothing that was not saved before.
    if (!why)
      why = await save('sandboxes', { content, sandboxes } satisfies SavedPage).then(() => null, whyNotSaved);
    told(why);
    return why !== null;
  }
}
