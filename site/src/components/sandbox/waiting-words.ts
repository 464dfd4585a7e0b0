// What a place in the queue says to a person: words of their own, fetched by who has to wait.
import type { Ticket } from '@bulkhead/sandbox-server/protocol';
import english from '../../content/live/en/waiting.json' with { type: 'json' };
import { speaker } from '../../words/words.ts';

export const say = speaker(
  english,
  import.meta.glob('../../content/live/*/waiting.json', { eager: true, import: 'default' }),
);

/** Marks that are drawn at most; a longer queue is cut before the reader. */
const MOST_MARKS = 16;

/** "The host is full: you are next", "… you are number 3 of 7". */
export function placeInWords({ state, place, waiting }: Pick<Ticket, 'state' | 'place' | 'waiting'>): string {
  if (state !== 'waiting') return say('turn');
  if (place > 1) return say('number', { place, waiting });
  return say(waiting > 1 ? 'nextOf' : 'next', { waiting });
}

/** How long it still takes, as far as anybody knows, and how that is known. */
export function waitInWords({ expectedAt }: Pick<Ticket, 'expectedAt'>, now: number): string {
  if (expectedAt === null) return say('unknown');
  const minutes = Math.round((expectedAt - now) / 60_000);
  if (minutes < 1) return say('withinMinute');
  return say(minutes === 1 ? 'inMinute' : 'inMinutes', { minutes });
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
