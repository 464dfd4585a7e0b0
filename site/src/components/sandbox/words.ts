// What is said of a sandbox: notices, and the queue.
import english from '../../content/live/en/sandbox.json' with { type: 'json' };
import { speaker } from '../../words/words.ts';

export const say = speaker(
  english,
  import.meta.glob('../../content/live/*/sandbox.json', { eager: true, import: 'default' }),
);
