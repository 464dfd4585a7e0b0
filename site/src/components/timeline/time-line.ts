// What the timeline can do with script: zoom, filter, follow a wall, walk by arrow keys, and tell an entry under the chart.
// The chart and the list are in the page already, and every glyph is a link to its entry.

const steps = [1, 1.5, 2.25, 3.5, 5, 8] as const;

class TimeLine extends HTMLElement {
  #step = 0;
  #chosen: SVGAElement | null = null;

  connectedCallback(): void {
    this.addEventListener('change', () => this.#filter());
    this.addEventListener('click', (event) => this.#click(event));
    this.#chart.addEventListener('keydown', (event) => this.#key(event));
    this.#scroller.addEventListener('wheel', (event) => this.#wheel(event), { passive: false });
    // Only one glyph is a stop of the Tab key; arrows lead to the others.
    for (const entry of this.#entries) entry.setAttribute('tabindex', '-1');
    this.#chart.querySelectorAll('.entry')[0]?.setAttribute('tabindex', '0');
    window.addEventListener('hashchange', () => this.#fromAddress());
    new ResizeObserver(() => this.#name()).observe(this.#scroller);
    this.#fromAddress();
  }

  get #chart(): SVGSVGElement {
    return this.#find('svg.chart');
  }
  get #scroller(): HTMLElement {
    return this.#find('.scroller');
  }
  get #entries(): SVGAElement[] {
    return [...this.querySelectorAll<SVGAElement>('.chart .entry')];
  }
  /** Entries that the filters leave. */
  get #shown(): SVGAElement[] {
    return this.#entries.filter((entry) => !entry.matches('.gone, .away'));
  }

  #find<T extends Element>(selector: string): T {
    const found = this.querySelector<T>(selector);
    if (!found) throw new Error(`the timeline has no ${selector}`);
    return found;
  }

  #article(entry: SVGAElement): HTMLElement | null {
    return document.getElementById(entry.dataset.entry ?? '');
  }

  #click(event: MouseEvent): void {
    const target = event.target instanceof Element ? event.target : null;
    const entry = target?.closest<SVGAElement>('.chart .entry');
    if (entry && !event.metaKey && !event.ctrlKey) {
      event.preventDefault();
      this.#choose(entry, true);
      return;
    }
    const does: Record<string, () => void> = {
      nearer: () => this.#zoom(this.#step + 1),
      farther: () => this.#zoom(this.#step - 1),
      before: () => this.#walk(-1),
      after: () => this.#walk(1),
      all: () => this.#showAll(),
    };
    does[target?.closest<HTMLElement>('button')?.dataset.does ?? '']?.();
  }

  #showAll(): void {
    for (const input of this.querySelectorAll<HTMLInputElement>('.controls input')) {
      input.checked = input.type === 'checkbox' || input.value === '';
    }
    this.#filter();
  }

  #key(event: KeyboardEvent): void {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const acts: Record<string, () => void> = {
      ArrowRight: () => this.#walk(1),
      ArrowLeft: () => this.#walk(-1),
      ArrowDown: () => this.#cross(1),
      ArrowUp: () => this.#cross(-1),
      Home: () => this.#choose(this.#shown[0], true),
      End: () => this.#choose(this.#shown.at(-1), true),
      '+': () => this.#zoom(this.#step + 1),
      '-': () => this.#zoom(this.#step - 1),
      '0': () => this.#zoom(0),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  #wheel(event: WheelEvent): void {
    if (!event.ctrlKey) return;
    event.preventDefault();
    this.#zoom(this.#step + (event.deltaY < 0 ? 1 : -1), event.clientX);
  }

  /** To the next entry in time, or the one before. */
  #walk(by: 1 | -1): void {
    const shown = this.#shown;
    const at = this.#chosen ? shown.indexOf(this.#chosen) : -1;
    this.#choose(shown[at === -1 ? 0 : at + by], true);
  }

  /** To the entry nearest in time that lies in a row above or below. */
  #cross(by: 1 | -1): void {
    const place = (entry: SVGAElement) => entry.getBoundingClientRect();
    const from = this.#chosen && place(this.#chosen);
    if (!from) {
      this.#walk(1);
      return;
    }
    const distance = (entry: SVGAElement) =>
      Math.abs(place(entry).left - from.left) + 4 * Math.abs(place(entry).top - from.top);
    const beyond = this.#shown.filter((entry) => (place(entry).top - from.top) * by > 4);
    this.#choose(beyond.sort((one, other) => distance(one) - distance(other))[0], true);
  }

  #choose(entry: SVGAElement | undefined, tell: boolean): void {
    if (!entry) return;
    for (const other of this.#entries) {
      other.classList.toggle('chosen', other === entry);
      other.setAttribute('tabindex', other === entry ? '0' : '-1');
    }
    this.#chosen = entry;
    // To the eye the glyph drawn last lies on top.
    if (this.#chart.contains(document.activeElement)) entry.focus({ preventScroll: true });
    this.#bringIntoView(entry);
    if (tell) this.#tell(entry);
  }

  #bringIntoView(entry: SVGAElement): void {
    const view = this.#scroller.getBoundingClientRect();
    const { left, right } = entry.getBoundingClientRect();
    if (left >= view.left + 40 && right <= view.right - 40) return;
    this.#scroller.scrollLeft += (left + right) / 2 - (view.left + view.right) / 2;
  }

  /** Shows the entry under the chart, and its address in the address bar. */
  #tell(entry: SVGAElement): void {
    const article = this.#article(entry);
    if (!article) return;
    const copy = article.cloneNode(true) as HTMLElement;
    for (const element of [copy, ...copy.querySelectorAll('[id]')]) element.removeAttribute('id');
    copy.removeAttribute('aria-labelledby');
    this.#find('.told').replaceChildren(copy);
    this.#find<HTMLElement>('.card').hidden = false;
    history.replaceState(null, '', `#${entry.dataset.entry}`);
  }

  #fromAddress(): void {
    const id = decodeURIComponent(location.hash.slice(1));
    const entry = this.#entries.find(({ dataset }) => dataset.entry === id);
    if (entry) this.#choose(entry, false);
  }

  #filter(): void {
    const values = (name: string) =>
      [...this.querySelectorAll<HTMLInputElement>(`input[name="${name}"]:checked`)].map(({ value }) => value);
    const kinds = new Set(values('kind'));
    const wall = values('wall')[0] ?? '';
    let left = 0;
    for (const entry of this.#entries) {
      const article = this.#article(entry);
      const ofKind = kinds.has(article?.dataset.category ?? '');
      const hasWall = wall === '' || (article?.dataset.walls ?? '').split(' ').includes(wall);
      entry.classList.toggle('gone', !ofKind);
      entry.classList.toggle('away', ofKind && !hasWall);
      if (article) article.hidden = !(ofKind && hasWall);
      if (ofKind && hasWall) left++;
    }
    for (const era of this.querySelectorAll<HTMLElement>('.era-part')) {
      era.hidden = !era.querySelector('article:not([hidden])');
    }
    for (const thread of this.querySelectorAll<SVGGElement>('.thread')) {
      // A thread leads through all that raised the wall; with kinds missing it would lead past what is hidden.
      const whole = kinds.size === this.querySelectorAll('input[name="kind"]').length;
      thread.classList.toggle('followed', whole && thread.dataset.thread === wall);
    }
    const count = this.#find('.count');
    count.textContent = `${left} of ${this.#entries.length} entries`;
  }

  #zoom(step: number, around?: number): void {
    const next = Math.min(Math.max(step, 0), steps.length - 1);
    if (next === this.#step) return;
    const view = this.#scroller.getBoundingClientRect();
    const chosen = this.#chosen?.getBoundingClientRect();
    const fixed = (around ?? (chosen ? chosen.left : view.left + view.width / 2)) - view.left;
    const before = this.#chart.getBoundingClientRect().width;
    const place = (this.#scroller.scrollLeft + fixed) / before;
    this.#step = next;
    this.#chart.setAttribute('width', `${(steps[next] ?? 1) * 100}%`);
    this.#scroller.scrollLeft = place * this.#chart.getBoundingClientRect().width - fixed;
    for (const button of this.querySelectorAll<HTMLButtonElement>(
      '[data-does="nearer"], [data-does="farther"]',
    )) {
      button.disabled = next === (button.dataset.does === 'nearer' ? steps.length - 1 : 0);
    }
    this.#name();
  }

  /** Writes a label wherever there is room for it before the next glyph. */
  #name(): void {
    const years = Number(this.#chart.dataset.years);
    const perYear = this.#chart.getBoundingClientRect().width / years;
    for (const entry of this.#entries) {
      entry.classList.toggle('named', Number(entry.dataset.roomy) <= perYear);
    }
  }
}

customElements.define('time-line', TimeLine);
