// What terminals say: the lines under them, their tabs and keys, and who else looks.
import english from '../../content/live/en/terminal.json' with { type: 'json' };
import { speaker } from '../../words/words.ts';

export const say = speaker(
  english,
  import.meta.glob('../../content/live/*/terminal.json', { eager: true, import: 'default' }),
);
