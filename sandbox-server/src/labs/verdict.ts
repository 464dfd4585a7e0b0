// What a check's end means, and what of its output a page is shown.
import type { BrokerResult } from '../protocol/broker.ts';

const REASON_MAX = 300;
const OUTPUT_MAX = 8_192;

export interface Verdict {
  state: 'done' | 'missing' | 'failed';
  reason: string | null;
}

/** Only status 0 is a yes; and only a status that says something about the machine is a no. */
export function verdictOf(ran: BrokerResult<'check'>, timeoutMs: number): Verdict {
  const { status, signal, timed_out, truncated, out_of_memory } = ran;
  if (timed_out) return failed(`The check did not finish in ${timeoutMs / 1_000} s.`);
  // What was killed may have been the tool whose answer was turned round.
  if (out_of_memory)
    return failed('The check ran out of memory: it was given more to read than it can hold.');
  if (signal !== 0) return failed(`The check was ended by signal ${signal}.`);
  if (status === 0) return { state: 'done', reason: null };
  if (status === 126 || status === 127)
    return failed(`The check cannot be run: ${lastLine(ran.stderr) || 'no such command'}`);
  if (truncated) return { state: 'missing', reason: 'It is not done; the check said too much to show why.' };
  const said = lastLine(ran.stdout) || lastLine(ran.stderr);
  return { state: 'missing', reason: said || 'It is not done yet; the check does not say what is missing.' };
}

export function failed(reason: string): Verdict {
  return { state: 'failed', reason: cut(reason) };
}

function lastLine(text: string): string {
  const lines = text.split('\n').map((line) => cut(plain(line).trim()));
  return lines.findLast((line) => line !== '') ?? '';
}

/** The end of what was printed, as text. */
export function plainOutput(text: string): string {
  const clean = text.split('\n').map(plain).join('\n').trimEnd();
  return clean.length > OUTPUT_MAX ? `…${clean.slice(-OUTPUT_MAX)}` : clean;
}

/** Without escape sequences and control characters: it comes from a machine, and is shown outside of any terminal. */
function plain(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
      .replace(/\u001b(\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001b]*(\u0007|\u001b\\)?|[ -/]*[0-~])/g, '')
      .replace(/\t/g, ' ')
      .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '')
  );
}

function cut(text: string): string {
  const characters = [...text];
  return characters.length > REASON_MAX ? `${characters.slice(0, REASON_MAX - 1).join('')}…` : text;
}
