// A terminal's attach stream as the socket that TerminalSession expects: one frame a message.
import { BrokerError } from '@bulkhead/sandbox-server/broker/client';
import { attachClose } from '@bulkhead/sandbox-server/protocol/addresses';
import type { ByteDuplex } from '@bulkhead/sandbox-server/protocol/bytes';
import { encodeFrame, FrameSplitter, opcodes, prefixFrame } from '@bulkhead/sandbox-server/protocol/frames';
import type { SocketLike } from '../components/terminal/terminal-session.ts';

/** An attach stream, and who wants to know of it. */
export interface Attached {
  stream: ByteDuplex;
  /** Something is typed. */
  touched?: () => void;
  /** Something is printed. */
  spoke?: () => void;
  /** The viewer has left. */
  leave?: () => void;
}

export class AttachSocket implements SocketLike {
  binaryType = 'arraybuffer';
  onopen: SocketLike['onopen'] = null;
  onmessage: SocketLike['onmessage'] = null;
  onclose: SocketLike['onclose'] = null;
  #attached: Attached | null = null;
  #closed = false;

  /** `attach` opens the stream. */
  constructor(attach: () => Promise<Attached>) {
    attach().then(
      (attached) => this.#open(attached),
      (error: Error) => {
        // A machine that begins, or goes on, answers soon.
        const passing = error instanceof BrokerError && error.code === 'unavailable';
        this.#end(passing ? attachClose.lost : attachClose.gone, error.message);
      },
    );
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    if (bytes[0] === opcodes.input) this.#attached?.touched?.();
    this.#attached?.stream.write(prefixFrame(bytes));
  }

  close(): void {
    this.#closed = true;
    this.#attached?.stream.close('the viewer leaves');
    this.#left();
  }

  #open(attached: Attached): void {
    this.#attached = attached;
    const { stream, spoke } = attached;
    if (this.#closed) {
      stream.close('the viewer leaves');
      this.#left();
      return;
    }
    const frames = new FrameSplitter();
    stream.open({
      data: (bytes) =>
        frames.push(bytes, (frame) => {
          if (frame[0] === opcodes.output) spoke?.();
          this.onmessage?.({ data: frame.slice().buffer });
        }),
      closed: (reason) => this.#end(attachClose.lost, reason),
    });
    // Said by the server where there is one: whose tab it is may type.
    stream.write(prefixFrame(encodeFrame({ type: 'role', mayType: true })));
    this.onopen?.(undefined as never);
  }

  #end(code: number, reason: string): void {
    this.#left();
    if (this.#closed) return;
    this.#closed = true;
    this.onclose?.({ code, reason });
  }

  #left(): void {
    this.#attached?.leave?.();
    if (this.#attached) this.#attached = { stream: this.#attached.stream };
  }
}
