// What the container and the virtual machine side by side say.
import english from '../../content/live/en/compare.json' with { type: 'json' };
import { speaker } from '../../words/words.ts';

export const say = speaker(
  english,
  import.meta.glob('../../content/live/*/compare.json', { eager: true, import: 'default' }),
);
