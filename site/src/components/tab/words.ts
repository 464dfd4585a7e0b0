// What every page says that may offer the Linux in the tab: what it costs, what it lacks, how far it is.
import english from '../../content/live/en/tab.json' with { type: 'json' };
import { speaker } from '../../words/words.ts';

export const say = speaker(
  english,
  import.meta.glob('../../content/live/*/tab.json', { eager: true, import: 'default' }),
);
