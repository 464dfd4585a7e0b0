// What the player of labs says: its bar, its machines and their tools, the foot of each step, its list of keys.
import english from '../../content/live/en/lab.json' with { type: 'json' };
import { speaker } from '../../words/words.ts';

export const say = speaker(
  english,
  import.meta.glob('../../content/live/*/lab.json', { eager: true, import: 'default' }),
);
