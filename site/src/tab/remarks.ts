// What a reader should know of the machine in this tab though it goes on: one sentence of a subject at a time, which is taken back
// when it holds no more.

/** `left`: of what was here before. `saving`: of what is here now. `notice`: of its files. In this order they are read. */
const subjects = ['left', 'saving', 'battery', 'notice'] as const;
export type Subject = (typeof subjects)[number];

export class Remarks {
  readonly #sentences = new Map<Subject, string>();
  readonly #listeners = new Set<(text: string | null) => void>();

  /** Null takes the subject's sentence back. */
  say(subject: Subject, sentence: string | null): void {
    if (sentence === (this.#sentences.get(subject) ?? null)) return;
    if (sentence === null) this.#sentences.delete(subject);
    else this.#sentences.set(subject, sentence);
    for (const tell of [...this.#listeners]) tell(this.#text);
  }

  /** Told all that holds, at once and at every change; null while there is nothing. Returns the function that stops. */
  hear(listener: (text: string | null) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#text);
    return () => this.#listeners.delete(listener);
  }

  get #text(): string | null {
    const said = subjects.flatMap((subject) => this.#sentences.get(subject) ?? []);
    // The page and its worker may find the same.
    return said.length > 0 ? [...new Set(said)].join(' ') : null;
  }
}
