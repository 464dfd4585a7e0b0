// One port of v86's virtio console as a byte stream: the guest's end is /dev/vport0p1, named as QEMU names it.
import type { ByteDuplex, ByteHandlers } from '@bulkhead/sandbox-server/protocol/bytes';

/** The device in v86: what of it is used. */
export interface VirtioConsole {
  SendEvent(port: number, event: number, value: number): void;
  SendName(port: number, name: string): void;
  virtio: { queues: { has_request(): boolean; is_configured(): boolean }[] };
}

interface EventBus {
  add_listener(event: string, listener: (bytes: never) => void): void;
  bus: { send(event: string, value: unknown): void };
}

/** The first port is what Linux makes its console of. */
const PORT = 1;
/** Its queue of the guest's empty buffers (virtio 1.2, 5.3.2: two queues for each port, two for control). */
const RECEIVE_QUEUE = 4;
const PORT_NAME = 'org.bulkhead.link';
/** virtio 1.2, 5.3.6.2 */
const CONSOLE_PORT = 4;
/** Linux's buffers are a page; v86 cuts off what does not fit into one, and drops what finds none. */
const BUFFER = 4_096;
/** A guest that has no empty buffer is looked at again after so many milliseconds: v86 tells nobody when it has. */
const LOOK_AGAIN_MS = 2;
const MUCH = 1_048_576;

export class ConsolePort implements ByteDuplex {
  readonly #console: VirtioConsole;
  readonly #bus: EventBus;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #held: Uint8Array[] = [];
  #paused = false;
  #handlers: ByteHandlers | null = null;
  #look: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(console: VirtioConsole, bus: EventBus) {
    this.#console = console;
    this.#bus = bus;
    const sendEvent = console.SendEvent.bind(console);
    const sendName = console.SendName.bind(console);
    // v86 makes a terminal (hvc1) of every port; ours is to carry bytes as they are.
    console.SendEvent = (port, event, value) => {
      if (port !== PORT || event !== CONSOLE_PORT) sendEvent(port, event, value);
    };
    console.SendName = (port, name) => sendName(port, port === PORT ? PORT_NAME : name);
    bus.add_listener(`virtio-console${PORT}-output-bytes`, (bytes: Uint8Array) => this.#receive(bytes));
  }

  /** Another conversation takes the port over: whoever had it is told that it is closed. */
  open(handlers: ByteHandlers): void {
    this.#handlers?.closed('another conversation begins');
    this.#handlers = handlers;
    this.#closed = false;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#held = [];
    this.#paused = false;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed) return true;
    for (let at = 0; at < bytes.length; at += BUFFER) this.#waiting.push(bytes.slice(at, at + BUFFER));
    this.#waitingBytes += bytes.length;
    this.#feed();
    return this.#waitingBytes < MUCH;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    while (!this.#paused) {
      const bytes = this.#held.shift();
      if (!bytes) return;
      this.#handlers?.data(bytes);
    }
  }

  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#look);
    this.#look = undefined;
    const handlers = this.#handlers;
    this.#handlers = null;
    handlers?.closed(reason);
  }

  #receive(bytes: Uint8Array): void {
    if (this.#paused || this.#held.length > 0) this.#held.push(bytes);
    else this.#handlers?.data(bytes);
  }

  /** As many pieces as the guest has empty buffers. */
  #feed(): void {
    const queue = this.#console.virtio.queues[RECEIVE_QUEUE];
    const before = this.#waitingBytes;
    while (queue?.is_configured() && queue.has_request()) {
      const piece = this.#waiting.shift();
      if (!piece) break;
      this.#waitingBytes -= piece.length;
      this.#bus.bus.send(`virtio-console${PORT}-input-bytes`, piece);
    }
    if (this.#waitingBytes === 0) {
      if (before >= MUCH) this.#handlers?.drained?.();
      return;
    }
    this.#look ??= setTimeout(() => {
      this.#look = undefined;
      this.#feed();
    }, LOOK_AGAIN_MS);
  }
}
