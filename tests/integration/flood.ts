// Ten megabytes and numbered lines through a terminal, to count every byte of.
import { createHash } from 'node:crypto';
import { patiently } from '../patience.ts';
import type { RemoteTerminal } from './learner.ts';

export const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Prints 10 MB with newlines as they are and gives them back; the marks are typed in halves. */
export async function tenMegabytes(screen: RemoteTerminal) {
  typeFlood(screen);
  await screen.see(/begin:/);
  await screen.seeBytes(screen.length + FLOOD - 1_000_000, patiently(120_000));
  await screen.see(/:end/, patiently(60_000));
  const all = screen.output;
  return all.subarray(all.indexOf('begin:') + 6, all.lastIndexOf(':end'));
}

const FLOOD = 10_000_000;

export function typeFlood(screen: RemoteTerminal, { before = 'true', after = 'true' } = {}) {
  const print = `yes 0123456789abcde | head -c ${FLOOD}`;
  const flood = `stty -onlcr; printf 'be''gin:'; ${print}; printf ':e''nd'; stty onlcr; echo`;
  screen.type(`${before}; ${flood}; ${after}\n`);
}
export const expected = sha256(Buffer.from('0123456789abcde\n'.repeat(625_000)));

/** The numbers of all `line-N` that were printed. */
export const linesIn = (text: string) =>
  [...text.matchAll(/line-(\d+)\r/g)].map(([, number]) => Number(number));
