// A terminal's attach stream as the socket that TerminalSession expects: one frame a message.

import { attachClose } from '@bulkhead/sandbox-server/protocol/addresses';
import type { ByteDuplex } from '@bulkhead/sandbox-server/protocol/bytes';
import { encodeFrame, FrameSplitter, prefixFrame } from '@bulkhead/sandbox-server/protocol/frames';
import type { SocketLike } from '../components/terminal/terminal-session.ts';

export class AttachSocket implements SocketLike {
  binaryType = 'arraybuffer';
  onopen: SocketLike['onopen'] = null;
  onmessage: SocketLike['onmessage'] = null;
  onclose: SocketLike['onclose'] = null;
  #stream: ByteDuplex | null = null;
  #closed = false;

  /** `attach` opens the stream. */
  constructor(attach: () => Promise<ByteDuplex>) {
    attach().then(
      (stream) => this.#open(stream),
      (error: Error) => this.#end(attachClose.gone, error.message),
    );
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    this.#stream?.write(prefixFrame(bytes));
  }

  close(): void {
    this.#closed = true;
    this.#stream?.close('the viewer leaves');
  }

  #open(stream: ByteDuplex): void {
    if (this.#closed) {
      stream.close('the viewer leaves');
      return;
    }
    this.#stream = stream;
    const frames = new FrameSplitter();
    stream.open({
      data: (bytes) => frames.push(bytes, (frame) => this.onmessage?.({ data: frame.slice().buffer })),
      closed: (reason) => this.#end(attachClose.lost, reason),
    });
    // Said by the server where there is one: whose tab it is may type.
    stream.write(prefixFrame(encodeFrame({ type: 'role', mayType: true })));
    this.onopen?.(undefined as never);
  }

  #end(code: number, reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.onclose?.({ code, reason });
  }
}
