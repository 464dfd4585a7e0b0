// What is measured on the reader's own server, and how.
import english from '../../content/live/en/figures.json' with { type: 'json' };
import { speaker } from '../../words/words.ts';

export const say = speaker(
  english,
  import.meta.glob('../../content/live/*/figures.json', { eager: true, import: 'default' }),
);
