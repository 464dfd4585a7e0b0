// What is said of the Linux in the tab: what it costs, how far it is, and what it is made of.
import english from '../../content/live/en/tab.json' with { type: 'json' };
import { speaker } from '../../words/words.ts';

export const say = speaker(
  english,
  import.meta.glob('../../content/live/*/tab.json', { eager: true, import: 'default' }),
);
