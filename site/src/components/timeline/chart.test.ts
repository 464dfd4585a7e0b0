import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readFacts } from '../../facts/facts.ts';
import { eraRows, percent, plan, size, span } from './chart.ts';

const facts = readFacts(join(import.meta.dirname, '../../content/facts'));
const entries = [...facts.timeline].map(([id, data]) => ({ id, data }));

describe('the chart of the timeline', () => {
  const { placed, rivers, height } = plan(entries);

  it('shows every entry once, in order of time', () => {
    expect(placed.map(({ id }) => id).sort()).toEqual(entries.map(({ id }) => id).sort());
    const years = placed.map(({ year }) => year);
    expect(years).toEqual([...years].sort((one, other) => one - other));
  });

  it('lays no glyph on another, at its narrowest', () => {
    const pixels = (x: number) => (x / 100) * size.width;
    for (const one of placed) {
      for (const other of placed) {
        if (one.id >= other.id || one.y !== other.y) continue;
        expect(Math.abs(pixels(one.x) - pixels(other.x)), `${one.id} and ${other.id}`).toBeGreaterThan(
          size.glyph,
        );
      }
    }
  });

  it('keeps everything inside its edges, and rivers apart', () => {
    for (const { x, y } of placed) {
      expect(x).toBeGreaterThan(0);
      expect(x).toBeLessThan(100);
      expect(y).toBeLessThan(height);
    }
    for (const [index, river] of rivers.entries()) {
      const next = rivers[index + 1];
      if (next) expect(next.y).toBeGreaterThanOrEqual(river.y + river.height);
    }
    expect(percent(span.from)).toBe(0);
    expect(percent(span.to)).toBe(100);
  });

  it('puts eras that overlap in different rows', () => {
    expect(
      eraRows([
        { from: 1, to: 5 },
        { from: 4, to: 8 },
        { from: 5, to: 9 },
      ]).map(({ row }) => row),
    ).toEqual([0, 1, 0]);
  });
});
