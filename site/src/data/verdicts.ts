// What became of a claim of 2013: the words and the colours of the four verdicts.
import type { Verdict } from '../facts/schemas.ts';

export const verdictFacts: Record<Verdict, { label: string; says: string; colour: string }> = {
  right: { label: 'right', says: 'as it stands', colour: 'zone' },
  nuance: { label: 'right, with a nuance', says: 'and something must be added', colour: 'limits' },
  partly: { label: 'partly', says: 'half of it holds', colour: 'chroot' },
  wrong: { label: 'wrong', says: 'and was so then', colour: 'hardware' },
};
