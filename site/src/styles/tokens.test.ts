import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const css = readFileSync(new URL('./tokens.css', import.meta.url), 'utf8');
const pairs = new Map(
  [...css.matchAll(/--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)/g)].map(
    ([, name, light, dark]) => [name ?? '', [light ?? '', dark ?? '']] as const,
  ),
);

/** Relative luminance as WCAG 2.2 defines it. */
function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(first: string, second: string): number {
  const [low = 0, high = 0] = [luminance(first), luminance(second)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

const grounds = ['ground', 'raised', 'sunk'];
const texts = [
  'ink',
  'ink-soft',
  'focus',
  'warn',
  'bad',
  'process',
  'chroot',
  'jail',
  'zone',
  'container',
  'vm',
  'hardware',
  'limits',
  'labels',
];

describe('colours', () => {
  for (const [theme, index] of [
    ['day', 0],
    ['night', 1],
  ] as const) {
    it.each(texts.flatMap((text) => grounds.map((ground) => [text, ground] as const)))(
      `by ${theme}, %s can be read on %s (4.5:1)`,
      (text, ground) => {
        expect(
          contrast(pairs.get(text)?.[index] ?? '', pairs.get(ground)?.[index] ?? ''),
        ).toBeGreaterThanOrEqual(4.5);
      },
    );
    it(`by ${theme}, controls and decks stand out from the ground (3:1)`, () => {
      for (const name of ['line-strong', 'deck']) {
        for (const ground of ['ground', 'raised']) {
          expect(
            contrast(pairs.get(name)?.[index] ?? '', pairs.get(ground)?.[index] ?? ''),
          ).toBeGreaterThanOrEqual(3);
        }
      }
    });
  }
});
