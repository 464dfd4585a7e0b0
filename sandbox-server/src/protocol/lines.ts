// Lines of the control protocol out of a byte stream.
import { ByteStore } from './bytes.ts';

/** Bytes that a line of the control protocol may have. */
export const LINE_MAX = 1_048_576;

/** Cuts a byte stream into lines of UTF-8. */
export class LineSplitter {
  readonly #most: number;
  readonly #line = new ByteStore();

  /** `most`: bytes that a line may have. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Calls `each` with every line that `chunk` completes. Throws when a line is longer than allowed. */
  push(chunk: Uint8Array, each: (line: string) => void): void {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      this.#keep(chunk.subarray(start, end));
      const line = new TextDecoder().decode(this.#line.take());
      start = end + 1;
      each(line);
    }
    this.#keep(chunk.subarray(start));
  }

  #keep(piece: Uint8Array): void {
    if (piece.length === 0) return;
    if (this.#line.length + piece.length > this.#most)
      throw new RangeError(`a line of more than ${this.#most} bytes`);
    this.#line.append(piece);
  }
}
