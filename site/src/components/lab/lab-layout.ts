// How a learner has arranged the player: sizes, the terminal's letters, switches. Kept in this browser for all labs.

export interface LabLayout {
  /** Percent of the window's width that the text has. */
  text: number;
  /** Percent of the window's height above the machines, where they lie under the text. */
  sheet: number;
  folded: boolean;
  /** Percent of the machines' part that the editor has, and that the terminals have above an instrument. */
  editor: number;
  terminals: number;
  /** Pixels of the terminal's letters. */
  fontSize: number;
  screenReader: boolean;
  /** Whether single letters are shortcuts. */
  keys: boolean;
}

export const usualLayout: LabLayout = {
  text: 42,
  sheet: 48,
  folded: false,
  editor: 55,
  terminals: 60,
  fontSize: 14,
  screenReader: false,
  keys: true,
};

const KEY = 'bulkhead-lab-layout';

/** What was kept, as far as it can be used. */
export function readLayout(storage: () => Pick<Storage, 'getItem'> = () => localStorage): LabLayout {
  try {
    const kept: unknown = JSON.parse(storage().getItem(KEY) ?? '{}');
    const usable = Object.entries(kept as object).filter(
      ([name, value]) => typeof value === typeof usualLayout[name as keyof LabLayout],
    );
    return { ...usualLayout, ...Object.fromEntries(usable) };
  } catch {
    return usualLayout; // blocked, or not ours
  }
}

export function keepLayout(
  layout: LabLayout,
  storage: () => Pick<Storage, 'setItem'> = () => localStorage,
): void {
  try {
    storage().setItem(KEY, JSON.stringify(layout));
  } catch {
    // Blocked or full: it holds until the page is closed.
  }
}
