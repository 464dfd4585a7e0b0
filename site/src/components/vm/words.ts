// What is said of a virtual machine: moving, saving and crashing it, what is inside, and how a machine ended.
import english from '../../content/live/en/vm.json' with { type: 'json' };
import { speaker } from '../../words/words.ts';

export const say = speaker(
  english,
  import.meta.glob('../../content/live/*/vm.json', { eager: true, import: 'default' }),
);
