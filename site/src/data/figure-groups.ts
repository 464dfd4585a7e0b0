// The parts of the page of figures, in order, and what each is about.
import type { Figure } from '../facts/schemas.ts';

export const figureGroups: Record<Figure['group'], { label: string; says: string }> = {
  overhead: {
    label: 'What a wall costs while it stands',
    says: 'Speed in a partition, against the same machine without.',
  },
  start: {
    label: 'How long it takes to begin',
    says: 'From a call to something that runs. Each counts from and to its own points.',
  },
  density: { label: 'How many fit', says: 'Memory of one, or how many were put on a machine.' },
  migration: {
    label: 'How long it stands still while it moves',
    says: 'Moving a virtual machine that runs.',
  },
  market: { label: 'Who sold them', says: 'What customers paid for, in the bazaar.' },
  security: { label: 'What is in the boxes', says: 'Holes that were known in images of containers.' },
};
