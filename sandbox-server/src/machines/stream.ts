// A dialled connection as a Node stream: the frames of docs/protocol.md, "Streams", with credit both ways, so that whoever
// reads slowly holds up nobody but the program at the other end.
import { Duplex } from 'node:stream';
import type { ByteDuplex } from '../protocol/bytes.ts';
import { decodeFrame, encodeFrame, type Frame, FrameSplitter, prefixFrame } from '../protocol/frames.ts';

/** Bytes that either side may send before it has been granted more. */
export const STREAM_WINDOW = 262_144;
/** INPUT bytes in one frame: small enough that others' frames come in between on a link. */
const PIECE = 16_384;
/** Credit is given back in pieces of this size. */
const GRANT = STREAM_WINDOW / 4;
/** What Linux says when a connection breaks, by its number (errno(3)). */
const reasons: Record<number, string | undefined> = {
  32: 'EPIPE',
  104: 'ECONNRESET',
  110: 'ETIMEDOUT',
};

export class DialledStream extends Duplex {
  readonly #stream: ByteDuplex;
  readonly #frames = new FrameSplitter();
  /** OUTPUT bytes that the peer may still send. */
  #granted = STREAM_WINDOW;
  /** OUTPUT bytes that were read here and not granted again. */
  #owed = 0;
  /** INPUT bytes that may be sent. */
  #credit = STREAM_WINDOW;
  #waiting: { bytes: Uint8Array; done: () => void } | null = null;
  /** Pieces that nobody has asked for yet; their bytes count against the window until they are. */
  #unread: Uint8Array[] = [];
  #wanted = false;
  #exited = false;
  /** The stream below has taken enough for now. */
  #held = false;

  constructor(stream: ByteDuplex) {
    super({ allowHalfOpen: false });
    this.#stream = stream;
    stream.open({
      data: (bytes) => this.#receive(bytes),
      drained: () => {
        this.#held = false;
        this.#send();
      },
      closed: (reason) => {
        if (!this.#exited) this.destroy(new Error(reason));
      },
    });
  }

  // What node:http asks of a connection: it is neither a socket nor to keep a process alive.
  setKeepAlive(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setTimeout(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }

  /** Closes it once everything written has been handed on. */
  destroySoon(): void {
    this.end(() => this.destroy());
  }

  override _read(): void {
    this.#wanted = true;
    this.#deliver();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#waiting = { bytes, done };
    this.#send();
  }

  /** A connection is closed as a whole: programs that wait for half an end are rare, and HTTP has none. */
  override _final(done: (error?: Error | null) => void): void {
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#unread = [];
    this.#stream.close(error?.message ?? 'it is not needed any more');
    done(error);
  }

  #receive(chunk: Uint8Array): void {
    try {
      this.#frames.push(chunk, (bytes) => this.#take(decodeFrame(bytes)));
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #take(frame: Frame): void {
    if (this.destroyed || this.#exited) return;
    switch (frame.type) {
      case 'output':
        this.#granted -= frame.bytes.length;
        if (this.#granted < 0) throw new Error('the machine sent more than it was granted');
        this.#unread.push(frame.bytes);
        break;
      case 'inputCredit':
        this.#credit += frame.bytes;
        if (this.#credit > STREAM_WINDOW) throw new Error('the machine granted more than the window has');
        this.#send();
        return;
      case 'exit':
        this.#exited = true;
        if (frame.status !== 0) throw new BrokenConnection(frame.status);
        this.#send();
        break;
      default:
        throw new Error(`a frame that has no place in a stream: ${frame.type}`);
    }
    this.#deliver();
  }

  #deliver(): void {
    while (this.#wanted) {
      const bytes = this.#unread.shift();
      if (!bytes) break;
      this.#grant(bytes.length);
      if (bytes.length > 0) this.#wanted = this.push(bytes);
    }
    if (this.#exited && this.#unread.length === 0) this.push(null);
  }

  #grant(bytes: number): void {
    this.#owed += bytes;
    if (this.#owed < GRANT || this.#exited) return;
    this.#granted += this.#owed;
    this.#write({ type: 'credit', bytes: this.#owed });
    this.#owed = 0;
  }

  #send(): void {
    while (this.#waiting && (this.#exited || (this.#credit > 0 && !this.#held))) {
      const { bytes, done } = this.#waiting;
      // Nobody reads it any more; what the machine has said all the same is still the reader's.
      if (this.#exited) {
        this.#waiting = null;
        done();
        return;
      }
      const piece = bytes.subarray(0, Math.min(PIECE, this.#credit));
      this.#credit -= piece.length;
      this.#write({ type: 'input', bytes: piece });
      if (piece.length < bytes.length) {
        this.#waiting.bytes = bytes.subarray(piece.length);
        continue;
      }
      this.#waiting = null;
      done();
    }
  }

  #write(frame: Frame): void {
    if (!this.#stream.write(prefixFrame(encodeFrame(frame)))) this.#held = true;
  }
}

/** The connection inside the machine broke. */
class BrokenConnection extends Error {
  readonly code: string;

  constructor(errno: number) {
    const code = reasons[errno] ?? `errno ${errno}`;
    super(`the connection in the machine broke: ${code}`);
    this.code = code;
  }
}
