import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  decodeFrame,
  encodeFrame,
  FRAME_MAX,
  type Frame,
  FrameError,
  FrameSplitter,
  prefixFrame,
} from './frames.ts';

interface Vectors {
  valid: { name: string; hex: string; fields: Record<string, string | number> }[];
  invalid: { name: string; hex: string }[];
}
const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../../tests/vectors/attach.json', import.meta.url), 'utf8'),
);

const fromHex = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** A decoded frame in the words of the vectors, which are those of the C structs. */
function asFields(frame: Frame): Record<string, unknown> {
  switch (frame.type) {
    case 'role':
      return { frame: 'role', role: frame.mayType ? 0 : 1 };
    case 'attach': {
      const { type, ...fields } = frame;
      return { frame: type, ...fields };
    }
    case 'input':
    case 'snapshot':
      return { frame: frame.type, bytes: toHex(frame.bytes) };
    case 'credit':
      return { frame: 'viewerCredit', credit: frame.bytes };
    case 'inputCredit':
      return { frame: 'monitorCredit', credit: frame.bytes };
    case 'welcome': {
      const { type, lost, inputCredit, ...fields } = frame;
      return { frame: type, flags: lost ? 1 : 0, credit: inputCredit, ...fields };
    }
    case 'output':
      return { frame: 'output', offset: frame.offset, bytes: toHex(frame.bytes) };
    case 'exit':
      return { frame: 'exit', kind: frame.by === 'killed' ? 1 : 0, status: frame.status };
    default: {
      const { type, ...fields } = frame;
      return { frame: type, ...fields };
    }
  }
}

describe('the golden frames that the C side is tested against', () => {
  test.each(vectors.valid)('$name: decoded and encoded again', ({ hex, fields }) => {
    const frame = decodeFrame(fromHex(hex));
    expect(asFields(frame)).toEqual(fields);
    expect(toHex(encodeFrame(frame))).toBe(hex);
  });

  test.each(vectors.invalid)('$name: refused', ({ hex }) => {
    expect(() => decodeFrame(fromHex(hex))).toThrow(FrameError);
  });
});

describe('frames on a stream', () => {
  const frames: Frame[] = [
    { type: 'attach', version: 1, offset: 12, credit: 262_144, columns: 80, rows: 24 },
    { type: 'input', bytes: new TextEncoder().encode('uname -r\n') },
    { type: 'input', bytes: new Uint8Array(FRAME_MAX - 1).fill(7) },
    { type: 'credit', bytes: 1 },
  ];
  const stream = Buffer.concat(frames.map((frame) => prefixFrame(encodeFrame(frame))));

  test.each([1, 3, 4, 5, 1_000, stream.length])('arrive whole when cut every %i bytes', (size) => {
    const splitter = new FrameSplitter();
    const seen: Frame[] = [];
    for (let at = 0; at < stream.length; at += size) {
      splitter.push(stream.subarray(at, at + size), (frame) => seen.push(decodeFrame(frame)));
    }
    expect(seen).toEqual(frames);
  });

  test.each([0, FRAME_MAX + 1, 0xffff_ffff])(
    'a length of %i is refused before anything is stored',
    (length) => {
      const prefix = new Uint8Array(4);
      new DataView(prefix.buffer).setUint32(0, length);
      expect(() => new FrameSplitter().push(prefix, () => {})).toThrow(FrameError);
    },
  );

  test('an offset beyond 2^53 is refused instead of rounded', () => {
    expect(() => decodeFrame(fromHex('820020000000000000'))).toThrow(/2\^53/);
  });
});

describe('who has a terminal open', () => {
  const frame: Frame = {
    type: 'viewers',
    viewers: [
      { as: 'learner', name: 'Zoë 🚢', types: true, you: false },
      { as: 'instructor', name: 'ada', types: false, you: true },
    ],
  };

  test('is told with names in any script, and read as it was told', () => {
    expect(decodeFrame(encodeFrame(frame))).toEqual(frame);
    expect(decodeFrame(encodeFrame({ type: 'viewers', viewers: [] }))).toEqual({
      type: 'viewers',
      viewers: [],
    });
  });

  test('is refused when it is cut short, or has bits that mean nothing', () => {
    const bytes = encodeFrame(frame);
    const whole = 1 + 3 + Buffer.byteLength('Zoë 🚢');
    for (let length = 2; length < bytes.length; length++) {
      if (length === whole) continue; // one viewer, and no more
      expect(() => decodeFrame(bytes.subarray(0, length))).toThrow(FrameError);
    }
    expect(() => decodeFrame(fromHex('87080000'))).toThrow(FrameError);
  });
});
