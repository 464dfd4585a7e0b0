// The plan of a section drawing: a ship cut lengthwise. Hull: hardware. Deck: kernel. Compartments: partitions.
// Geometry and words alone, so that the drawing is the same on every page and at both widths.
import { type KindName, kindOf, type Wall, wallNames } from '../../data/kinds.ts';
import { type Box, compartment, type Pen, type Stroke } from '../glyph/geometry.ts';
import { say } from './words.ts';

export interface Partition {
  /** Unique in the drawing. */
  id: string;
  kind: KindName;
  label: string;
  /** A line under the label. */
  note?: string;
  /** planned: not made yet, drawn as a pencil line. standing: it runs. fallen: it ran. */
  state: 'planned' | 'standing' | 'fallen';
  /** It was made just now: its walls rise. */
  rising?: boolean;
  /** What is known of each wall, such as the milliseconds that it took. */
  marks?: Partial<Record<Wall, string>>;
}

export interface Frame {
  /** The part that is shown, from the top of the labels to below the keel. */
  view: Box;
  /** Outline of the hull, open at the top. */
  hull: string;
  plating: string;
  waterline: number;
  deck: { from: number; to: number; y: number };
  /** Where compartments may stand. */
  room: { from: number; to: number };
  box: { width: number; height: number };
  /** How far a kernel of its own stands above the common deck. */
  lift: number;
  stores: { x: number; y: number; width: number; height: number; label: string }[];
  type: { label: number; note: number; mark: number };
  /** From the left wall to the marks. */
  inset: number;
  pen: Pen;
}

export const frames: Record<'wide' | 'narrow', Frame> = {
  wide: {
    view: { x: 0, y: 72, width: 1120, height: 336 },
    hull: 'M30 92L52 316Q60 380 132 380H884Q1012 380 1090 92',
    plating: 'M40 92L62 313Q69 370 134 370H882Q1002 370 1079 92',
    waterline: 232,
    deck: { from: 52, to: 1005, y: 296 },
    room: { from: 104, to: 964 },
    box: { width: 172, height: 128 },
    lift: 30,
    stores: [
      { x: 420, y: 318, width: 108, height: 38, label: say('store.processors') },
      { x: 540, y: 318, width: 108, height: 38, label: say('store.memory') },
      { x: 660, y: 318, width: 108, height: 38, label: say('store.disk') },
      { x: 780, y: 318, width: 108, height: 38, label: say('store.network') },
    ],
    type: { label: 19, note: 15, mark: 14.5 },
    inset: 22,
    pen: { weight: 4.5, tick: 13, notch: 8 },
  },
  narrow: {
    view: { x: 0, y: 46, width: 344, height: 288 },
    hull: 'M4 60L14 256Q18 316 62 316H278Q326 316 340 60',
    plating: 'M11 60L21 254Q25 309 64 309H276Q319 309 332 60',
    waterline: 176,
    deck: { from: 14, to: 320, y: 236 },
    room: { from: 26, to: 318 },
    box: { width: 126, height: 112 },
    lift: 24,
    stores: [
      { x: 60, y: 274, width: 96, height: 26, label: say('store.processors') },
      { x: 166, y: 274, width: 96, height: 26, label: say('store.memory') },
    ],
    type: { label: 16, note: 13, mark: 12 },
    inset: 11,
    pen: { weight: 3.6, tick: 12, notch: 7 },
  },
};

export interface Placed {
  partition: Partition;
  box: Box;
  strokes: Stroke[];
  /** What carries a kernel of its own: struts down to the common deck, and the hypervisor between. */
  struts: string | null;
  marks: { wall: Wall; text: string; x: number; y: number }[];
}

/** Where every partition stands, and the strokes of its walls. */
export function place(frame: Frame, partitions: readonly Partition[]): Placed[] {
  const cell = (frame.room.to - frame.room.from) / partitions.length;
  return partitions.map((partition, index) => {
    const { walls, hull } = kindOf(partition.kind);
    const lifted = walls.faults === 'own';
    // Two partitions have the deck to themselves and are drawn larger than four.
    const width = Math.min(frame.box.width * (partitions.length < 3 && cell > 300 ? 1.4 : 1), cell * 0.86);
    const x = Math.round(frame.room.from + cell * index + (cell - width) / 2);
    const floor = frame.deck.y - (lifted ? frame.lift : frame.pen.weight / 2);
    const y = frame.deck.y - frame.box.height - (lifted ? 8 : 0);
    const box = { x, y, width, height: floor - y };
    const line = frame.type.mark * 1.3;
    return {
      partition,
      box,
      strokes: compartment(box, walls, frame.pen, hull === true),
      struts: lifted ? struts(box, frame) : null,
      marks: wallNames
        .flatMap((wall) => {
          const text = partition.marks?.[wall];
          return text === undefined ? [] : [{ wall, text }];
        })
        .map((mark, row) => ({
          ...mark,
          x: x + frame.inset,
          y: y + line * (row + 1) + 2,
        })),
    };
  });
}

function struts(box: Box, frame: Frame): string {
  const top = box.y + box.height + frame.pen.weight * 2.4;
  return [0.14, 0.5, 0.86]
    .map((part) => `M${Math.round(box.x + box.width * part)} ${top}V${frame.deck.y}`)
    .join('');
}

/** What a deck is called on which machines are started: by the kernel's release, where that is known. */
export function deckInWords(place: 'server' | 'tab', release: string | undefined): string {
  if (release === undefined) return say('deck.host');
  return say(place === 'tab' ? 'deck.tabNamed' : 'deck.hostNamed', { release });
}

const states = {
  planned: 'state.planned',
  standing: 'state.standing',
  fallen: 'state.fallen',
} as const satisfies Record<Partition['state'], string>;

/** What the drawing says, for those who do not see it. */
export function describeSection(deck: string, partitions: readonly Partition[]): string {
  const one = ({ kind, label, state, note = '' }: Partition) =>
    say(note ? 'one.noted' : 'one', {
      ...{ label, state: say(states[state]), note },
      floor: say(kindOf(kind).walls.faults === 'own' ? 'floor.own' : 'floor.common'),
    });
  return say('whole', { deck, partitions: partitions.map(one).join(say('whole.and')) });
}
