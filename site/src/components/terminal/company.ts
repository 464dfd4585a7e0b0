// Who else has a terminal open, in words.
import type { TerminalViewer } from '@bulkhead/sandbox-server/protocol/frames';
import { say } from './words.ts';

/** One or more sentences about everybody but the reader, and about the reader if they only watch; empty when there is nothing
 * to say. */
export function describeCompany(company: readonly TerminalViewer[]): string {
  const you = company.find((viewer) => viewer.you);
  const others = company.filter((viewer) => !viewer.you);
  const sentences = [...new Set(others.map((other) => describe(other, you)))];
  if (you && !you.types) sentences.unshift(say('company.youWatch'));
  return sentences.join(' ');
}

function describe({ as, name, types }: TerminalViewer, you: TerminalViewer | undefined): string {
  // A learner's windows are all the learner's own.
  if (as === 'learner' && you?.as === 'learner') {
    return say(types ? 'company.yoursTypes' : 'company.yoursShows');
  }
  const sentence = say(`company.${as}${types ? 'Types' : 'Watches'}`, { name });
  // Who gave no name leaves a space behind.
  return sentence.replace(/ {2,}/g, ' ');
}
