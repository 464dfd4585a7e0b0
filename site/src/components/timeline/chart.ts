// The plan of the timeline's chart: rivers of entries over the years. Places along the years are percentages, so that the
// browser stretches the chart when it is zoomed, and nothing is laid out again.
import { type CategoryName, categoryNames } from '../../data/categories.ts';
import { yearAsNumber } from '../../facts/dates.ts';
import type { TimelineEntry } from '../../facts/schemas.ts';

/** The years at the chart's edges. */
export const span = { from: 1957, to: 2028 } as const;
/** Pixels: the narrowest that the chart is drawn, and the sizes in it. */
export const size = { width: 1024, glyph: 24, row: 32, river: 12, head: 82, foot: 30 } as const;

export interface Entry {
  id: string;
  data: TimelineEntry;
}
export interface Placed extends Entry {
  year: number;
  /** Percent of the width. */
  x: number;
  /** Pixels from the top to the glyph's middle. */
  y: number;
  /** Pixels of width for a year from which on there is room for the label before the next glyph. */
  roomy: number;
}
export interface River {
  category: CategoryName;
  y: number;
  height: number;
  /** Percent: from its first entry to its last. */
  from: number;
  to: number;
}

export const percent = (year: number) => ((year - span.from) / (span.to - span.from)) * 100;

/** Years that a glyph takes on the narrowest chart, with a little air. */
const glyphYears = ((size.glyph + 3) / size.width) * (span.to - span.from);
/** Average width of a letter of the labels, in pixels. */
const letter = 6.6;

/** Every entry's place: its river, and in it the first row where it does not lie on another one. */
export function plan(entries: readonly Entry[]): { placed: Placed[]; rivers: River[]; height: number } {
  const placed: Placed[] = [];
  const rivers: River[] = [];
  let top: number = size.head;
  for (const category of categoryNames) {
    const own = entries
      .filter(({ data }) => data.category === category)
      .map((entry) => ({ ...entry, year: yearAsNumber(entry.data.date.on) }))
      .sort((one, other) => one.year - other.year);
    if (own.length === 0) continue;
    const rows = intoRows(own);
    for (const [index, row] of rows.entries()) {
      const y = top + size.river + size.row * (index + 0.5);
      for (const [place, entry] of row.entries()) {
        const next = row[place + 1]?.year ?? span.to + 1;
        const label = size.glyph + 8 + entry.data.short.length * letter;
        placed.push({ ...entry, x: percent(entry.year), y, roomy: label / (next - entry.year) });
      }
    }
    const height = size.river * 2 + size.row * rows.length;
    const years = own.map(({ year }) => year);
    rivers.push({
      category,
      y: top,
      height,
      from: percent(Math.min(...years) - 1),
      to: percent(Math.max(...years) + 1),
    });
    top += height;
  }
  placed.sort((one, other) => one.year - other.year);
  return { placed, rivers, height: top + size.foot };
}

function intoRows<T extends { year: number }>(own: readonly T[]): T[][] {
  const rows: T[][] = [];
  for (const entry of own) {
    const free = rows.find((row) => entry.year - (row.at(-1)?.year ?? -Infinity) >= glyphYears);
    if (free) free.push(entry);
    else rows.push([entry]);
  }
  return rows;
}

/** Rows for the eras over the chart, so that those that overlap do not cover each other. */
export function eraRows<T extends { from: number; to: number }>(eras: readonly T[]): (T & { row: number })[] {
  const ends: number[] = [];
  return eras.map((era) => {
    const free = ends.findIndex((end) => end <= era.from);
    const row = free === -1 ? ends.length : free;
    ends[row] = era.to;
    return { ...era, row };
  });
}
