import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { ByteDuplex, ByteHandlers } from './bytes.ts';
import { LINE_MAX, LineSplitter } from './lines.ts';
import {
  BACKLOG_MAX,
  CHANNEL_BUFFER_MAX,
  cobsDecode,
  cobsEncode,
  encodePacket,
  LinkConnection,
  PAYLOAD_MAX,
  type Packet,
  PacketSplitter,
} from './link.ts';

interface Vectors {
  valid: { name: string; plain: string; encoded: string }[];
  invalid: { name: string; encoded: string }[];
}
const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../../tests/vectors/cobs.json', import.meta.url), 'utf8'),
);
const fromHex = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const toHex = (bytes: Uint8Array | null) => bytes && Buffer.from(bytes).toString('hex');
const text = (line: string) => new TextEncoder().encode(line);

describe('COBS, against the vectors of the C side', () => {
  test.each(vectors.valid)('$name', ({ plain, encoded }) => {
    expect(toHex(cobsEncode(fromHex(plain)))).toBe(encoded);
    expect(toHex(cobsDecode(fromHex(encoded)))).toBe(plain);
  });
  test.each(vectors.invalid)('$name is refused', ({ encoded }) => {
    expect(cobsDecode(fromHex(encoded))).toBeNull();
  });
  test('any bytes survive, and never hold a zero on the wire', () => {
    for (let round = 0; round < 300; round++) {
      const bytes = crypto.getRandomValues(new Uint8Array(round * 3)).map((byte) => (byte < 8 ? 0 : byte));
      const encoded = cobsEncode(bytes);
      expect(encoded.includes(0)).toBe(false);
      expect(cobsDecode(encoded)).toEqual(bytes);
    }
  });
});

describe('packets in a stream that may begin anywhere', () => {
  const packet: Packet = { channel: 7, payload: crypto.getRandomValues(new Uint8Array(PAYLOAD_MAX)) };

  test.each([1, 100, 100_000])(
    'arrive whole in pieces of %i bytes, after the tail of an older one',
    (size) => {
      const old = encodePacket(3, text('half of this was lost'));
      const stream = Buffer.concat([old.subarray(9), encodePacket(packet.channel, packet.payload)]);
      const splitter = new PacketSplitter();
      const seen: Packet[] = [];
      for (let at = 0; at < stream.length; at += size)
        seen.push(...splitter.push(stream.subarray(at, at + size)));
      expect(seen).toEqual([packet]);
    },
  );

  test('a flood without a zero is forgotten, and the next packet still arrives', () => {
    const splitter = new PacketSplitter();
    const noise = new Uint8Array(1_000_000).fill(0x55);
    for (let i = 0; i < 20; i++) expect(splitter.push(noise)).toEqual([]);
    expect(splitter.push(Uint8Array.of(0))).toEqual([]);
    expect(splitter.push(encodePacket(2, text('here')))).toEqual([{ channel: 2, payload: text('here') }]);
  });

  // Each of them ended a packet once, at a microsecond of the thread that all terminals share.
  test('a flood of zeros costs next to nothing', () => {
    const splitter = new PacketSplitter();
    const zeros = new Uint8Array(65_536);
    const began = performance.now();
    for (let i = 0; i < 64; i++) expect(splitter.push(zeros)).toEqual([]);
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(splitter.push(encodePacket(2, text('here')))).toEqual([{ channel: 2, payload: text('here') }]);
  });
});

describe('lines', () => {
  test('characters cut between pieces are joined', () => {
    const lines: string[] = [];
    const splitter = new LineSplitter(LINE_MAX);
    for (const byte of text('"größe"\n"2"\n')) splitter.push(Uint8Array.of(byte), (line) => lines.push(line));
    expect(lines).toEqual(['"größe"', '"2"']);
  });
  test('a line over the limit is refused while it arrives', () => {
    const splitter = new LineSplitter(100);
    expect(() => splitter.push(new Uint8Array(101).fill(65), () => {})).toThrow(/more than 100 bytes/);
  });
});

/** The other end of the stream under a link: what the guest's broker would see and send. */
class GuestEnd implements ByteDuplex {
  readonly packets: Packet[] = [];
  #splitter = new PacketSplitter();
  #host: ByteHandlers | null = null;

  open(handlers: ByteHandlers): void {
    this.#host = handlers;
  }
  write(bytes: Uint8Array): boolean {
    this.packets.push(...this.#splitter.push(bytes));
    return true;
  }
  pause(): void {}
  resume(): void {}
  close(reason: string): void {
    this.#host?.closed(reason);
  }
  send(channel: number, payload: Uint8Array): void {
    this.#host?.data(encodePacket(channel, payload));
  }
  say(message: object): void {
    this.send(1, text(JSON.stringify(message)));
  }
  /** What the host said on the link's own channel. */
  get messages(): unknown[] {
    return this.packets
      .filter((packet) => packet.channel === 1)
      .map((packet) => JSON.parse(new TextDecoder().decode(packet.payload)));
  }
}

const nonce = 'a-nonce-of-sixteen';

function connect() {
  const guest = new GuestEnd();
  const seen = { lines: [] as string[], greeted: 0, closed: '' };
  const link = new LinkConnection(guest, nonce, {
    greeted: () => seen.greeted++,
    line: (line) => seen.lines.push(line),
    closed: (reason) => {
      seen.closed = reason;
    },
  });
  return { guest, link, seen };
}

function listen(channel: ByteDuplex) {
  const got = { text: '', closed: '' };
  channel.open({
    data: (bytes) => {
      got.text += new TextDecoder().decode(bytes);
    },
    closed: (reason) => {
      got.closed = reason;
    },
  });
  return got;
}

describe('the host end of a link', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test('says hello until its own nonce comes back, and hears nothing before', () => {
    vi.useFakeTimers();
    const { guest, link, seen } = connect();
    guest.send(0, text('{"event":"of an earlier life"}\n'));
    guest.say({ hello: 'the nonce of another host', version: 1 });
    vi.advanceTimersByTime(1_000);
    expect(guest.messages).toEqual(Array(5).fill({ hello: nonce, version: 1 }));
    expect(() => link.sendLine('{}')).toThrow(/greeting/);

    guest.say({ hello: nonce, version: 1 });
    guest.say({ hello: nonce, version: 1 }); // the answer to a hello that was said twice
    vi.advanceTimersByTime(1_000);
    expect(guest.messages).toHaveLength(5);
    guest.send(0, text('{"id":1,'));
    guest.send(0, text('"result":{}}\n'));
    expect(seen).toEqual({ lines: ['{"id":1,"result":{}}'], greeted: 1, closed: '' });
    link.close('done');
  });

  test('a guest of another version is told apart from one that is silent', () => {
    const { guest, seen } = connect();
    guest.say({ hello: nonce, version: 2 });
    expect(seen.closed).toMatch(/version 2/);
  });

  test('a long line is cut into packets and arrives as one', () => {
    const { guest, link } = connect();
    guest.say({ hello: nonce, version: 1 });
    const line = 'x'.repeat(50_000);
    link.sendLine(line);
    const control = guest.packets.filter((packet) => packet.channel === 0);
    expect(control).toHaveLength(4);
    expect(Buffer.concat(control.map((packet) => packet.payload)).toString()).toBe(`${line}\n`);
    link.close('done');
  });

  test('channels: what came early, what comes while paused, and the end', () => {
    const { guest, link } = connect();
    guest.say({ hello: nonce, version: 1 });
    guest.send(2, text('early '));
    const channel = link.channel(2);
    const got = listen(channel);
    expect(got.text).toBe('early ');
    channel.pause();
    guest.send(2, text('paused '));
    guest.say({ closed: 2 });
    expect(got).toEqual({ text: 'early paused ', closed: 'the guest closed the channel' });
    guest.send(2, text('late'));
    expect(got.text).toBe('early paused ');
    expect(() => link.channel(2)).toThrow(/twice/);
    link.close('done');
  });

  test('closing a channel tells the guest, and losing the link tells every channel', () => {
    const { guest, link } = connect();
    guest.say({ hello: nonce, version: 1 });
    const first = link.channel(2);
    const firstGot = listen(first);
    const secondGot = listen(link.channel(3));
    first.close('the viewer left');
    expect(guest.messages.at(-1)).toEqual({ closed: 2 });
    expect(firstGot.closed).toBe('the viewer left');
    guest.close('QEMU is gone');
    expect(secondGot.closed).toBe('QEMU is gone');
  });

  test('a guest that sends what nobody asked for costs bounded memory', () => {
    const { guest, link } = connect();
    guest.say({ hello: nonce, version: 1 });
    const payload = new Uint8Array(PAYLOAD_MAX);
    for (let channel = 2; channel < 1_000; channel++) guest.send(channel, payload);
    const paused = link.channel(1_000);
    const got = listen(paused);
    paused.pause();
    for (let sent = 0; sent <= CHANNEL_BUFFER_MAX; sent += PAYLOAD_MAX) guest.send(1_000, payload);
    expect(got.closed).toMatch(/more than it reads/);
    link.close('done');
  });

  test('bytes that come one by one are kept as bytes, not as an object each', () => {
    const { guest, link } = connect();
    guest.say({ hello: nonce, version: 1 });
    const paused = link.channel(2);
    const pieces: number[] = [];
    paused.open({ data: (bytes) => pieces.push(bytes.length), closed: () => {} });
    paused.pause();
    for (let sent = 0; sent < 10_000; sent++) {
      guest.send(2, text('x'));
      guest.send(2, text(''));
    }
    paused.resume();
    expect(pieces).toEqual([10_000]);
    link.close('done');
  });

  test('a guest that does not read is left, not written to with ever more memory', () => {
    const { guest, link, seen } = connect();
    guest.say({ hello: nonce, version: 1 });
    guest.write = () => false;
    const line = 'x'.repeat(100_000);
    let sent = 0;
    while (seen.closed === '' && sent <= 2 * BACKLOG_MAX) {
      link.sendLine(line);
      sent += line.length;
    }
    expect(seen.closed).toMatch(/does not read/);
    expect(sent).toBeGreaterThan(BACKLOG_MAX / 2);
  });
});
