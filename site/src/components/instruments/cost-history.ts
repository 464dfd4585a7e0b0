// The last minute of a measure, and the line that it draws.
import { say } from './words.ts';

/** Points kept: a minute, at two a second. */
export const HISTORY_POINTS = 120;

/** A number that was not known is a gap. */
export type History = readonly (number | null)[];

export function remember(history: History, value: number | null | undefined): History {
  return [...history.slice(1 - HISTORY_POINTS), value ?? null];
}

/** An SVG path in a field of `width` by `height`, the newest point at its right edge; `most` is the field's height. */
export function linePath(history: History, width: number, height: number, most: number): string {
  const step = width / (HISTORY_POINTS - 1);
  const first = HISTORY_POINTS - history.length;
  let path = '';
  let pen = 'M';
  for (const [index, value] of history.entries()) {
    if (value === null) {
      pen = 'M';
      continue;
    }
    const y = height - Math.min(1, value / most) * height;
    path += `${pen}${((first + index) * step).toFixed(1)} ${y.toFixed(1)}`;
    pen = 'L';
  }
  return path;
}

/** A CPU and its parts, as people read them. */
export function formatCpus(share: number | null | undefined): string {
  if (share == null) return '–';
  return say('cpus', { count: share < 0.005 ? 0 : share.toFixed(2) });
}
