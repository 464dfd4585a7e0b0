// What is said of a request without an answer: by pages, too, that only ask and show no machine.
import english from '../../content/live/en/request.json' with { type: 'json' };
import { speaker } from '../../words/words.ts';

export const say = speaker(
  english,
  import.meta.glob('../../content/live/*/request.json', { eager: true, import: 'default' }),
);
