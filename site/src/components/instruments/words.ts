// What the instruments say: gauges, processes, namespaces and launches.
import english from '../../content/live/en/instruments.json' with { type: 'json' };
import { speaker } from '../../words/words.ts';

export const say = speaker(
  english,
  import.meta.glob('../../content/live/*/instruments.json', { eager: true, import: 'default' }),
);
