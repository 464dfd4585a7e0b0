import { expect, test } from 'vitest';
import { plainText } from './plain-text.ts';

test('what machines call things is shown as it is, in any language', () => {
  for (const text of ['notes.txt', 'Grüße, 世界', 'שלום', '<b>&amp;', '👩\u200d🔧'])
    expect(plainText(text)).toBe(text);
});

test('what would not be seen, or would turn what stands beside it, is spelt out', () => {
  expect(plainText('a\x1b]0;owned\x07b\n')).toBe('a␛]0;owned␇b␊');
  expect(plainText('photo\u202egpj.exe')).toBe('photo⟨U+202E⟩gpj.exe');
  expect(plainText('\x7f\x9b2J\u2066\u2028\u{e0041}')).toBe('␡⟨U+009B⟩2J⟨U+2066⟩⟨U+2028⟩⟨U+E0041⟩');
});
