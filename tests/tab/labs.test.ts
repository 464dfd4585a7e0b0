// A lab on the Linux in the tab: as on a server, each check says no on a fresh machine and yes after its solution, and
// machines that begin again are as they were. One lab here; `npm run lab -- test --tab` proves all of them.
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadLab } from '../../sandbox-server/src/labs/load.ts';
import { proveLab } from '../integration/lab-proof.ts';
import { readImage } from './place.ts';
import { PATIENCE, TabPage } from './tab-page.ts';

/** The one that asks the least of a processor. */
const SAMPLE = join(import.meta.dirname, '../../labs/only-a-process');

it('a lab is proved on the Linux in the tab', { timeout: 4 * PATIENCE }, async () => {
  const lab = loadLab(SAMPLE);
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
