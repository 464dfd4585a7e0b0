// A guest that may be anybody's, against the host's end of its link: LinkHost with all that is under it. What is sent is
// made from a seed, half of it near to what is right. A guest beside it speaks properly and must not notice.
import { randomBytes } from 'node:crypto';
import { LinkHost } from '../../sandbox-server/src/broker/link.ts';
import type { ByteDuplex, ByteHandlers } from '../../sandbox-server/src/protocol/bytes.ts';
import { encodePacket, PAYLOAD_MAX, PacketSplitter } from '../../sandbox-server/src/protocol/link.ts';

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const text = (line: string) => new TextEncoder().encode(line);
const json = (value: unknown) => text(JSON.stringify(value));

/** The far end of the stream under a link. */
class Port implements ByteDuplex {
  /** What the host said, packet by packet. */
  readonly requests: { id: number; method: string }[] = [];
  nonce = '';
  handlers: ByteHandlers | null = null;
  readonly #splitter = new PacketSplitter();
  #line = '';

  open(handlers: ByteHandlers): void {
    this.handlers = handlers;
  }
  write(bytes: Uint8Array): boolean {
    for (const { channel, payload } of this.#splitter.push(bytes)) {
      const said = new TextDecoder().decode(payload);
      if (channel === 1) this.nonce = JSON.parse(said).hello ?? this.nonce;
      if (channel === 0) this.#lines(said);
    }
    return true;
  }
  pause(): void {}
  resume(): void {}
  close(reason: string): void {
    this.handlers?.closed(reason);
    this.handlers = null;
  }
  send(bytes: Uint8Array): void {
    this.handlers?.data(bytes);
  }
  say(channel: number, payload: Uint8Array): void {
    for (let at = 0; at === 0 || at < payload.length; at += PAYLOAD_MAX)
      this.send(encodePacket(channel, payload.subarray(at, at + PAYLOAD_MAX)));
  }

  #lines(said: string): void {
    const lines = (this.#line + said).split('\n');
    this.#line = lines.pop() ?? '';
    for (const line of lines) this.requests.push(JSON.parse(line));
  }
}

const EDGES = [0, 1, 2, 3, -1, 0.5, 2 ** 31, 2 ** 32 - 1, 2 ** 53, 1e308, -1e308];

/** Everything a hostile guest's broker is made of. */
class Hostile {
  readonly #port: Port;
  readonly #random: () => number;

  constructor(port: Port, random: () => number) {
    this.#port = port;
    this.#random = random;
  }

  #below(most: number): number {
    return Math.floor(this.#random() * most);
  }

  #one<T>(of: readonly T[]): T {
    return of[this.#below(of.length)] as T;
  }

  #noise(most: number): Uint8Array {
    const zeros = this.#random();
    return Uint8Array.from({ length: this.#below(most) }, () =>
      this.#random() < zeros / 4 ? 0 : this.#below(256),
    );
  }

  /** A value of any shape; no deeper than it is lucky. */
  #value(): unknown {
    const luck = this.#random();
    if (luck < 0.3) return this.#one(EDGES);
    if (luck < 0.5)
      return this.#one([
        '',
        'host',
        '1',
        'completed',
        '\u0000\u001b]0;x\u0007',
        'x'.repeat(3_000),
        '__proto__',
      ]);
    if (luck < 0.6) return this.#one([null, true, false]);
    if (luck < 0.8) return Array.from({ length: this.#below(4) }, () => this.#value());
    const keys = [
      'machine',
      'terminal',
      'channel',
      'machines',
      'hello',
      'closed',
      'id',
      '__proto__',
      'length',
    ];
    return Object.fromEntries(Array.from({ length: this.#below(4) }, () => [this.#one(keys), this.#value()]));
  }

  /** Well formed, and perhaps one step away from it. */
  #result(): unknown {
    const terminals = Array.from({ length: this.#below(3) ** 6 }, (_, at) => ({
      terminal: `${at}`,
      state: 'running',
    }));
    const record = {
      machine: 'host',
      kind: 'vm',
      image: '',
      hostname: 'x',
      state: 'running',
      exit: null,
      limits: {},
      labels: {},
      created_ms: 0,
      pid: 1,
      terminals,
    };
    const results: Record<string, unknown>[] = [
      { channel: this.#one([2, 3, 4, ...EDGES]) },
      { machines: Array.from({ length: this.#below(3) ** 8 }, () => record) },
      { terminal: this.#one(['1', '2', '../x', '']) },
      {
        status: 0,
        signal: 0,
        timed_out: false,
        truncated: false,
        stdout: 'x'.repeat(this.#below(70_000)),
        stderr: '',
        duration_us: 1,
      },
      {},
    ];
    const result = this.#one(results);
    if (this.#random() < 0.3)
      result[this.#one(['channel', 'more', 'machines', 'stdout', '__proto__'])] = this.#value();
    return result;
  }

  #line(): Uint8Array {
    const pending = this.#port.requests.at(-1 - this.#below(2))?.id ?? 1;
    const id = this.#random() < 0.7 ? pending : this.#value();
    const event = { event: 'terminal.exited', machine: 'host', terminal: '1', kind: 0, status: 0 };
    return this.#one([
      () => json({ id, result: this.#result() }),
      () =>
        json({
          id,
          error: { code: this.#one(['not_found', 'limit', 'x']), message: 'no '.repeat(this.#below(2_000)) },
        }),
      () => json(this.#random() < 0.8 ? event : { ...event, terminal: this.#value() }),
      () => json(this.#value()),
      () => text(this.#one(['[', '{"a":', '"']).repeat(this.#below(9_000))),
      () => this.#noise(200),
    ])();
  }

  /** One act. */
  act(): void {
    const port = this.#port;
    const acts = [
      () => port.send(this.#noise(2_000)),
      () => port.send(new Uint8Array(this.#below(60_000))),
      () => port.say(this.#below(6), this.#noise(20_000)),
      () => port.say(0, Buffer.concat([this.#line(), text('\n')])),
      () => port.say(0, Buffer.concat([this.#line(), text('\n')])),
      () => port.say(0, this.#line()),
      () => port.say(1, json({ closed: this.#one([2, 3, ...EDGES]) })),
      () =>
        port.say(
          1,
          json({ hello: this.#random() < 0.5 ? port.nonce : 'another', version: this.#one([1, 1, 2, 'x']) }),
        ),
      () => port.say(1, json(this.#value())),
      () => port.say(this.#one([2, 3, 4, 5, 4_000_000_000]), this.#noise(40)),
      () => {
        const packet = encodePacket(this.#below(4), this.#line().subarray(0, PAYLOAD_MAX));
        const at = this.#below(packet.length);
        packet[at] = this.#below(256);
        port.send(packet.subarray(this.#below(3)));
      },
    ];
    this.#one(acts)();
  }
}

/** The broker of a guest that has nothing in mind: says hello, and answers `exec` with what it was to echo. */
function honest(): { port: Port; link: LinkHost; check: () => Promise<void> } {
  const port = new Port();
  const link = new LinkHost(() => Promise.resolve(port));
  return {
    port,
    link,
    async check() {
      const result = {
        status: 0,
        signal: 0,
        timed_out: false,
        truncated: false,
        stdout: 'here',
        stderr: '',
        duration_us: 1,
      };
      const params = { machine: 'host', command: ['x'], timeout_ms: 1, max_output_bytes: 1 };
      const asked = link.request('exec', params, { timeoutMs: 5_000 });
      port.say(0, Buffer.concat([json({ id: port.requests.at(-1)?.id, result }), text('\n')]));
      if ((await asked).stdout !== 'here') throw new Error('an honest guest was not understood');
    },
  };
}

const settled = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'answered',
    (error: Error) => error.message,
  );

/** One conversation with a hostile guest. Throws when a promise of the host's end is broken. */
async function converse(random: () => number): Promise<void> {
  const port = new Port();
  const link = new LinkHost(() => Promise.resolve(port));
  const hostile = new Hostile(port, random);
  await Promise.resolve(); // the stream is opened in a turn of its own
  await Promise.resolve();
  if (random() < 0.9) port.say(1, json({ hello: port.nonce, version: 1 }));
  const outcomes: Promise<string>[] = [];
  for (let act = 0; act < 20; act++) {
    if (random() < 0.4) {
      const limit = { timeoutMs: 1_000 };
      const params = { machine: 'host', command: ['x'], timeout_ms: 1, max_output_bytes: 1 };
      const ask = [
        () => link.request('exec', params, limit),
        () => link.request('machine.list', {}, limit),
        () =>
          link.attach('host', '1').then((stream) => {
            stream.open({ data: () => {}, closed: () => {} });
            stream.write(text('typed'));
            if (random() < 0.3) stream.pause();
          }),
      ];
      outcomes.push(settled(ask[Math.floor(random() * ask.length)]?.() ?? Promise.resolve()));
    }
    hostile.act();
    await Promise.resolve();
  }
  link.close('the case is over');
  // None is left open, whatever the guest made of it.
  await Promise.all(outcomes);
}

export interface Fuzzed {
  conversations: number;
  seconds: number;
}

/** Conversations from `seed` on, so many or for so long. Throws with the seed of the one that broke something. */
export async function fuzzGuest(
  seed: number,
  limit: { conversations?: number; seconds?: number },
): Promise<Fuzzed> {
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1_000;
  const beside = honest();
  await Promise.resolve();
  await Promise.resolve();
  beside.port.say(1, json({ hello: beside.port.nonce, version: 1 }));
  const [subscription] = beside.port.requests;
  beside.port.say(0, Buffer.concat([json({ id: subscription?.id, result: {} }), text('\n')]));
  let conversations = 0;
  try {
    while (conversations < (limit.conversations ?? Infinity) && seconds() < (limit.seconds ?? Infinity)) {
      const own = seed + conversations++;
      try {
        await converse(seeded(own));
        await beside.check();
      } catch (error) {
        throw new Error(`conversation ${own} broke it`, { cause: error });
      }
    }
  } finally {
    beside.link.close('the run is over');
  }
  return { conversations, seconds: seconds() };
}

/** A seed nobody has tried. */
export const freshSeed = (): number => randomBytes(4).readUInt32BE();
