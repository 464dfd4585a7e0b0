// The code that takes a learner's progress to another browser: written down, typed in, never guessed.
import { createHash } from 'node:crypto';
import { ALPHABET, asWritten, randomCharacters } from './handwriting.ts';

const SECRET_LENGTH = 19;

/** A new code, such as `7K2QM-…`: four groups of five. 95 random bits, and one character that tells a slip of the pen. */
export function newRecoveryCode(): string {
  const secret = randomCharacters(SECRET_LENGTH);
  return (secret + checkCharacter(secret)).replace(/.{5}(?=.)/g, '$&-');
}

/** What somebody typed, as the code that was written down: case, blanks, hyphens and the look-alikes of 0 and 1 do not
 * matter. Null when it cannot be a code. */
export function readRecoveryCode(typed: string): string | null {
  const plain = asWritten(typed);
  if (plain?.length !== SECRET_LENGTH + 1) return null;
  const secret = plain.slice(0, SECRET_LENGTH);
  return plain.endsWith(checkCharacter(secret)) ? plain.replace(/.{5}(?=.)/g, '$&-') : null;
}

/** What is kept of a code: enough to know it again, of no use to a thief of the database. 95 random bits need no slow
 * hash: there is no dictionary of them. */
export function digestOf(code: string): Uint8Array {
  return createHash('sha256').update(`bulkhead recovery code ${code}`).digest();
}

/** The sum of the characters, each weighted by an odd number for its place: one wrong character always changes it, because
 * an odd weight has an inverse modulo 32; two neighbours swapped change it unless they are 16 apart. */
function checkCharacter(secret: string): string {
  let sum = 0;
  for (const [index, character] of [...secret].entries())
    sum += (2 * index + 1) * ALPHABET.indexOf(character);
  return ALPHABET[sum % ALPHABET.length] ?? '';
}
