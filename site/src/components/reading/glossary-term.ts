// The preview of a word: Escape sends it away (WCAG 1.4.13), a first touch opens it, a second one follows the link.

class GlossaryTerm extends HTMLElement {
  connectedCallback(): void {
    const link = this.querySelector('a');
    let touched = false;
    this.addEventListener('pointerdown', ({ pointerType }) => {
      touched = pointerType === 'touch';
    });
    link?.addEventListener('click', (event) => {
      if (!touched || this.classList.contains('open')) return;
      event.preventDefault();
      this.classList.add('open');
    });
    this.addEventListener('keydown', ({ key }) => {
      if (key === 'Escape') this.#close();
    });
    const again = () => this.classList.remove('dismissed');
    this.addEventListener('focusin', again);
    this.addEventListener('pointerenter', again);
    this.addEventListener('focusout', () => this.classList.remove('open'));
    // Escape also when the pointer alone has opened it: then the key goes to the page.
    document.addEventListener('keydown', ({ key }) => {
      if (key === 'Escape' && this.matches(':hover')) this.#close();
    });
    document.addEventListener('pointerdown', ({ target }) => {
      if (target instanceof Node && !this.contains(target)) this.classList.remove('open');
    });
  }

  #close(): void {
    this.classList.remove('open');
    this.classList.add('dismissed');
  }
}

customElements.define('glossary-term', GlossaryTerm);
