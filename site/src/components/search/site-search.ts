// Opens the search on a click, and on / where nothing is being typed. What it takes to search comes with the first of these.

/** Keys typed into these are text, or belong to the machine behind a terminal. */
const takesText = 'input, textarea, select, [contenteditable], .xterm, .monaco-editor';

class SiteSearch extends HTMLElement {
  #dialog: Promise<{ show: () => void }> | undefined;

  connectedCallback(): void {
    this.querySelector('a')?.addEventListener('click', (event) => {
      // A new tab, a download: the link does what the reader means.
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      this.#open();
    });
    document.addEventListener('keydown', (event) => {
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented)
        return;
      if (event.target instanceof Element && event.target.closest(takesText)) return;
      event.preventDefault();
      this.#open();
    });
  }

  async #open(): Promise<void> {
    this.#dialog ??= import('./search-dialog.ts').then(({ searchDialog }) => searchDialog(this));
    try {
      (await this.#dialog).show();
    } catch {
      // Not even the dialog could be fetched: the page behind the link lists what there is.
      this.#dialog = undefined;
      location.assign(this.querySelector('a')?.href ?? '/search/');
    }
  }
}

customElements.define('site-search', SiteSearch);
