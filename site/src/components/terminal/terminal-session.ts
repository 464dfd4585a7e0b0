// One terminal, as its viewer sees it: the attach protocol over a WebSocket that may break and come back
// (docs/protocol.md, "Attach protocol"). It knows no DOM and no emulator; Terminal.svelte is a thin view over it.
import { attachClose } from '@bulkhead/sandbox-server/protocol/addresses';
import {
  ATTACH_VERSION,
  decodeFrame,
  encodeFrame,
  type Frame,
  INPUT_MAX,
  RING_BYTES,
  type TerminalViewer,
} from '@bulkhead/sandbox-server/protocol/frames';
import { say } from './words.ts';

/** Where output goes: an emulator. */
export interface TerminalSink {
  /** Draws bytes; `drawn` is called when they have been parsed. Calls are drawn in order. */
  write(bytes: Uint8Array, drawn: () => void): void;
  /** Forgets everything drawn so far: what follows does not continue it. */
  reset(): void;
  /** The size in force, which may be smaller than the one this viewer wished for. */
  resize(columns: number, rows: number): void;
}

/** The part of WebSocket that is used, so that Node's tests may bring another. */
export interface SocketLike {
  binaryType: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  send(bytes: Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
}

export interface TerminalSessionOptions {
  /** ws: or wss: address of the attach endpoint. */
  url: string;
  connect?: (url: string) => SocketLike;
  /** Milliseconds before the nth attempt to come back (from 0). */
  delay?: (attempt: number) => number;
}

export type TerminalState =
  | { phase: 'connecting' }
  | {
      phase: 'open';
      columns: number;
      rows: number /** Who has it open, this viewer among them; none until the server has said. */;
      company: readonly TerminalViewer[];
    }
  | {
      phase: 'waiting';
      attempt: number /** Unix time of the next attempt. */;
      retryAt: number;
      reason: string;
    }
  | { phase: 'exited'; by: 'exited' | 'killed'; status: number }
  | { phase: 'gone'; reason: string };

/** Drawn bytes are granted again in steps of this many: few frames, and never so late that the monitor runs dry. */
const CREDIT_STEP = RING_BYTES / 8;
/** Typed while the connection is away: kept to be sent later, up to this much. */
const TYPE_AHEAD_MAX = 65_536;

export class TerminalSession {
  readonly #options: Required<TerminalSessionOptions>;
  readonly #sink: TerminalSink;
  readonly #listeners = new Set<(state: TerminalState) => void>();
  #state: TerminalState = { phase: 'connecting' };
  #company: readonly TerminalViewer[] = [];
  #socket: SocketLike | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #attempt = 0;
  #welcomed = false;
  #wish = { columns: 0, rows: 0 };
  /** The wish that the monitor has been told. */
  #told = this.#wish;
  /** Offset of the next byte to come: everything before it has been given to the sink. */
  #received = 0;
  /** Offset up to which the sink has parsed. */
  #drawn = 0;
  /** Bytes before this offset were printed before this viewer attached. */
  #live = 0;
  #owed = 0;
  #typed: Uint8Array[] = [];
  #typedBytes = 0;
  #inputCredit = 0;
  #firstOutputAt: number | null = null;
  /** Counts connections and resets, so that a late callback of an earlier one changes nothing. */
  #life = 0;

  constructor(sink: TerminalSink, options: TerminalSessionOptions) {
    this.#sink = sink;
    this.#options = {
      connect: (url) => new WebSocket(url) as SocketLike,
      delay: (attempt) => Math.min(8_000, 250 * 2 ** attempt),
      ...options,
    };
  }

  get state(): TerminalState {
    return this.#state;
  }

  /** What is being drawn was printed in the past: terminal queries found in it must not be answered. */
  get replaying(): boolean {
    return this.#drawn < this.#live;
  }

  /** performance.now() when the first byte arrived; null until then. */
  get firstOutputAt(): number | null {
    return this.#firstOutputAt;
  }

  /** Svelte's store contract: called at once and at every change. */
  subscribe(listener: (state: TerminalState) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#state);
    return () => this.#listeners.delete(listener);
  }

  /** Connects, or comes back now instead of when the timer says. */
  open(): void {
    if (this.#socket || this.#state.phase === 'exited' || this.#state.phase === 'gone') return;
    clearTimeout(this.#timer);
    this.#welcomed = false;
    const socket = this.#options.connect(this.#options.url);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    socket.onopen = () => {
      this.#told = this.#wish;
      this.#send({
        type: 'attach',
        version: ATTACH_VERSION,
        offset: this.#received,
        // What was granted and not used died with the old connection; what the sink still holds is not free yet.
        credit: Math.max(CREDIT_STEP, RING_BYTES - (this.#received - this.#drawn)),
        ...this.#wish,
      });
    };
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket && data instanceof ArrayBuffer) this.#receive(new Uint8Array(data));
    };
    socket.onclose = ({ code, reason }) => {
      if (socket === this.#socket) this.#closed(code, reason);
    };
  }

  /** Whether this viewer only watches. */
  get watching(): boolean {
    return this.#company.some(({ you, types }) => you && !types);
  }

  /** Sends bytes to the program, as its input credit allows, in order. What is typed by who only watches goes nowhere. */
  type(bytes: Uint8Array): void {
    if (this.watching) return;
    if (this.#state.phase === 'exited' || this.#state.phase === 'gone') return;
    if (this.#state.phase !== 'open' && this.#typedBytes + bytes.length > TYPE_AHEAD_MAX) return;
    this.#typed.push(bytes);
    this.#typedBytes += bytes.length;
    this.#flush();
  }

  /** The size that this viewer would like; the size in force comes back through the sink. */
  resize(columns: number, rows: number): void {
    if (columns === this.#wish.columns && rows === this.#wish.rows) return;
    this.#wish = { columns, rows };
    this.#tell();
  }

  /** Leaves the terminal; the program in it goes on. */
  dispose(): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    this.#life++;
    socket?.close(1000);
    this.#listeners.clear();
  }

  /** A wish that came between ATTACH and WELCOME is told after it. */
  #tell(): void {
    if (this.#told === this.#wish || !this.#welcomed) return;
    this.#told = this.#wish;
    this.#send({ type: 'resize', ...this.#wish });
  }

  #receive(message: Uint8Array): void {
    const frame = decodeFrame(message);
    switch (frame.type) {
      case 'welcome':
        this.#welcome(frame);
        return;
      case 'snapshot':
        // What was on the screen before the first byte that follows; not output, so neither counted nor granted again.
        this.#sink.write(frame.bytes, () => {});
        return;
      case 'output':
        this.#output(frame.offset, frame.bytes);
        return;
      case 'size':
        this.#opened(frame);
        return;
      case 'viewers':
        this.#company = frame.viewers;
        if (this.#state.phase === 'open') this.#become({ ...this.#state, company: frame.viewers });
        return;
      case 'inputCredit':
        this.#inputCredit += frame.bytes;
        this.#flush();
        return;
      case 'exit':
        this.#become({ phase: 'exited', by: frame.by, status: frame.status });
        return;
      default:
        return; // a viewer's own frames never come back
    }
  }

  #welcome(frame: Extract<Frame, { type: 'welcome' }>): void {
    if (frame.lost) {
      this.#life++;
      this.#sink.reset();
      this.#drawn = frame.start;
    }
    this.#received = frame.start;
    this.#live = frame.live;
    this.#attempt = 0;
    // A second WELCOME on one connection (this viewer fell behind the ring) adds to what may be typed.
    this.#inputCredit = frame.inputCredit + (this.#welcomed ? this.#inputCredit : 0);
    this.#welcomed = true;
    this.#tell();
    this.#opened(frame);
    this.#flush();
  }

  /** The size in force. */
  #opened({ columns, rows }: { columns: number; rows: number }): void {
    this.#sink.resize(columns, rows);
    this.#become({ phase: 'open', columns, rows, company: this.#company });
  }

  /** Gives output to the sink, cut where the replay ends, so that no write is half past and half present. */
  #output(offset: number, bytes: Uint8Array): void {
    this.#firstOutputAt ??= performance.now();
    const fresh = bytes.subarray(Math.max(0, this.#received - offset));
    this.#received = offset + bytes.length;
    const past = Math.max(0, Math.min(fresh.length, this.#live - (this.#received - fresh.length)));
    for (const piece of [fresh.subarray(0, past), fresh.subarray(past)]) {
      if (piece.length > 0) this.#draw(piece);
    }
  }

  #draw(piece: Uint8Array): void {
    const life = this.#life;
    this.#sink.write(piece, () => {
      if (life !== this.#life) return;
      this.#drawn += piece.length;
      this.#owed += piece.length;
      // Everything drawn is the end of a burst: grant it all, so that a viewer that reads always counts as keeping up.
      if (this.#owed < CREDIT_STEP && this.#drawn < this.#received) return;
      if (this.#send({ type: 'credit', bytes: this.#owed })) this.#owed = 0;
    });
  }

  #flush(): void {
    while (this.#welcomed && this.#inputCredit > 0) {
      const next = this.#typed.shift();
      if (!next) return;
      const now = next.subarray(0, Math.min(this.#inputCredit, INPUT_MAX));
      if (now.length < next.length) this.#typed.unshift(next.subarray(now.length));
      this.#typedBytes -= now.length;
      this.#inputCredit -= now.length;
      this.#send({ type: 'input', bytes: now });
    }
  }

  #send(frame: Frame): boolean {
    if (!this.#socket || (frame.type !== 'attach' && !this.#welcomed)) return false;
    this.#socket.send(encodeFrame(frame) as Uint8Array<ArrayBuffer>);
    return true;
  }

  #closed(code: number, reason: string): void {
    this.#socket = null;
    this.#welcomed = false;
    this.#owed = 0;
    if (this.#state.phase === 'exited') return;
    const final: readonly number[] = [
      attachClose.exited,
      attachClose.gone,
      attachClose.protocol,
      attachClose.forbidden,
      attachClose.tooMany,
    ];
    if (final.includes(code)) {
      this.#become({ phase: 'gone', reason: reason || say('terminal.gone') });
      return;
    }
    const attempt = this.#attempt++;
    const wait = this.#options.delay(attempt);
    this.#become({
      phase: 'waiting',
      attempt,
      retryAt: Date.now() + wait,
      reason: reason || say('terminal.broke'),
    });
    this.#timer = setTimeout(() => this.open(), wait);
  }

  #become(state: TerminalState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }
}
