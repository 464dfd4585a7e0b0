// Codes that people write down and type again.
import { randomInt } from 'node:crypto';

/** Crockford's base 32: no I, L, O or U, so that what is read from paper or a wall is typed as it was meant. */
export const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
/** Longer cannot be a code, and is not looked at. */
const LONGEST = 200;

export function randomCharacters(length: number): string {
  return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}

/** What somebody typed as it was written: case, blanks, hyphens and the look-alikes of 0 and 1 do not matter. Null when
 * there is anything else in it. */
export function asWritten(typed: string): string | null {
  if (typed.length > LONGEST) return null;
  const plain = typed.toUpperCase().replace(/[\s-]/g, '').replaceAll('O', '0').replace(/[IL]/g, '1');
  return [...plain].every((character) => ALPHABET.includes(character)) ? plain : null;
}
