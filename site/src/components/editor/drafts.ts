// Unsaved text, kept in the browser until it is in the machine: it survives a reload, a lost server and a machine that was
// begun again.

export interface Draft {
  text: string;
  /** What the machine had when this was begun; null: no such file. */
  base: string | null;
}

/** The part of Storage that is used. */
export type DraftStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>;

export class Drafts {
  readonly #prefix: string;
  readonly #storage: DraftStorage | null;

  /** `place`: whose files these are, such as "build-a-container/box". Storage that is blocked keeps nothing. */
  constructor(place: string, storage: () => DraftStorage = () => localStorage) {
    this.#prefix = `bulkhead-draft:${place}:`;
    let found: DraftStorage | null = null;
    try {
      found = storage();
    } catch {
      // Blocked: `keep` says so each time.
    }
    this.#storage = found;
  }

  /** Whether it was kept; it is not where storage is blocked or full. */
  keep(path: string, draft: Draft): boolean {
    try {
      this.#storage?.setItem(this.#prefix + path, JSON.stringify(draft));
      return this.#storage !== null;
    } catch {
      return false;
    }
  }

  get(path: string): Draft | undefined {
    try {
      const draft: unknown = JSON.parse(this.#storage?.getItem(this.#prefix + path) ?? 'null');
      return isDraft(draft) ? draft : undefined;
    } catch {
      return undefined;
    }
  }

  drop(path: string): void {
    try {
      this.#storage?.removeItem(this.#prefix + path);
    } catch {
      // It was not kept either.
    }
  }

  /** Of which files there is unsaved text. */
  paths(): string[] {
    const paths: string[] = [];
    for (let index = 0; index < (this.#storage?.length ?? 0); index++) {
      const key = this.#storage?.key(index);
      if (key?.startsWith(this.#prefix)) paths.push(key.slice(this.#prefix.length));
    }
    return paths.sort();
  }
}

function isDraft(value: unknown): value is Draft {
  if (typeof value !== 'object' || value === null || !('text' in value) || !('base' in value)) return false;
  return typeof value.text === 'string' && (value.base === null || typeof value.base === 'string');
}
