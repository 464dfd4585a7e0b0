// A read-only disk that is fetched in pieces as the guest reads them. v86 asks it for sectors of its IDE drive.

/** Gives one piece; rejects when it cannot be had. */
export type FetchPiece = (index: number) => Promise<Uint8Array>;

/** Pieces in memory at once: what a guest reads twice it has in its own page cache. */
const KEPT = 16;

export class PieceDisk {
  readonly byteLength: number;
  /** Set by v86. */
  onload: ((event: object) => void) | undefined;
  readonly #pieceBytes: number;
  readonly #fetch: FetchPiece;
  readonly #kept = new Map<number, Promise<Uint8Array>>();
  #waiting = 0;

  /** `byteLength`: of the whole disk; `pieceBytes`: of every piece but the last. */
  constructor(byteLength: number, pieceBytes: number, fetch: FetchPiece) {
    this.byteLength = byteLength;
    this.#pieceBytes = pieceBytes;
    this.#fetch = fetch;
  }

  /** How many reads have not been answered. */
  get waiting(): number {
    return this.#waiting;
  }

  load(): void {
    this.onload?.({});
  }

  get(start: number, length: number, done: (bytes: Uint8Array) => void): void {
    this.#waiting++;
    this.#read(start, length)
      .then(done)
      // Without an answer the guest's driver tries again, and in the end its reader gets an error (EIO).
      .catch(() => {})
      .finally(() => {
        this.#waiting--;
      });
  }

  get_and_cache(start: number, length: number, done: (bytes: Uint8Array) => void): void {
    this.get(start, length, done);
  }

  /** v86 looks here for a partition table, and there is none. */
  get_from_cache(): undefined {
    return undefined;
  }

  /** The guest mounts it read-only; what it writes all the same is lost. */
  set(_start: number, _bytes: Uint8Array, done: () => void): void {
    done();
  }

  get_state(): [] {
    return [];
  }

  set_state(): void {}

  async #read(start: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    const first = Math.floor(start / this.#pieceBytes);
    const last = Math.floor((start + length - 1) / this.#pieceBytes);
    const indexes = Array.from({ length: last - first + 1 }, (_, at) => first + at);
    const pieces = await Promise.all(indexes.map((index) => this.#piece(index)));
    for (const [at, piece] of pieces.entries()) {
      const begin = (first + at) * this.#pieceBytes;
      const from = Math.max(start - begin, 0);
      const to = Math.min(start + length - begin, piece.length);
      if (from < to) bytes.set(piece.subarray(from, to), begin + from - start);
    }
    return bytes;
  }

  #piece(index: number): Promise<Uint8Array> {
    const known = this.#kept.get(index);
    this.#kept.delete(index);
    const piece = known ?? this.#fetch(index);
    this.#kept.set(index, piece);
    piece.catch(() => this.#kept.get(index) === piece && this.#kept.delete(index));
    const oldest = this.#kept.keys().next();
    if (this.#kept.size > KEPT && !oldest.done) this.#kept.delete(oldest.value);
    return piece;
  }
}
