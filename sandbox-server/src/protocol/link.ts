// The link: one byte stream that may begin anywhere carries the control protocol and many attach streams
// (docs/protocol.md, "Link"). This is the host's end, over any stream: a VM's serial port, a tab's virtio console.
import { type ByteDuplex, type ByteHandlers, ByteStore, concatBytes } from './bytes.ts';
import { LINE_MAX, LineSplitter } from './lines.ts';

/** Payload bytes that a packet may have. */
export const PAYLOAD_MAX = 16_384;
export const LINK_VERSION = 1;
/** How often an unanswered hello is said again, in milliseconds. */
export const HELLO_INTERVAL_MS = 250;
/** Bytes kept for a paused channel. A viewer grants 256 KiB of credit; one that granted four times that and does not
 * read is disconnected, because the link has no flow control of its own. */
export const CHANNEL_BUFFER_MAX = 4 * 262_144;
/** Bytes of a paused channel that are handed on at once when it goes on. */
const HELD_TOGETHER = 65_536;
/** Bytes that may wait for a guest that does not read. Attach credit and the time limits of requests keep an honest
 * conversation far below. */
export const BACKLOG_MAX = 4 * 1_048_576;

const HEADER = 8;
const CONTROL = 0;
const LINK = 1;
const FIRST_ATTACH = 2;
/** Channels that may carry bytes before anybody here has asked for them. */
const EARLY_MAX = 4;
/** The longest encoding of a packet: COBS adds a byte to every 254. */
const ENCODED_MAX = HEADER + PAYLOAD_MAX + Math.ceil((HEADER + PAYLOAD_MAX) / 254) + 1;

/** Consistent overhead byte stuffing: the same bytes without a zero (Cheshire and Baker, 1999). */
export function cobsEncode(bytes: Uint8Array): Uint8Array {
  const encoded = new Uint8Array(bytes.length + Math.floor(bytes.length / 254) + 1);
  let code = 0; // where the current group's length byte goes
  let at = 1;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] ?? 0;
    if (byte !== 0) encoded[at++] = byte;
    const full = at - code === 255;
    if (byte === 0 || (full && index + 1 < bytes.length)) {
      encoded[code] = at - code;
      code = at++;
    }
  }
  encoded[code] = at - code;
  return encoded.subarray(0, at);
}

/** The bytes that were encoded, or null where `encoded` is no COBS encoding. */
export function cobsDecode(encoded: Uint8Array): Uint8Array | null {
  const bytes = new Uint8Array(encoded.length);
  let filled = 0;
  let at = 0;
  while (at < encoded.length) {
    const code = encoded[at] ?? 0;
    const end = at + code;
    if (code === 0 || end > encoded.length) return null;
    for (at++; at < end; at++) {
      const byte = encoded[at] ?? 0;
      if (byte === 0) return null;
      bytes[filled++] = byte;
    }
    if (code < 255 && at < encoded.length) bytes[filled++] = 0;
  }
  return encoded.length === 0 ? null : bytes.subarray(0, filled);
}

/** A packet as it goes on the wire, its ending zero included. */
export function encodePacket(channel: number, payload: Uint8Array): Uint8Array {
  if (payload.length > PAYLOAD_MAX)
    throw new RangeError(`a payload of ${payload.length}: at most ${PAYLOAD_MAX}`);
  const content = new Uint8Array(HEADER + payload.length);
  const view = new DataView(content.buffer);
  view.setUint32(0, channel);
  view.setUint32(4, payload.length);
  content.set(payload, HEADER);
  return concatBytes([cobsEncode(content), Uint8Array.of(0)]);
}

export interface Packet {
  channel: number;
  payload: Uint8Array;
}

/** Finds packets in a byte stream; what is no packet is dropped without a word, as the protocol says. */
export class PacketSplitter {
  /** One for all packets: a guest that sends tiny ones is not to make an array of each. */
  readonly #encoded = new Uint8Array(ENCODED_MAX);
  #length = 0;

  push(chunk: Uint8Array): Packet[] {
    const packets: Packet[] = [];
    let start = 0;
    while (start < chunk.length) {
      // A zero after a zero ends nothing, and a guest can send them by the million.
      if (chunk[start] === 0 && this.#length === 0) {
        start++;
        continue;
      }
      const end = chunk.indexOf(0, start);
      this.#keep(chunk.subarray(start, end === -1 ? chunk.length : end));
      if (end === -1) break;
      const packet = this.#take();
      if (packet) packets.push(packet);
      start = end + 1;
    }
    return packets;
  }

  /** Too much without a zero is no packet: only its length is remembered, so that it is dropped at the next zero. */
  #keep(piece: Uint8Array): void {
    if (this.#length + piece.length <= ENCODED_MAX) this.#encoded.set(piece, this.#length);
    this.#length += piece.length;
  }

  #take(): Packet | null {
    const length = this.#length;
    this.#length = 0;
    const content =
      length > HEADER && length <= ENCODED_MAX ? cobsDecode(this.#encoded.subarray(0, length)) : null;
    if (!content || content.length < HEADER) return null;
    const view = new DataView(content.buffer, content.byteOffset, content.length);
    const payload = content.subarray(HEADER);
    if (view.getUint32(4) !== payload.length || payload.length > PAYLOAD_MAX) return null;
    return { channel: view.getUint32(0), payload };
  }
}

export interface LinkHandlers {
  /** The guest answered our hello: lines and channels may be used from now on. */
  greeted(): void;
  /** One line of the control protocol, without its newline. */
  line(line: string): void;
  /** The stream under the link is over; every channel has been told. */
  closed(reason: string): void;
}

/** The host's end of a link: says hello until it is answered, then carries control lines and attach channels. */
export class LinkConnection {
  readonly #stream: ByteDuplex;
  readonly #handlers: LinkHandlers;
  readonly #nonce: string;
  readonly #packets = new PacketSplitter();
  readonly #channels = new Map<number, LinkChannel>();
  readonly #early = new Map<number, LinkChannel>();
  #lines = new LineSplitter(LINE_MAX);
  #nextChannel = FIRST_ATTACH;
  #hello: ReturnType<typeof setInterval> | undefined;
  #state: 'greeting' | 'open' | 'closed' = 'greeting';
  /** Bytes written since the stream last said that too many wait; 0 while it takes what is written. */
  #behind = 0;

  /** `nonce`: 16 or more random characters, new for each connection. */
  constructor(stream: ByteDuplex, nonce: string, handlers: LinkHandlers) {
    this.#stream = stream;
    this.#nonce = nonce;
    this.#handlers = handlers;
    stream.open({
      data: (bytes) => this.#receive(bytes),
      drained: () => {
        this.#behind = 0;
        for (const channel of this.#channels.values()) channel.drained();
      },
      closed: (reason) => this.#end(reason),
    });
    if (this.#state === 'closed') return;
    // A half-written packet of an earlier life ends at this zero.
    stream.write(Uint8Array.of(0));
    const greet = () => {
      if (this.#behind === 0) this.#sendJson({ hello: nonce, version: LINK_VERSION });
    };
    greet();
    this.#hello = setInterval(greet, HELLO_INTERVAL_MS);
  }

  get state(): 'greeting' | 'open' | 'closed' {
    return this.#state;
  }

  /** Sends one line of the control protocol (without its newline). */
  sendLine(line: string): void {
    this.#mustBeOpen();
    this.#send(CONTROL, new TextEncoder().encode(`${line}\n`));
  }

  /** The attach stream that the guest numbered `channel` in its answer to `channel.open`. What arrived before this
   * call has been kept. */
  channel(channel: number): ByteDuplex {
    this.#mustBeOpen();
    const early = this.#early.get(channel);
    if (!early && channel < this.#nextChannel) throw new Error(`the guest gave channel ${channel} twice`);
    this.#early.delete(channel);
    const claimed = early ?? this.#make(channel);
    if (!claimed.finished) this.#channels.set(channel, claimed);
    return claimed;
  }

  close(reason: string): void {
    this.#stream.close(reason);
  }

  #mustBeOpen(): void {
    if (this.#state !== 'open') throw new Error(`the link is ${this.#state}: nothing may be sent on it`);
  }

  #receive(bytes: Uint8Array): void {
    for (const packet of this.#packets.push(bytes)) {
      if (this.#state === 'closed') return;
      if (packet.channel === LINK) this.#receiveLink(packet.payload);
      // Before our own nonce came back everything else is of an earlier conversation.
      else if (this.#state === 'greeting') continue;
      else if (packet.channel === CONTROL) this.#receiveControl(packet.payload);
      else this.#receiveAttach(packet);
    }
  }

  #receiveControl(payload: Uint8Array): void {
    try {
      this.#lines.push(payload, (line) => this.#handlers.line(line));
    } catch (error) {
      this.close(error instanceof Error ? error.message : String(error));
    }
  }

  #receiveLink(payload: Uint8Array): void {
    const message = parseObject(payload);
    if (!message) return;
    if (this.#state === 'greeting' && message.hello === this.#nonce) {
      clearInterval(this.#hello);
      if (message.version !== LINK_VERSION) {
        this.close(`the guest speaks link version ${String(message.version)}: rebuild the VM image`);
        return;
      }
      this.#state = 'open';
      this.#handlers.greeted();
    } else if (this.#state === 'open' && typeof message.closed === 'number') {
      const number = message.closed;
      const channel = this.#channels.get(number) ?? this.#early.get(number);
      this.#channels.delete(number);
      channel?.finish('the guest closed the channel');
    }
  }

  /** A packet may come before anybody here has asked for its channel: the guest sends as soon as it has answered
   * `channel.open`. The guest belongs to a learner, so what is kept for such channels is bounded; a number that is
   * not new is of a channel that was closed here. */
  #receiveAttach(packet: Packet): void {
    let channel = this.#channels.get(packet.channel) ?? this.#early.get(packet.channel);
    if (!channel) {
      if (packet.channel < this.#nextChannel || this.#early.size >= EARLY_MAX) return;
      channel = this.#make(packet.channel);
      this.#early.set(packet.channel, channel);
    }
    channel.receive(packet.payload);
  }

  #make(number: number): LinkChannel {
    this.#nextChannel = Math.max(this.#nextChannel, number + 1);
    const made = new LinkChannel({
      send: (bytes) => this.#send(number, bytes),
      forget: (reason) => {
        this.#channels.delete(number);
        this.#early.delete(number);
        if (this.#state !== 'open') return;
        this.#sendJson({ closed: number });
        made.finish(reason);
      },
    });
    return made;
  }

  #send(channel: number, bytes: Uint8Array): boolean {
    let room = true;
    for (let at = 0; at < bytes.length; at += PAYLOAD_MAX) {
      const packet = encodePacket(channel, bytes.subarray(at, at + PAYLOAD_MAX));
      room = this.#stream.write(packet);
      if (!room) this.#behind += packet.length;
    }
    // Which no viewer or request may pay for with the memory of all.
    if (this.#behind > BACKLOG_MAX) this.close('the guest does not read');
    return room;
  }

  #sendJson(message: object): void {
    this.#send(LINK, new TextEncoder().encode(JSON.stringify(message)));
  }

  #end(reason: string): void {
    clearInterval(this.#hello);
    this.#state = 'closed';
    this.#lines = new LineSplitter(LINE_MAX);
    for (const channel of [...this.#channels.values(), ...this.#early.values()]) channel.finish(reason);
    this.#channels.clear();
    this.#early.clear();
    this.#handlers.closed(reason);
  }
}

/** One attach stream on a link. */
class LinkChannel implements ByteDuplex {
  readonly #send: (bytes: Uint8Array) => boolean;
  readonly #forget: (reason: string) => void;
  #handlers: ByteHandlers | null = null;
  #waiting: ByteStore[] = [];
  #waitingBytes = 0;
  #paused = false;
  #closed: string | null = null;

  constructor(owner: { send: (bytes: Uint8Array) => boolean; forget: (reason: string) => void }) {
    this.#send = owner.send;
    this.#forget = owner.forget;
  }

  open(handlers: ByteHandlers): void {
    this.#handlers = handlers;
    this.#deliver();
    if (this.#closed !== null) handlers.closed(this.#closed);
  }

  write(bytes: Uint8Array): boolean {
    return this.#closed === null ? this.#send(bytes) : true;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#deliver();
  }

  close(reason: string): void {
    if (this.#closed === null) this.#forget(reason);
  }

  receive(bytes: Uint8Array): void {
    if (this.#closed !== null || bytes.length === 0) return;
    if (this.#handlers && !this.#paused) {
      this.#handlers.data(bytes);
      return;
    }
    let last = this.#waiting.at(-1);
    if (!last || last.length >= HELD_TOGETHER) {
      last = new ByteStore();
      this.#waiting.push(last);
    }
    last.append(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > CHANNEL_BUFFER_MAX) this.close('the viewer granted more than it reads');
  }

  get finished(): boolean {
    return this.#closed !== null;
  }

  drained(): void {
    this.#handlers?.drained?.();
  }

  finish(reason: string): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    // What arrived before the end is still the viewer's: the last words of a program, and its EXIT.
    this.#paused = false;
    this.#deliver();
    this.#handlers?.closed(reason);
  }

  #deliver(): void {
    while (this.#handlers && !this.#paused) {
      const bytes = this.#waiting.shift()?.take();
      if (!bytes) break;
      this.#waitingBytes -= bytes.length;
      this.#handlers.data(bytes);
    }
  }
}

function parseObject(payload: Uint8Array): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(payload));
    return typeof value === 'object' && value !== null ? { ...value } : null;
  } catch {
    return null; // a damaged packet is dropped like any other
  }
}
