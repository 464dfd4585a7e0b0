// Text that a machine made up (file names, command lines, titles) as a page shows it: every character stands for itself.

/** Control characters, what turns the direction of writing, line breaks that are none of ours, and invisible tags. */
const unplain = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\u{e0000}-\u{e007f}]/gu;

/** The same text with what would not be seen, or would change how its neighbours are read, spelt out: ␛ or ⟨U+202E⟩. */
export function plainText(text: string): string {
  return text.replace(unplain, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    return code === 0x7f ? '\u2421' : `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
  });
}
