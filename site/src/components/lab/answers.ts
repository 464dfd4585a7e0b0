// Whether a typed answer is the right one.

/** Spaces, case, and the kinds of spaces and dashes that keyboards and pages make of each other, do not count. */
const plain = (text: string) =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\u2010-\u2015\u2212]/g, '-')
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/[.]$/, '');

export const judge = (answer: string, right: readonly string[]): boolean =>
  right.some((one) => plain(one) === plain(answer));
