// What the pages of the Linux in the tab say, beside what every page that offers it does (words.ts).
import english from '../../content/live/en/tab-page.json' with { type: 'json' };
import { speaker } from '../../words/words.ts';

export const say = speaker(
  english,
  import.meta.glob('../../content/live/*/tab-page.json', { eager: true, import: 'default' }),
);
