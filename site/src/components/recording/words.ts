// What the player of recordings says.
import english from '../../content/live/en/recording.json' with { type: 'json' };
import { speaker } from '../../words/words.ts';

export const say = speaker(
  english,
  import.meta.glob('../../content/live/*/recording.json', { eager: true, import: 'default' }),
);
