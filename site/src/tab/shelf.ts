// Where the machine's files stay in this browser, for the next visit and for when there is no network: the Cache API, which a
// browser may refuse (blocked site data, a page that is not secure) or run out of.
import { say } from './words.ts';

/** Of one content each; whatever else begins so is of another, and goes. */
const PREFIX = 'bulkhead-linux-';
/** The description of the machine that is kept. */
const LATEST = `${PREFIX}latest`;

export class Shelf {
  /** Told once, in a sentence for the reader, when a file cannot be kept. */
  onrefusal: ((sentence: string) => void) | null = null;
  readonly #storage: CacheStorage | undefined;
  #cache: Promise<Cache | null>;
  #refused = false;

  private constructor(storage: CacheStorage | undefined, name: string) {
    this.#storage = storage;
    this.#cache = this.#open(name);
  }

  /** The shelf of an image's files. `storage`: the browser's, where it has one. */
  static of(content: string, storage = globalThis.caches as CacheStorage | undefined): Shelf {
    return new Shelf(storage, PREFIX + content);
  }

  /** The shelf of the description itself. */
  static latest(storage = globalThis.caches as CacheStorage | undefined): Shelf {
    return new Shelf(storage, LATEST);
  }

  async find(url: string): Promise<Uint8Array<ArrayBuffer> | null> {
    const cache = await this.#cache;
    const kept = await cache?.match(url).catch(() => undefined);
    return kept ? new Uint8Array(await kept.arrayBuffer()) : null;
  }

  /** Never fails: a reader whose browser keeps nothing has the machine all the same. */
  async keep(url: string, bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
    const cache = await this.#cache;
    if (!cache || this.#refused) return false;
    try {
      await cache.put(url, new Response(bytes));
      return true;
    } catch (error) {
      this.#refuse(
        say(
          error instanceof DOMException && error.name === 'QuotaExceededError' ? 'kept.full' : 'kept.failed',
        ),
      );
      return false;
    }
  }

  /** Which of these addresses are here. */
  async has(urls: readonly string[]): Promise<Set<string>> {
    const cache = await this.#cache;
    const kept = new Set((await cache?.keys().catch(() => []))?.map(({ url }) => url));
    return new Set(urls.filter((url) => kept.has(url)));
  }

  async forget(urls: readonly string[]): Promise<void> {
    const cache = await this.#cache;
    await Promise.all(urls.map((url) => cache?.delete(url).catch(() => false)));
  }

  /** Forgets the files of every image but this one. */
  async forgetOthers(content: string): Promise<void> {
    const names = (await this.#storage?.keys().catch(() => [])) ?? [];
    const others = names.filter(
      (name) => name.startsWith(PREFIX) && name !== LATEST && name !== PREFIX + content,
    );
    await Promise.all(others.map((name) => this.#storage?.delete(name).catch(() => false)));
  }

  async #open(name: string): Promise<Cache | null> {
    try {
      if (this.#storage) return await this.#storage.open(name);
    } catch {
      // Refused, as below.
    }
    // After the constructor's caller has had the time to listen.
    queueMicrotask(() => this.#refuse(say('kept.refused')));
    return null;
  }

  #refuse(sentence: string): void {
    if (this.#refused) return;
    this.#refused = true;
    this.onrefusal?.(sentence);
  }
}

/** Forgets every machine that this browser keeps for the site. */
export async function forgetMachines(storage = globalThis.caches as CacheStorage | undefined): Promise<void> {
  const names = (await storage?.keys().catch(() => [])) ?? [];
  await Promise.all(names.filter((name) => name.startsWith(PREFIX)).map((name) => storage?.delete(name)));
}
