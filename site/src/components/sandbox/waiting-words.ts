// What a place in the queue says to a person.
import type { Ticket } from '@bulkhead/sandbox-server/protocol';

/** Marks that are drawn at most; a longer queue is cut before the reader. */
const MOST_MARKS = 16;

/** "The host is full: you are next", "… you are number 3 of 7". */
export function placeInWords({ state, place, waiting }: Pick<Ticket, 'state' | 'place' | 'waiting'>): string {
  if (state !== 'waiting') return 'It is your turn: your machines are being made';
  if (place > 1) return `The host is full: you are number ${place} of ${waiting} in the queue`;
  return waiting > 1
    ? `The host is full: you are next, of ${waiting} in the queue`
    : 'The host is full: you are next';
}

/** How long it still takes, as far as anybody knows, and how that is known. */
export function waitInWords({ expectedAt }: Pick<Ticket, 'expectedAt'>, now: number): string {
  if (expectedAt === null) return 'not known yet: too few machines have become free to tell';
  const minutes = Math.round((expectedAt - now) / 60_000);
  const wait =
    minutes < 1 ? 'within a minute' : minutes === 1 ? 'in about a minute' : `in about ${minutes} minutes`;
  return `${wait}, by how often machines have become free in the last half hour`;
}

/** The queue as a row of marks, the next to be let in first. */
export function marksOf({ place, waiting }: Pick<Ticket, 'place' | 'waiting'>): ('other' | 'you' | 'more')[] {
  const all = Array.from(
    { length: waiting },
    (_, index) => (index === place - 1 ? 'you' : 'other') as 'other' | 'you',
  );
  if (all.length <= MOST_MARKS) return all;
  if (place <= MOST_MARKS - 1) return [...all.slice(0, MOST_MARKS - 1), 'more'];
  return [...all.slice(0, MOST_MARKS - 3), 'more', 'you', ...(place < waiting ? (['more'] as const) : [])];
}
