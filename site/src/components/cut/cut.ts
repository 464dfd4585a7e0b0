// The layout of a drawing that shows how a machine is cut: rooms with their walls on decks, layers under them, boxes
// around them. From a tree of pieces to rectangles, strokes and words, for any width, so that a phone gets a drawing of
// its own and not a small one.
import { type KindName, kindOf, type Walls } from '../../data/kinds.ts';
import { compartment, type Stroke } from '../glyph/geometry.ts';

export type Piece =
  /** A partition with the walls of its kind, or with others where a product differs. */
  | { room: string; kind: KindName; walls?: Partial<Walls>; says?: string; tall?: number }
  /** A layer that others stand on. A kernel is drawn as a deck. */
  | { layer: string; tone: 'kernel' | 'firmware' | 'hardware' | 'program'; says?: string }
  /** Side by side; on narrow drawings on top of each other if `breaks`. */
  | { row: Piece[]; parts?: number[]; breaks?: true }
  /** From top to bottom. */
  | { stack: Piece[] }
  /** A box with a name around a piece; with a kind, in its colour and with a hull if it has one. */
  | { around: string; kind?: KindName; piece: Piece }
  /** Words between pieces. */
  | { words: string }
  | { gap: number };

export interface Text {
  words: string;
  x: number;
  y: number;
  size: number;
  anchor: 'start' | 'middle';
  role: 'label' | 'says';
  kind?: KindName | undefined;
}
export interface Shape {
  x: number;
  y: number;
  width: number;
  height: number;
  tone: 'kernel' | 'firmware' | 'hardware' | 'program' | 'around' | 'inside';
  kind?: KindName | undefined;
}
export interface Drawing {
  width: number;
  height: number;
  shapes: Shape[];
  strokes: (Stroke & { kind: KindName })[];
  texts: Text[];
}

/** Pixels: drawings are shown at their own size. */
export const widths = { wide: 640, narrow: 328 } as const;
export const pen = { weight: 3.5, tick: 10, notch: 5 };
const type = { label: 15, says: 13, line: 1.3, letter: 0.53 };
const space = { gap: 10, inset: 12, lift: 12 };

export function draw(piece: Piece, width: number): Drawing {
  const narrow = width < 500;
  const drawing: Drawing = { width, height: 0, shapes: [], strokes: [], texts: [] };
  const edge = pen.weight * 2;
  const height = heightOf(piece, width - 2 * edge, narrow);
  put(piece, { x: edge, y: edge, width: width - 2 * edge, height }, narrow, drawing);
  drawing.height = Math.ceil(height + 2 * edge + pen.weight * 2);
  return drawing;
}

/** Words broken into lines that fit; a word that is too long stands alone. */
export function linesOf(words: string, width: number, size: number): string[] {
  const most = Math.max(4, Math.floor(width / (size * type.letter)));
  const lines: string[] = [];
  for (const word of words.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && `${last} ${word}`.length <= most) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

interface Words {
  label?: string;
  says?: string | undefined;
}
function textHeight({ label, says }: Words, width: number): number {
  const labels = label ? linesOf(label, width, type.label).length * type.label : 0;
  const below = says ? linesOf(says, width, type.says).length * type.says : 0;
  return (labels + below) * type.line;
}

function heightOf(piece: Piece, width: number, narrow: boolean): number {
  const inner = width - 2 * space.inset;
  if ('room' in piece) {
    const words = textHeight({ label: piece.room, says: piece.says }, inner - 2 * pen.notch);
    const lift = wallsOf(piece).faults === 'own' ? space.lift : 0;
    return Math.max(piece.tall ?? 0, words + 2 * space.inset) + lift;
  }
  if ('layer' in piece) return textHeight({ label: piece.layer, says: piece.says }, inner) + space.gap;
  if ('words' in piece) return textHeight({ says: piece.words }, width) + space.gap;
  if ('gap' in piece) return piece.gap;
  if ('around' in piece) {
    return (
      heightOf(piece.piece, inner, narrow) + textHeight({ label: piece.around }, inner) + 2.5 * space.gap
    );
  }
  if ('stack' in piece || (piece.breaks && narrow)) {
    const pieces = 'stack' in piece ? piece.stack : piece.row;
    const gaps = 'stack' in piece ? 0 : space.gap * (pieces.length - 1);
    return pieces.reduce((sum, each) => sum + heightOf(each, width, narrow), gaps);
  }
  return Math.max(...columns(piece, width).map(([each, own]) => heightOf(each, own, narrow)));
}

type Room = Extract<Piece, { room: string }>;
const wallsOf = ({ kind, walls }: Room): Walls => ({ ...kindOf(kind).walls, ...walls });

/** The pieces of a row with the width of each. */
function columns(row: { row: Piece[]; parts?: number[] }, width: number): [Piece, number][] {
  const parts = row.row.map((_, index) => row.parts?.[index] ?? 1);
  const whole = parts.reduce((sum, part) => sum + part, 0);
  const room = width - space.gap * (row.row.length - 1);
  return row.row.map((piece, index) => [piece, (room * (parts[index] ?? 1)) / whole]);
}

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

function put(piece: Piece, box: Box, narrow: boolean, drawing: Drawing): void {
  if ('room' in piece) putRoom(piece, box, drawing);
  else if ('layer' in piece) {
    drawing.shapes.push({ ...box, tone: piece.tone });
    write({ label: piece.layer, says: piece.says }, box, 'middle', drawing);
  } else if ('words' in piece) write({ says: piece.words }, box, 'middle', drawing);
  else if ('around' in piece) putAround(piece, box, narrow, drawing);
  else if ('stack' in piece || ('row' in piece && piece.breaks && narrow)) {
    const pieces = 'stack' in piece ? piece.stack : piece.row;
    let y = box.y;
    const heights = pieces.map((each) => heightOf(each, box.width, narrow));
    const gap = 'stack' in piece ? 0 : space.gap;
    // What is left over goes to the first that can use it: rooms grow, layers do not.
    const spare = box.height - heights.reduce((sum, height) => sum + height, gap * (pieces.length - 1));
    const grows = pieces.findIndex((each) => 'room' in each || 'row' in each || 'around' in each);
    for (const [index, each] of pieces.entries()) {
      const height = (heights[index] ?? 0) + (index === grows ? spare : 0);
      put(each, { ...box, y, height }, narrow, drawing);
      y += height + gap;
    }
  } else if ('row' in piece) {
    let x = box.x;
    for (const [each, width] of columns(piece, box.width)) {
      put(each, { ...box, x, width }, narrow, drawing);
      x += width + space.gap;
    }
  }
}

function putRoom(piece: Room, box: Box, drawing: Drawing): void {
  const walls = wallsOf(piece);
  const lift = walls.faults === 'own' ? space.lift : 0;
  const inside = {
    x: box.x + pen.weight / 2,
    y: box.y + pen.weight / 2,
    width: box.width - pen.weight,
    height: box.height - lift - pen.weight / 2,
  };
  drawing.shapes.push({ ...inside, tone: 'inside', kind: piece.kind });
  for (const stroke of compartment(inside, walls, pen)) drawing.strokes.push({ ...stroke, kind: piece.kind });
  const words = { ...inside, x: inside.x + pen.notch, width: inside.width - 2 * pen.notch };
  write({ label: piece.room, says: piece.says }, words, 'middle', drawing, piece.kind);
}

function putAround(
  piece: Extract<Piece, { around: string }>,
  box: Box,
  narrow: boolean,
  drawing: Drawing,
): void {
  drawing.shapes.push({ ...box, tone: 'around', kind: piece.kind });
  const inner = { x: box.x + space.inset, width: box.width - 2 * space.inset };
  const named = textHeight({ label: piece.around }, inner.width);
  write(
    { label: piece.around },
    { ...inner, y: box.y + space.gap / 2, height: named },
    'start',
    drawing,
    piece.kind,
  );
  const y = box.y + space.gap + named;
  put(piece.piece, { ...inner, y, height: box.height - named - 2 * space.gap }, narrow, drawing);
}

/** Writes into the middle of a box, from the top or centred. */
function write(words: Words, box: Box, anchor: Text['anchor'], drawing: Drawing, kind?: KindName): void {
  const width = anchor === 'middle' ? box.width - 2 * space.inset : box.width;
  const x = anchor === 'middle' ? box.x + box.width / 2 : box.x;
  let y = box.y + (box.height - textHeight(words, width)) / 2;
  for (const role of ['label', 'says'] as const) {
    const text = words[role];
    const size = type[role];
    for (const line of text ? linesOf(text, width, size) : []) {
      y += size * type.line;
      drawing.texts.push({ words: line, x, y: y - size * 0.36, size, anchor, role, kind });
    }
  }
}
