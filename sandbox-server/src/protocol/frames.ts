// The attach protocol: the frames of one terminal, from a browser through the server to a monitor (docs/protocol.md).
// A frame is an opcode byte and a body; on a stream it has its length before it, on a WebSocket a message is a frame.

/** Bytes of opcode and body together that a frame may have. */
export const FRAME_MAX = 65_536;
/** The version that ATTACH and WELCOME state. */
export const ATTACH_VERSION = 1;
/** Output that a monitor keeps for a viewer that comes back; also the credit that a viewer grants in ATTACH. */
export const RING_BYTES = 262_144;
/** INPUT bytes that fit one frame. */
export const INPUT_MAX = FRAME_MAX - 1;

export const opcodes = {
  role: 0x00,
  attach: 0x01,
  input: 0x02,
  resize: 0x03,
  credit: 0x04,
  welcome: 0x81,
  output: 0x82,
  size: 0x83,
  exit: 0x84,
  inputCredit: 0x85,
  snapshot: 0x86,
  viewers: 0x87,
} as const;

/** Every frame, decoded. Offsets are numbers: a terminal that printed 2^53 bytes has not been built yet. */
export type Frame =
  | { type: 'role'; mayType: boolean }
  | { type: 'attach'; version: number; offset: number; credit: number; columns: number; rows: number }
  | { type: 'input'; bytes: Uint8Array }
  | { type: 'resize'; columns: number; rows: number }
  | { type: 'credit'; bytes: number }
  | {
      type: 'welcome';
      version: number;
      /** Output before `start` is lost to this viewer: clear the screen first; SNAPSHOT frames then draw what was there. */
      lost: boolean;
      /** Offset of the first byte that follows. */
      start: number;
      /** Bytes before this offset are a replay: terminal queries in them must not be answered. */
      live: number;
      columns: number;
      rows: number;
      /** INPUT bytes that may be outstanding. */
      inputCredit: number;
    }
  | { type: 'output'; offset: number; bytes: Uint8Array }
  | { type: 'size'; columns: number; rows: number }
  | { type: 'exit'; by: 'exited' | 'killed'; status: number }
  | { type: 'inputCredit'; bytes: number }
  | { type: 'snapshot'; bytes: Uint8Array }
  /** From the server itself, never from a monitor: who has the terminal open now, oldest first, you among them. */
  | { type: 'viewers'; viewers: readonly TerminalViewer[] };

/** Somebody who has a terminal open. */
export interface TerminalViewer {
  as: 'learner' | 'instructor';
  /** An instructor's login, or what the learner wants to be called in the workshop; empty outside of one. */
  name: string;
  /** May type; everybody else only watches. */
  types: boolean;
  /** Whoever is sent this frame. */
  you: boolean;
}

/** A peer broke the rules of the attach protocol; it is to be disconnected, with this message. */
export class FrameError extends Error {
  override name = 'FrameError';
}

/** Bytes of body by opcode; the opcodes with any number of bytes state the least. */
const bodies: Record<number, { least: number; exact: boolean; name: string } | undefined> = {
  [opcodes.role]: { least: 1, exact: true, name: 'ROLE' },
  [opcodes.attach]: { least: 17, exact: true, name: 'ATTACH' },
  [opcodes.input]: { least: 0, exact: false, name: 'INPUT' },
  [opcodes.resize]: { least: 4, exact: true, name: 'RESIZE' },
  [opcodes.credit]: { least: 4, exact: true, name: 'CREDIT' },
  [opcodes.welcome]: { least: 26, exact: true, name: 'WELCOME' },
  [opcodes.output]: { least: 8, exact: false, name: 'OUTPUT' },
  [opcodes.size]: { least: 4, exact: true, name: 'SIZE' },
  [opcodes.exit]: { least: 5, exact: true, name: 'EXIT' },
  [opcodes.inputCredit]: { least: 4, exact: true, name: 'CREDIT (0x85)' },
  [opcodes.snapshot]: { least: 0, exact: false, name: 'SNAPSHOT' },
  [opcodes.viewers]: { least: 0, exact: false, name: 'VIEWERS' },
};

/** One frame as bytes: opcode and body, without the length that a stream puts before it. */
export function encodeFrame(frame: Frame): Uint8Array {
  switch (frame.type) {
    case 'role':
      return Uint8Array.of(opcodes.role, frame.mayType ? 0 : 1);
    case 'attach': {
      const view = frameOf(opcodes.attach, 17);
      view.setUint8(1, frame.version);
      view.setBigUint64(2, BigInt(frame.offset));
      view.setUint32(10, frame.credit);
      view.setUint16(14, frame.columns);
      view.setUint16(16, frame.rows);
      return bytesOf(view);
    }
    case 'input':
    case 'snapshot': {
      const view = frameOf(opcodes[frame.type], frame.bytes.length);
      bytesOf(view).set(frame.bytes, 1);
      return bytesOf(view);
    }
    case 'resize':
    case 'size': {
      const view = frameOf(opcodes[frame.type], 4);
      view.setUint16(1, frame.columns);
      view.setUint16(3, frame.rows);
      return bytesOf(view);
    }
    case 'credit':
    case 'inputCredit': {
      const view = frameOf(opcodes[frame.type], 4);
      view.setUint32(1, frame.bytes);
      return bytesOf(view);
    }
    case 'welcome': {
      const view = frameOf(opcodes.welcome, 26);
      view.setUint8(1, frame.version);
      view.setUint8(2, frame.lost ? 1 : 0);
      view.setBigUint64(3, BigInt(frame.start));
      view.setBigUint64(11, BigInt(frame.live));
      view.setUint16(19, frame.columns);
      view.setUint16(21, frame.rows);
      view.setUint32(23, frame.inputCredit);
      return bytesOf(view);
    }
    case 'output': {
      const view = frameOf(opcodes.output, 8 + frame.bytes.length);
      view.setBigUint64(1, BigInt(frame.offset));
      bytesOf(view).set(frame.bytes, 9);
      return bytesOf(view);
    }
    case 'exit': {
      const view = frameOf(opcodes.exit, 5);
      view.setUint8(1, frame.by === 'killed' ? 1 : 0);
      view.setInt32(2, frame.status);
      return bytesOf(view);
    }
    case 'viewers':
      return encodeViewers(frame.viewers);
  }
}

/** The frame in `bytes` (opcode and body). Throws FrameError for anything that is not exactly one frame. */
export function decodeFrame(bytes: Uint8Array): Frame {
  const opcode = checkFrame(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  switch (opcode) {
    case opcodes.role: {
      const role = oneOf(view, 1, 1, "ROLE's role");
      return { type: 'role', mayType: role === 0 };
    }
    case opcodes.attach:
      return {
        type: 'attach',
        version: versionAt(view),
        offset: offsetAt(view, 2),
        credit: view.getUint32(10),
        columns: view.getUint16(14),
        rows: view.getUint16(16),
      };
    case opcodes.input:
      return { type: 'input', bytes: bytes.subarray(1) };
    case opcodes.snapshot:
      return { type: 'snapshot', bytes: bytes.subarray(1) };
    case opcodes.resize:
      return { type: 'resize', columns: view.getUint16(1), rows: view.getUint16(3) };
    case opcodes.credit:
      return { type: 'credit', bytes: view.getUint32(1) };
    case opcodes.welcome:
      return {
        type: 'welcome',
        version: versionAt(view),
        lost: oneOf(view, 2, 1, "WELCOME's flags") === 1,
        start: offsetAt(view, 3),
        live: offsetAt(view, 11),
        columns: view.getUint16(19),
        rows: view.getUint16(21),
        inputCredit: view.getUint32(23),
      };
    case opcodes.output:
      return { type: 'output', offset: offsetAt(view, 1), bytes: bytes.subarray(9) };
    case opcodes.size:
      return { type: 'size', columns: view.getUint16(1), rows: view.getUint16(3) };
    case opcodes.exit: {
      const kind = oneOf(view, 1, 1, "EXIT's kind");
      return { type: 'exit', by: kind === 0 ? 'exited' : 'killed', status: view.getInt32(2) };
    }
    case opcodes.viewers:
      return { type: 'viewers', viewers: decodeViewers(bytes.subarray(1)) };
    default:
      return { type: 'inputCredit', bytes: view.getUint32(1) };
  }
}

/** Checks a frame's opcode and length without decoding it, for whoever only forwards; returns the opcode. */
export function checkFrame(bytes: Uint8Array): number {
  const opcode = bytes[0];
  if (opcode === undefined) throw new FrameError('an empty frame: it needs an opcode');
  if (bytes.length > FRAME_MAX)
    throw new FrameError(`a frame of ${bytes.length} bytes: at most ${FRAME_MAX}`);
  const body = bodies[opcode];
  if (!body) throw new FrameError(`unknown opcode 0x${opcode.toString(16).padStart(2, '0')}`);
  const length = bytes.length - 1;
  if (body.exact ? length !== body.least : length < body.least) {
    const wanted = body.exact ? `${body.least}` : `${body.least} or more`;
    throw new FrameError(`${body.name} with a body of ${length} bytes: it has ${wanted}`);
  }
  return opcode;
}

/** The frame with its length before it, as a stream carries it. */
export function prefixFrame(frame: Uint8Array): Uint8Array {
  const framed = new Uint8Array(4 + frame.length);
  new DataView(framed.buffer).setUint32(0, frame.length);
  framed.set(frame, 4);
  return framed;
}

/** Cuts a stream of length-prefixed frames, whatever the pieces it arrives in. Holds at most one frame. */
export class FrameSplitter {
  #frame: Uint8Array | null = null;
  #filled = 0;
  readonly #prefix = new Uint8Array(4);
  #prefixed = 0;

  /** Calls `each` with every frame (opcode and body) that `chunk` completes; one that lies in it whole is a part of it, and
   * not a copy. Throws FrameError on a length of 0 or over FRAME_MAX; the stream is of no use after that. */
  push(chunk: Uint8Array, each: (frame: Uint8Array) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#frame) {
        const taken = Math.min(this.#frame.length - this.#filled, chunk.length - at);
        this.#frame.set(chunk.subarray(at, at + taken), this.#filled);
        this.#filled += taken;
        at += taken;
        if (this.#filled < this.#frame.length) return;
        const frame = this.#frame;
        this.#frame = null;
        each(frame);
        continue;
      }
      const taken = Math.min(4 - this.#prefixed, chunk.length - at);
      this.#prefix.set(chunk.subarray(at, at + taken), this.#prefixed);
      this.#prefixed += taken;
      at += taken;
      if (this.#prefixed < 4) return;
      this.#prefixed = 0;
      const length = this.#lengthOfNext();
      if (chunk.length - at >= length) {
        each(new Uint8Array(chunk.buffer, chunk.byteOffset + at, length));
        at += length;
      } else {
        this.#frame = new Uint8Array(length);
        this.#filled = 0;
      }
    }
  }

  #lengthOfNext(): number {
    const length = new DataView(this.#prefix.buffer).getUint32(0);
    if (length > 0 && length <= FRAME_MAX) return length;
    throw new FrameError(`a frame length of ${length}: 1 to ${FRAME_MAX} is allowed`);
  }
}

/** Bits of a viewer in VIEWERS. */
const WATCHES = 1;
const INSTRUCTOR = 2;
const YOU = 4;

/** Of each viewer: its bits, the bytes of its name as a u16, the name. */
function encodeViewers(viewers: readonly TerminalViewer[]): Uint8Array {
  const entries = viewers.map(({ as, name, types, you }) => {
    const bits = (types ? 0 : WATCHES) | (as === 'instructor' ? INSTRUCTOR : 0) | (you ? YOU : 0);
    const bytes = new TextEncoder().encode(name);
    return [bits, bytes.length >> 8, bytes.length & 0xff, ...bytes];
  });
  return Uint8Array.of(opcodes.viewers, ...entries.flat());
}

function decodeViewers(body: Uint8Array): TerminalViewer[] {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const viewers: TerminalViewer[] = [];
  for (let at = 0; at < body.length; ) {
    const end = at + 3 + (at + 3 <= body.length ? view.getUint16(at + 1) : 0);
    if (end > body.length) throw new FrameError('VIEWERS with a viewer that is cut short');
    const bits = oneOf(view, at, WATCHES | INSTRUCTOR | YOU, "a viewer's bits");
    viewers.push({
      as: bits & INSTRUCTOR ? 'instructor' : 'learner',
      name: new TextDecoder().decode(body.subarray(at + 3, end)),
      types: (bits & WATCHES) === 0,
      you: (bits & YOU) !== 0,
    });
    at = end;
  }
  return viewers;
}

function frameOf(opcode: number, body: number): DataView {
  const view = new DataView(new ArrayBuffer(1 + body));
  view.setUint8(0, opcode);
  return view;
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function versionAt(view: DataView): number {
  const version = view.getUint8(1);
  if (version !== ATTACH_VERSION)
    throw new FrameError(`version ${version}: only ${ATTACH_VERSION} is spoken here`);
  return version;
}

function offsetAt(view: DataView, at: number): number {
  const offset = view.getBigUint64(at);
  if (offset > BigInt(Number.MAX_SAFE_INTEGER)) throw new FrameError(`an offset of ${offset}: beyond 2^53`);
  return Number(offset);
}

function oneOf(view: DataView, at: number, most: number, what: string): number {
  const value = view.getUint8(at);
  if (value > most) throw new FrameError(`${what} is ${value}: 0 to ${most} is allowed`);
  return value;
}
