// What a ship in section says: its deck, its stores, and all of it for those who do not see it.
import english from '../../content/live/en/section.json' with { type: 'json' };
import { speaker } from '../../words/words.ts';

export const say = speaker(
  english,
  import.meta.glob('../../content/live/*/section.json', { eager: true, import: 'default' }),
);
