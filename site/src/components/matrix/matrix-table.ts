// Chooses columns of the matrix, sorts its rows, and opens what a row can be shown by. A phone begins with three columns, and with the rest one touch away.

const onAPhone = ['jail', 'rootless', 'vm'];

class MatrixTable extends HTMLElement {
  connectedCallback(): void {
    if (matchMedia('(max-width: 40rem)').matches) {
      for (const box of this.#boxes) box.checked = onAPhone.includes(box.value);
      this.#showColumns();
    }
    this.addEventListener('change', () => this.#showColumns());
    for (const link of this.querySelectorAll<HTMLAnchorElement>('a.show')) {
      link.addEventListener('click', () => open(link.hash));
    }
    open(location.hash);
    for (const head of this.#heads) {
      head.querySelector('button')?.addEventListener('click', () => this.#sort(head));
    }
  }

  get #boxes(): HTMLInputElement[] {
    return [...this.querySelectorAll<HTMLInputElement>('input[name="column"]')];
  }
  get #heads(): HTMLTableCellElement[] {
    return [...this.querySelectorAll<HTMLTableCellElement>('thead [data-column]')];
  }

  #showColumns(): void {
    const shown = new Set(this.#boxes.filter(({ checked }) => checked).map(({ value }) => value));
    for (const cell of this.querySelectorAll<HTMLElement>('table [data-column]')) {
      cell.hidden = !shown.has(cell.dataset.column ?? '');
    }
  }

  /** By a column, from yes to no; a second time by number again, as in print. */
  #sort(head: HTMLTableCellElement): void {
    const column = head.ariaSort ? null : (head.dataset.column ?? null);
    for (const other of this.#heads) other.ariaSort = other === head && column ? 'ascending' : null;
    const body = this.querySelector('tbody');
    const rank = (row: HTMLTableRowElement) =>
      column === null ? 0 : Number(row.querySelector<HTMLElement>(`[data-column="${column}"]`)?.dataset.rank);
    const rows = [...this.querySelectorAll<HTMLTableRowElement>('tbody tr')].sort(
      (one, other) => rank(one) - rank(other) || Number(one.dataset.number) - Number(other.dataset.number),
    );
    body?.append(...rows);
  }
}

/** The experiment that an address names, if it names one. */
function open(hash: string): void {
  if (!hash.startsWith('#show-')) return;
  const details = document.getElementById(hash.slice(1))?.querySelector('details');
  if (details) details.open = true;
}

customElements.define('matrix-table', MatrixTable);
