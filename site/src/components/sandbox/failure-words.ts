// Why what was asked of a running machine was not done, and what that means for the machine.
import { type Problem, RequestFailed } from './api.ts';
import { asSentence } from './format.ts';
import { say } from './words.ts';

/** One or two sentences. `cancelled`: the reader called it off meanwhile. */
export function failureInWords(error: unknown, cancelled: boolean): string {
  const problem: Problem =
    error instanceof RequestFailed
      ? error.problem
      : { code: 'failed', message: error instanceof Error ? error.message : String(error), retryAt: null };
  const reason = asSentence(problem.message);
  switch (problem.code) {
    case 'unreachable':
    case 'too_slow':
      return say('failed.unanswered');
    case 'no_host':
      return say('failed.noHost', { reason });
    case 'not_found':
    case 'conflict':
    case 'unsupported':
    case 'bad_request':
    case 'rate':
      return reason;
    default:
      return cancelled ? say('failed.calledOff') : say('failed.runsOn', { reason });
  }
}
