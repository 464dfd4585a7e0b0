import { describe, expect, it } from 'vitest';
import { describeKind, type KindName, kindOf, kinds } from '../../data/kinds.ts';
import { glyphDrawing } from './geometry.ts';

const parts = (name: KindName) =>
  [
    ...new Set(glyphDrawing(kindOf(name), 64).strokes.map((stroke) => `${stroke.part} ${stroke.level}`)),
  ].sort();

describe('the glyph', () => {
  it('gives a container three walls and leaves its bottom to the shared deck', () => {
    expect(parts('container')).toEqual(['names own', 'privileges own', 'quantities own']);
  });

  it('gives a virtual machine a deck of its own', () => {
    expect(parts('vm')).toContain('faults own');
  });

  it('gives only the hardware partition a hull', () => {
    const withHull = (Object.keys(kinds) as KindName[]).filter((name) => parts(name).includes('hull own'));
    expect(withHull).toEqual(['hardware']);
  });

  it('draws no wall that the data does not claim', () => {
    for (const name of Object.keys(kinds) as KindName[]) {
      const { walls } = kindOf(name);
      for (const stroke of glyphDrawing(kindOf(name), 16).strokes) {
        if (stroke.part !== 'hull') expect(walls[stroke.part], `${name} ${stroke.part}`).toBe(stroke.level);
      }
    }
  });

  it('stays inside its square, so that icons in a row line up', () => {
    for (const name of Object.keys(kinds) as KindName[]) {
      for (const stroke of glyphDrawing(kindOf(name), 64).strokes) {
        const numbers = [...stroke.path.matchAll(/[MHVQ]([\d. -]+)/g)].flatMap((match) =>
          (match[1] ?? '').trim().split(' ').map(Number),
        );
        for (const number of numbers) expect(number).toBeGreaterThanOrEqual(0);
        for (const number of numbers) expect(number).toBeLessThanOrEqual(64);
      }
    }
  });

  it('says in words what it shows', () => {
    expect(describeKind('chroot')).toBe('chroot: partly own names, quantities, privileges; shared faults');
  });
});
