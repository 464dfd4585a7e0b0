// Day, night or as the system says. The choice survives a reload where storage allows it, and reaches other tabs.
const key = 'bulkhead-scheme';
const schemes = ['auto', 'light', 'dark'] as const;
type Scheme = (typeof schemes)[number];

function asScheme(value: string | null | undefined): Scheme {
  return schemes.find((scheme) => scheme === value) ?? 'auto';
}

class SchemeSwitch extends HTMLElement {
  connectedCallback(): void {
    this.#show(asScheme(document.documentElement.dataset.scheme));
    this.addEventListener('change', (event) => {
      if (event.target instanceof HTMLInputElement) this.#choose(asScheme(event.target.value));
    });
    window.addEventListener('storage', (event) => {
      if (event.key === key) this.#apply(asScheme(event.newValue));
    });
  }

  #choose(scheme: Scheme): void {
    this.#apply(scheme);
    try {
      if (scheme === 'auto') localStorage.removeItem(key);
      else localStorage.setItem(key, scheme);
    } catch {
      // Storage is blocked or full: the choice lasts as long as the page.
    }
  }

  #apply(scheme: Scheme): void {
    if (scheme === 'auto') delete document.documentElement.dataset.scheme;
    else document.documentElement.dataset.scheme = scheme;
    this.#show(scheme);
    // Terminals take their colours from the page and are told when they change.
    document.dispatchEvent(new Event('bulkhead:scheme'));
  }

  #show(scheme: Scheme): void {
    for (const input of this.querySelectorAll('input')) input.checked = input.value === scheme;
  }
}

customElements.define('scheme-switch', SchemeSwitch);
