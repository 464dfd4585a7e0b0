// What the reader's own launch says beside the guide to one.
import english from '../../content/live/en/made.json' with { type: 'json' };
import { speaker } from '../../words/words.ts';

export const say = speaker(
  english,
  import.meta.glob('../../content/live/*/made.json', { eager: true, import: 'default' }),
);
