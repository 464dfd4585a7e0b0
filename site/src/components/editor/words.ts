// What the editor says: of its files, of what is saved, and of two versions of one.
import english from '../../content/live/en/editor.json' with { type: 'json' };
import { speaker } from '../../words/words.ts';

export const say = speaker(
  english,
  import.meta.glob('../../content/live/*/editor.json', { eager: true, import: 'default' }),
);
