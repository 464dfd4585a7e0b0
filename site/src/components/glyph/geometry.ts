// The geometry of a compartment and its four walls. Glyphs, section drawings and the favicon are all drawn from it, so
// that a wall looks the same at 16 pixels and across the page.
import type { Level, Wall, Walls } from '../../data/kinds.ts';

/** The inside of a compartment, in the units of the drawing. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Everything that is measured in strokes: set once for a drawing, so that line weights agree. */
export interface Pen {
  /** Width of a wall. */
  weight: number;
  /** Distance between the ticks of the quantities wall; 0 for none. */
  tick: number;
  /** Half the height of the notch in the privileges wall. */
  notch: number;
}

export interface Stroke {
  part: Wall | 'hull';
  level: Exclude<Level, 'none'>;
  /** SVG path. */
  path: string;
  /** Relative to the pen's weight. */
  weight: number;
}

/** Every stroke of a compartment. What stands on a shared deck has no bottom stroke: the deck is drawn by its owner. */
export function compartment(box: Box, walls: Walls, pen: Pen, hull = false): Stroke[] {
  const { x, y } = box;
  const right = x + box.width;
  const bottom = y + box.height;
  const strokes: Stroke[] = [];
  const add = (part: Stroke['part'], path: string, weight = 1, level: Level = 'own') => {
    if (level !== 'none') strokes.push({ part, path, weight, level });
  };
  add('names', `M${x} ${y}H${right}`, 1, walls.names);
  add('quantities', `M${right} ${y}V${bottom}`, 1, walls.quantities);
  if (walls.quantities === 'own') add('quantities', ticks(box, pen), 0.6);
  if (walls.faults === 'own') {
    const gap = pen.weight * 1.9;
    add('faults', `M${x} ${bottom}H${right}M${x} ${bottom + gap}H${right}`, 0.85);
  }
  add('privileges', notched(box, pen), 1, walls.privileges);
  if (hull) add('hull', hullAround(box, pen), 1);
  return strokes;
}

/** Ticks on the inner side, every second one longer: a ruler. */
function ticks(box: Box, pen: Pen): string {
  if (pen.tick === 0) return '';
  const right = box.x + box.width;
  const count = Math.max(2, Math.round(box.height / pen.tick));
  const step = box.height / count;
  return Array.from({ length: count - 1 }, (_, index) => {
    const length = pen.weight * (index % 2 === 0 ? 1.6 : 2.6);
    return `M${right} ${round(box.y + step * (index + 1))}h${round(-length)}`;
  }).join('');
}

/** A wall with a ward in the middle, as in a lock: only the right key passes. */
function notched(box: Box, pen: Pen): string {
  const middle = box.y + box.height / 2;
  const depth = pen.notch;
  return (
    `M${box.x} ${box.y}V${round(middle - pen.notch)}h${round(depth)}` +
    `v${round(pen.notch * 2)}h${round(-depth)}V${box.y + box.height}`
  );
}

/** A hull of its own under the double deck. */
function hullAround(box: Box, pen: Pen): string {
  const out = pen.weight * 2.6;
  const left = box.x - out;
  const right = box.x + box.width + out;
  const bottom = box.y + box.height + pen.weight * 4.8;
  const curve = pen.weight * 3;
  const top = round(box.y + box.height * 0.3);
  return (
    `M${round(left)} ${top}V${round(bottom - curve)}Q${round(left)} ${round(bottom)} ${round(left + curve)} ${round(bottom)}` +
    `H${round(right - curve)}Q${round(right)} ${round(bottom)} ${round(right)} ${round(bottom - curve)}V${top}`
  );
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** Side of the square in which a glyph is drawn. */
export const glyphSide = 64;

/** The drawing of a glyph at a size in pixels: below 28 px it is bolder and has fewer details, like a hinted letter. */
export function glyphDrawing(
  kind: { walls: Walls; hull?: true },
  size: number,
): { box: Box; strokes: Stroke[]; pen: Pen } {
  const small = size < 28;
  const pen: Pen = small ? { weight: 6, tick: 15, notch: 6 } : { weight: 3.4, tick: 7, notch: 5 };
  const box: Box = kind.hull
    ? { x: 14, y: 8, width: 36, height: 34 }
    : { x: 10, y: 10, width: 44, height: 42 };
  return { box, strokes: compartment(box, kind.walls, pen, kind.hull === true), pen };
}
