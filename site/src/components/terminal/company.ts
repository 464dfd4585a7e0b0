// Who else has a terminal open, in words.
import type { TerminalViewer } from '@bulkhead/sandbox-server/protocol/frames';

/** One or more sentences about everybody but the reader, and about the reader if they only watch; empty when there is nothing
 * to say. */
export function describeCompany(company: readonly TerminalViewer[]): string {
  const you = company.find((viewer) => viewer.you);
  const others = company.filter((viewer) => !viewer.you);
  const sentences = [...new Set(others.map((other) => describe(other, you)))];
  if (you && !you.types) sentences.unshift('You watch; what you type goes nowhere.');
  return sentences.join(' ');
}

function describe({ as, name, types }: TerminalViewer, you: TerminalViewer | undefined): string {
  const does = types ? 'can type here' : 'watches';
  // A learner's windows are all the learner's own.
  if (as === 'learner' && you?.as === 'learner') {
    return types ? 'Another window of yours can type here.' : 'Another window of yours shows this.';
  }
  return `${as === 'instructor' ? 'Instructor' : 'Learner'}${name && ` ${name}`} ${does}.`;
}
