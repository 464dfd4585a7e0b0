// Opens shells in a reading page when they are asked for, and only then loads what that takes. A page has one such place at a
// time: where another one is opened, the machines move there if it wants the same, and their shells go on.
import type { InlineShell } from './inline-shell.ts';

class TryIt extends HTMLElement {
  static #open: TryIt | null = null;
  #shell: Promise<InlineShell> | null = null;

  connectedCallback(): void {
    for (const button of this.querySelectorAll('button')) button.disabled = false;
    this.#opener?.addEventListener('click', () => void this.#begin());
    for (const button of this.querySelectorAll<HTMLButtonElement>('button.run')) {
      button.addEventListener('click', async () => {
        const { command = '', in: place } = button.dataset;
        (await this.#begin()).run({ command, in: place === 'box' || place === 'vm' ? place : undefined });
      });
    }
  }

  get #opener(): HTMLButtonElement | null {
    return this.querySelector('button.open');
  }

  #begin(): Promise<InlineShell> {
    if (TryIt.#open !== this) {
      const open = TryIt.#open;
      if (open) void open.#leave();
      TryIt.#open = this;
    }
    this.#shell ??= this.#mount();
    return this.#shell;
  }

  async #mount(): Promise<InlineShell> {
    if (this.#opener) this.#opener.hidden = true;
    const target = this.querySelector('.shell') ?? this;
    const [{ mountInlineShell }, { readInstrumentNames }] = await Promise.all([
      import('./inline-shell.ts'),
      import('../instruments/instruments.ts'),
    ]);
    const { setup, instruments, instrumentsOf: of } = this.dataset;
    return mountInlineShell(target, {
      setup: setup === 'nested' || setup === 'pair' ? setup : 'container',
      instruments: readInstrumentNames(instruments),
      of: of === 'box' || of === 'vm' ? of : undefined,
    });
  }

  async #leave(): Promise<void> {
    const shell = this.#shell;
    this.#shell = null;
    if (this.#opener) this.#opener.hidden = false;
    await (await shell)?.end();
  }
}

customElements.define('try-it', TryIt);
