// What can be done with a terminal besides typing in it: copy, paste, search in what it has printed.
import type { SearchAddon } from '@xterm/addon-search';
import type { Terminal } from '@xterm/xterm';

export class TerminalTools {
  readonly #terminal: Terminal;
  #search: SearchAddon | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Copies what is selected; false when nothing is, or the browser does not let us. */
  async copy(): Promise<boolean> {
    const text = this.#terminal.getSelection();
    if (text === '') return false;
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Without a secure origin there is no clipboard, but there is still the command for it.
      return this.#copyBySelection(text);
    }
  }

  /** Types what was copied, as one paste; false when the browser asks for the keys instead. */
  async paste(): Promise<boolean> {
    try {
      this.#terminal.paste(await navigator.clipboard.readText());
      this.#terminal.focus();
      return true;
    } catch {
      return false;
    }
  }

  /** Goes to the next place, or with `back` to the one before, where `text` stands; false when it stands nowhere. */
  async find(text: string, back = false): Promise<boolean> {
    const { SearchAddon } = await import('@xterm/addon-search');
    if (!this.#search) {
      this.#search = new SearchAddon();
      this.#terminal.loadAddon(this.#search);
    }
    if (text === '') return false;
    return back ? this.#search.findPrevious(text) : this.#search.findNext(text);
  }

  /** Shows the end again. */
  endFind(): void {
    this.#search?.clearDecorations();
    this.#terminal.clearSelection();
    this.#terminal.scrollToBottom();
    this.#terminal.focus();
  }

  #copyBySelection(text: string): boolean {
    const area = Object.assign(document.createElement('textarea'), { value: text });
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    this.#terminal.focus();
    return done;
  }
}
