// What the machine in the tab says of itself, fetched with it: why there is none, how its download fares, what is kept of it.
import english from '../content/live/en/in-tab.json' with { type: 'json' };
import { speaker } from '../words/words.ts';

export const say = speaker(
  english,
  import.meta.glob('../content/live/*/in-tab.json', { eager: true, import: 'default' }),
);
