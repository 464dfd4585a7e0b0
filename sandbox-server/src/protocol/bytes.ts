// The one stream interface of the protocol: bytes to and from a peer, over a socket, a serial port or a channel of the
// link. It knows neither Node nor the DOM, so the same code runs in the server and in a page.

/** What a stream tells its owner. */
export interface ByteHandlers {
  /** Bytes from the peer, in order. The array is the receiver's to keep. */
  data(bytes: Uint8Array): void;
  /** The peer has taken enough of what was written: writing may go on after a `false` from `write`. */
  drained?(): void;
  /** The stream is over; called once, and nothing after it. `reason` is one sentence for a person. */
  closed(reason: string): void;
}

/** Bytes both ways. Nothing is delivered before `open`. */
export interface ByteDuplex {
  /** Starts delivery; called once. */
  open(handlers: ByteHandlers): void;
  /** Queues bytes for the peer. `false`: a good deal is waiting, hold back until `drained`. */
  write(bytes: Uint8Array): boolean;
  /** Stops `data` until `resume`, and with it, where the stream can, the peer. */
  pause(): void;
  resume(): void;
  /** Ends the stream; `closed` is still called, with this reason. */
  close(reason: string): void;
}

/** Joins pieces into one array. */
export function concatBytes(pieces: readonly Uint8Array[]): Uint8Array {
  const only = pieces.length === 1 ? pieces[0] : undefined;
  if (only) return only;
  const joined = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}

/** Bytes that come in pieces of any size, kept in one array: a piece of one byte costs one byte. */
export class ByteStore {
  #bytes = new Uint8Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(piece: Uint8Array): void {
    const wanted = this.#length + piece.length;
    if (wanted > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(wanted, 2 * this.#bytes.length, 256));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(piece, this.#length);
    this.#length = wanted;
  }

  /** Gives everything up; the array is the caller's. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#length);
    this.clear();
    return taken;
  }

  clear(): void {
    this.#bytes = new Uint8Array(0);
    this.#length = 0;
  }
}

/** The same stream; `over` is called once, by whichever end closes it. */
export function untilClosed(stream: ByteDuplex, over: () => void): ByteDuplex {
  let open = true;
  const end = () => {
    if (open) over();
    open = false;
  };
  return {
    open: (handlers) =>
      stream.open({
        ...handlers,
        closed: (reason) => {
          end();
          handlers.closed(reason);
        },
      }),
    write: (bytes) => stream.write(bytes),
    pause: () => stream.pause(),
    resume: () => stream.resume(),
    close: (reason) => {
      end();
      stream.close(reason);
    },
  };
}
