// What each measure of the reader's own machine is called, and how it was taken.
import type { OwnMeasureName } from './own-measures.ts';
import { say } from './words.ts';

interface MeasureWords {
  what: string;
  /** Under a bar of a chart. */
  label: string;
  how: string;
}

export const ownMeasureWords: Readonly<Record<OwnMeasureName, MeasureWords>> = {
  'container-start': { what: say('start'), label: say('here.container'), how: say('start.container') },
  'vm-start': { what: say('start'), label: say('here.vm'), how: say('start.vm') },
  'container-memory': { what: say('memory'), label: say('here.container'), how: say('memory.container') },
  'vm-memory': { what: say('memory'), label: say('here.vm'), how: say('memory.vm') },
  'container-call': { what: say('call'), label: say('here.container'), how: say('call.container') },
  'vm-call': { what: say('call'), label: say('here.vm'), how: say('call.vm') },
  'vm-move': { what: say('move'), label: say('here.move'), how: say('move.how') },
  'vm-pause': { what: say('pause'), label: say('here.pause'), how: say('pause.how') },
};
