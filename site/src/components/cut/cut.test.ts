import { describe, expect, it } from 'vitest';
import { draw, linesOf, type Piece, widths } from './cut.ts';

const piece: Piece = {
  around: 'one machine',
  piece: {
    stack: [
      {
        row: [
          { room: 'a container', kind: 'container', says: 'with a longer line under it that must be broken' },
          { room: 'a virtual machine', kind: 'vm' },
        ],
        breaks: true,
      },
      { layer: 'kernel', tone: 'kernel' },
    ],
  },
};

describe('a drawing of a cut machine', () => {
  it.each(Object.entries(widths))('keeps everything inside itself (%s)', (_, width) => {
    const drawing = draw(piece, width);
    for (const { x, y, width: wide, height } of drawing.shapes) {
      expect(x).toBeGreaterThanOrEqual(0);
      expect(y).toBeGreaterThanOrEqual(0);
      expect(x + wide).toBeLessThanOrEqual(drawing.width);
      expect(y + height).toBeLessThanOrEqual(drawing.height);
    }
    for (const { x, y, words, size, anchor } of drawing.texts) {
      const width = words.length * size * 0.53;
      const left = anchor === 'middle' ? x - width / 2 : x;
      expect(left).toBeGreaterThanOrEqual(0);
      expect(left + width).toBeLessThanOrEqual(drawing.width);
      expect(y).toBeLessThanOrEqual(drawing.height);
    }
  });

  it('puts rooms side by side where there is room, and on top of each other where not', () => {
    const rooms = (width: number) => draw(piece, width).shapes.filter(({ tone }) => tone === 'inside');
    const [left, right] = rooms(widths.wide);
    expect(right?.x).toBeGreaterThan((left?.x ?? 0) + (left?.width ?? 0));
    expect(left?.y).toBe(right?.y);
    const [upper, lower] = rooms(widths.narrow);
    expect(lower?.y).toBeGreaterThan((upper?.y ?? 0) + (upper?.height ?? 0));
  });

  it('gives only the virtual machine a deck of its own', () => {
    const decks = draw(piece, widths.wide).strokes.filter(({ part }) => part === 'faults');
    expect(decks.map(({ kind }) => kind)).toEqual(['vm']);
  });

  it('breaks words into lines', () => {
    expect(linesOf('one two three', 70, 13)).toEqual(['one two', 'three']);
    expect(linesOf('incomprehensibilities', 30, 13)).toEqual(['incomprehensibilities']);
  });
});
