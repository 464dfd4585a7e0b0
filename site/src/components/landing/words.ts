// What the first screen says.
import english from '../../content/live/en/landing.json' with { type: 'json' };
import { speaker } from '../../words/words.ts';

export const say = speaker(
  english,
  import.meta.glob('../../content/live/*/landing.json', { eager: true, import: 'default' }),
);
