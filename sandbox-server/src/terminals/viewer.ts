// One viewer of one terminal: a WebSocket on one side, the attach stream of a monitor on the other. Frames pass as they
// are; what is decided here is who may say what, how much may wait, and when it is over.
import type { RawData, WebSocket } from 'ws';
import { metrics } from '../metrics/metrics.ts';
import { messageOf } from '../problem.ts';
import { attachClose } from '../protocol/addresses.ts';
import type { ByteDuplex } from '../protocol/bytes.ts';
import {
  checkFrame,
  decodeFrame,
  encodeFrame,
  FrameError,
  FrameSplitter,
  opcodes,
  prefixFrame,
  type TerminalViewer,
} from '../protocol/frames.ts';

/** Output bytes waiting for a browser at which its monitor is no longer read, and at which it is read again. Credit
 * keeps an honest browser far below; this bounds one that grants without reading. */
const HIGH_WATER = 524_288;
const LOW_WATER = 131_072;
/** The same in frames: a guest that frames every byte by itself is not to have each of them kept at the price of many. */
const MOST_FRAMES = 4_096;

/** What a browser may send. ROLE is the server's to say. */
const fromBrowser: ReadonlySet<number> = new Set([
  opcodes.attach,
  opcodes.input,
  opcodes.resize,
  opcodes.credit,
]);

/** What a monitor may send. VIEWERS is the server's to say; a guest's monitor could be its learner's own program. */
const fromMonitor: ReadonlySet<number> = new Set([
  opcodes.welcome,
  opcodes.output,
  opcodes.size,
  opcodes.exit,
  opcodes.inputCredit,
  opcodes.snapshot,
]);

export interface ViewerOptions {
  /** Who it is, and whether they may type or only watch. */
  who: Omit<TerminalViewer, 'you'>;
  /** Whether they may still be here: rights can end before a visit does. */
  mayStay(): boolean;
  /** A key was pressed, or text pasted. */
  onInput(): void;
  /** Output is on its way to the browser, for the first time. */
  onOutput(): void;
  /** The program prints: for each of its frames. */
  onStir(): void;
  /** Whether the terminal has gone back in time: what a viewer has may then be of a future that never was. */
  wentBack: boolean;
  /** Called when the stream ends without the terminal's EXIT: whether there is something to come back to. */
  isGone(): boolean;
  /** The viewer has left, whoever ended it. */
  onLeave(): void;
}

export class Viewer {
  readonly #socket: WebSocket;
  readonly #stream: ByteDuplex;
  readonly #options: ViewerOptions;
  readonly #frames = new FrameSplitter();
  #attached = false;
  #exited = false;
  #hasOutput = false;
  #streamPaused = false;
  #unsent = 0;
  /** When the first input came that no output has followed yet, performance.now(); null: there is none. */
  #typedAt: number | null = null;
  #alive = true;

  constructor(socket: WebSocket, stream: ByteDuplex, options: ViewerOptions) {
    this.#socket = socket;
    this.#stream = stream;
    this.#options = options;
    stream.write(prefixFrame(encodeFrame({ type: 'role', mayType: options.who.types })));
    socket.on('message', (data, isBinary) => this.#fromBrowser(data, isBinary));
    socket.on('pong', () => {
      this.#alive = true;
    });
    // ws closes by itself after an error (a message that is too long: 1009); without a listener it would throw.
    socket.on('error', () => {});
    socket.on('close', () => {
      stream.close('the viewer left');
      options.onLeave();
    });
    stream.open({
      data: (bytes) => this.#fromMonitor(bytes),
      drained: () => socket.resume(),
      closed: () => this.#streamEnded(),
    });
  }

  get who(): Omit<TerminalViewer, 'you'> {
    return this.#options.who;
  }

  /** Tells this viewer who has the terminal open. */
  tell(viewers: readonly TerminalViewer[]): void {
    this.#socket.send(encodeFrame({ type: 'viewers', viewers }), { binary: true });
  }

  /** Sends away whoever may not be here any more. */
  review(): void {
    if (!this.#options.mayStay()) this.close(attachClose.forbidden, 'you may not see this terminal any more');
  }

  /** Asks whether the browser is still there; a browser that did not answer the last question is cut off. */
  ping(): void {
    this.review(); // an operator who locks an account does it in another process
    if (!this.#alive) {
      this.#socket.terminate();
      return;
    }
    this.#alive = false;
    this.#socket.ping();
  }

  /** Ends the connection with a close code of protocol/addresses.ts. */
  close(code: number, reason: string): void {
    // A browser that was made to wait could not be heard when it says goodbye too, and would be waited for.
    this.#socket.resume();
    closeWith(this.#socket, code, reason);
  }

  #fromBrowser(data: RawData, isBinary: boolean): void {
    try {
      if (!isBinary) throw new FrameError('a text message: frames are binary');
      const frame = asBytes(data);
      this.#check(checkFrame(frame));
      metrics.terminal.inputBytes += frame.length;
      if (frame[0] === opcodes.input && !this.who.types) {
        this.close(attachClose.forbidden, 'you only watch this terminal: what you type is not taken');
        return;
      }
      if (frame[0] === opcodes.input) {
        this.#typedAt ??= performance.now();
        this.#options.onInput();
      }
      // A monitor that does not read is not waited for with ever more memory: the browser is.
      const passed = this.#options.wentBack ? forgetOffset(frame) : frame;
      if (!this.#stream.write(prefixFrame(passed))) this.#socket.pause();
    } catch (error) {
      this.close(attachClose.protocol, messageOf(error));
    }
  }

  #check(opcode: number): void {
    if (!fromBrowser.has(opcode)) {
      throw new FrameError(`opcode 0x${opcode.toString(16).padStart(2, '0')} is not a viewer's to send`);
    }
    if (this.#attached === (opcode === opcodes.attach)) {
      throw new FrameError(this.#attached ? 'ATTACH was sent twice' : 'the first frame has to be ATTACH');
    }
    this.#attached = true;
  }

  #fromMonitor(bytes: Uint8Array): void {
    try {
      this.#frames.push(bytes, (frame) => {
        if (!fromMonitor.has(frame[0] ?? -1)) throw new FrameError("not a monitor's to send");
        if (frame[0] === opcodes.exit) this.#exited = true;
        this.#unsent++;
        metrics.terminal.outputBytes += frame.length;
        if (frame[0] === opcodes.output) {
          this.#noteEcho();
          this.#options.onStir();
        }
        this.#socket.send(frame, { binary: true }, () => this.#sent());
        if (frame[0] === opcodes.output && !this.#hasOutput) {
          this.#hasOutput = true;
          this.#options.onOutput();
        }
      });
    } catch {
      this.#stream.close('the monitor sent what is no frame of its own');
      return;
    }
    const full = this.#socket.bufferedAmount > HIGH_WATER || this.#unsent > MOST_FRAMES;
    if (full && !this.#streamPaused) {
      this.#streamPaused = true;
      this.#stream.pause();
    }
  }

  #noteEcho(): void {
    if (this.#typedAt === null) return;
    metrics.noteEcho(performance.now() - this.#typedAt);
    this.#typedAt = null;
  }

  #sent(): void {
    this.#unsent--;
    if (!this.#streamPaused || this.#socket.bufferedAmount > LOW_WATER || this.#unsent > MOST_FRAMES / 2)
      return;
    this.#streamPaused = false;
    this.#stream.resume();
  }

  #streamEnded(): void {
    if (this.#exited) this.close(attachClose.exited, 'the program ended');
    else if (this.#options.isGone()) this.close(attachClose.gone, 'the machine is gone');
    else this.close(attachClose.lost, 'the connection to the terminal was lost');
  }
}

/** Closes with a reason, which a close frame holds at most 123 bytes of. */
export function closeWith(socket: WebSocket, code: number, reason: string): void {
  socket.close(
    code,
    Buffer.from(reason)
      .subarray(0, 120)
      .toString()
      .replace(/\ufffd+$/, ''),
  );
}

function asBytes(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}

/** ATTACH with an offset that no terminal has reached: the monitor then has the screen cleared and sends what it has. Other
 * frames are returned as they are. */
function forgetOffset(body: Uint8Array): Uint8Array {
  const frame = decodeFrame(body);
  if (frame.type !== 'attach' || frame.offset === 0) return body;
  return encodeFrame({ ...frame, offset: Number.MAX_SAFE_INTEGER });
}
