// The code on the wall that lets a room join a workshop: short, so it opens nothing but a seat, and guesses are limited
// where it is asked for.
import { asWritten, randomCharacters } from './handwriting.ts';

const LENGTH = 6;

/** A new code, such as `4TRX9B`: 30 random bits. */
export function newJoinCode(): string {
  return randomCharacters(LENGTH);
}

/** What somebody typed, as the code on the wall; null when it cannot be one. */
export function readJoinCode(typed: string): string | null {
  const plain = asWritten(typed);
  return plain?.length === LENGTH ? plain : null;
}
