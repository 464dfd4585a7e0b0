// A list of callbacks for one kind of event.

/** Listeners in the order they came; each is told every event until it leaves. */
export class Listeners<T> {
  readonly #listeners = new Set<(event: T) => void>();

  /** Returns the function that leaves. */
  add(listener: (event: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(event: T): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  get size(): number {
    return this.#listeners.size;
  }
}
