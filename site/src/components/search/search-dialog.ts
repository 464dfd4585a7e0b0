// The dialog of the search: words in, places out. Finding is Pagefind's, whose index the build has made (publish/search-index.ts);
// it runs in a worker, which alone may compile WebAssembly, and fetches only the parts of the index that the words need.
import { siteAddress } from '../../site-address.ts';
import styles from './search.css?url';

/** What is used of Pagefind's own types, which come with the index and not with a package. */
interface Pagefind {
  init: () => Promise<void>;
  options: (options: { excerptLength: number; baseUrl: string }) => Promise<void>;
  debouncedSearch: (words: string, options: object, wait: number) => Promise<{ results: Found[] } | null>;
}
interface Found {
  data: () => Promise<Place>;
}
interface Part {
  title: string;
  url: string;
  excerpt: string;
}
interface Place extends Part {
  meta: { title?: string; kind?: string };
  sub_results: Part[];
}

const SHOWN = 20;
const PARTS = 3;
const WAIT_MS = 120;

/** Makes the dialog of `host` from the template in it, once its style sheet is there. */
export async function searchDialog(host: HTMLElement): Promise<{ show: () => void }> {
  const template = host.querySelector('template');
  if (!template) throw new Error('the search has no template');
  await styleSheet(styles);
  host.append(template.content.cloneNode(true));
  const dialog = new SearchDialog(host);
  return { show: () => dialog.show() };
}

const styleSheet = (href: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', href });
    link.addEventListener('load', resolve);
    link.addEventListener('error', reject);
    document.head.append(link);
  });

class SearchDialog {
  readonly #host: HTMLElement;
  readonly #dialog: HTMLDialogElement;
  readonly #input: HTMLInputElement;
  readonly #status: HTMLElement;
  readonly #list: HTMLElement;
  #pagefind: Promise<Pagefind> | undefined;

  constructor(host: HTMLElement) {
    const part = <T extends Element>(selector: string): T => {
      const found = host.querySelector<T>(selector);
      if (!found) throw new Error(`the search has no ${selector}`);
      return found;
    };
    this.#host = host;
    this.#dialog = part('dialog');
    this.#input = part('input');
    this.#status = part('[role=status]');
    this.#list = part('ol');
    this.#input.addEventListener('input', () => this.#search());
    this.#dialog.addEventListener('keydown', (event) => this.#walk(event));
    this.#dialog.addEventListener('click', (event) => {
      // Beside the dialog, and at a link that leads to a place on this very page, it has done its work.
      if (event.target === this.#dialog || (event.target as Element).closest('a')) this.#dialog.close();
    });
    part('form').addEventListener('submit', (event) => {
      if ((event as SubmitEvent).submitter !== null && document.activeElement !== this.#input) return;
      event.preventDefault();
      this.#list.querySelector('a')?.click();
    });
  }

  show(): void {
    if (this.#dialog.open) return;
    this.#dialog.showModal();
    this.#input.select();
    this.#load().catch((error: unknown) => this.#fail(error));
  }

  #load(): Promise<Pagefind> {
    this.#pagefind ??= (async () => {
      const pagefind: Pagefind = await import(/* @vite-ignore */ siteAddress('/pagefind/pagefind.js'));
      await pagefind.options({ excerptLength: 24, baseUrl: siteAddress('/') });
      await pagefind.init();
      return pagefind;
    })();
    return this.#pagefind;
  }

  #fail(error: unknown): void {
    this.#pagefind = undefined;
    this.#say('failed', { reason: error instanceof Error ? error.message : String(error) });
  }

  /** Writes one of the host's sentences into the status line, which screen readers then read. */
  #say(sentence: string, values: Record<string, string>): void {
    const text = this.#host.dataset[sentence] ?? '';
    this.#status.textContent = text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
  }

  async #search(): Promise<void> {
    const words = this.#input.value.trim();
    try {
      const found = await (await this.#load()).debouncedSearch(words, {}, WAIT_MS);
      // Nothing: more was typed while this was waited for.
      if (found === null || words !== this.#input.value.trim()) return;
      const places = await Promise.all(found.results.slice(0, SHOWN).map((one) => one.data()));
      if (words !== this.#input.value.trim()) return;
      const count = found.results.length;
      this.#list.replaceChildren(...(words === '' ? [] : places.map(item)));
      this.#list.scrollTop = 0;
      if (words === '') this.#status.textContent = '';
      else
        this.#say(count === 0 ? 'none' : count === 1 ? 'one' : 'some', {
          words: `“${words}”`,
          count: String(count),
        });
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Arrow keys go from the field through the links and back. */
  #walk(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    const stops: HTMLElement[] = [this.#input, ...this.#list.querySelectorAll('a')];
    const at = stops.indexOf(document.activeElement as HTMLElement);
    if (at < 0) return;
    event.preventDefault();
    stops[Math.min(stops.length - 1, Math.max(0, at + step))]?.focus();
  }
}

/** One place that was found: its page, what it is, and the sections in which the words are. */
function item(place: Place): HTMLLIElement {
  const made = document.createElement('li');
  const title = place.meta.title ?? place.url;
  made.append(link({ ...place, title }, place.meta.kind));
  // A page is found as a whole too, as its part at the top; an entry has no parts.
  const parts = place.sub_results.filter(({ url }) => /#(?!_top$)/.test(url));
  if (parts.length > 0) {
    const list = document.createElement('ul');
    for (const part of parts.slice(0, PARTS)) {
      const line = document.createElement('li');
      line.append(link(part));
      list.append(line);
    }
    made.append(list);
  }
  return made;
}

function link({ title, url, excerpt }: Part, kind?: string): HTMLAnchorElement {
  const made = document.createElement('a');
  made.href = url;
  const heading = document.createElement('b');
  heading.textContent = title;
  made.append(heading);
  if (kind) {
    const tag = document.createElement('i');
    tag.textContent = kind;
    made.append(' ', tag);
  }
  const said = document.createElement('span');
  said.append(...marked(excerpt));
  made.append(said);
  return made;
}

/** An excerpt as nodes. It is text of ours with <mark> around what was found, but it is not put into the page as HTML. */
export function marked(excerpt: string): (string | HTMLElement)[] {
  return excerpt.split(/<mark>(.*?)<\/mark>/).map((piece, index) => {
    const text = piece.replace(/&(amp|lt|gt|quot|#39);/g, (_, name) => entities[name] ?? '');
    if (index % 2 === 0) return text;
    return Object.assign(document.createElement('mark'), { textContent: text });
  });
}
const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
