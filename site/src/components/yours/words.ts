// What is said of what is the reader's own: machines, places in the queue, codes and workshops.
import english from '../../content/live/en/yours.json' with { type: 'json' };
import { speaker } from '../../words/words.ts';

export const say = speaker(
  english,
  import.meta.glob('../../content/live/*/yours.json', { eager: true, import: 'default' }),
);
