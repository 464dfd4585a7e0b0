// A lab on the Linux in the tab: as on a server, each check says no on a fresh machine and yes after its solution, and
// machines that begin again are as they were. The first steps of one lab here; every step of every lab by
// `npm run lab -- test --tab`.
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadLab } from '../../sandbox-server/src/labs/load.ts';
import { proveLab } from '../integration/lab-proof.ts';
import { readImage } from './place.ts';
import { PATIENCE, TabPage } from './tab-page.ts';

/** One that asks little of a processor, and how far. */
const SAMPLE = join(import.meta.dirname, '../../labs/only-a-process');
const STEPS = 2;

it('a lab is proved on the Linux in the tab', { timeout: 4 * PATIENCE }, async () => {
  const whole = loadLab(SAMPLE);
  const lab = { ...whole, steps: whole.steps.slice(0, STEPS) };
  const page = new TabPage({ image: readImage(), lab: async () => lab });
  try {
    const proofs = await proveLab(page, lab);
    expect(proofs.map(({ step, where }) => `${step} in the ${where}`)).toEqual(
      lab.steps.map(({ id }) => `${id} in the tab`),
    );
  } finally {
    page.close();
  }
});
