// Proves the lab in a folder on machines of its own, and prints a table: run by `npm run lab -- test`, as root; with `--tab`,
// on the Linux in the tab, as anybody who can read its image. Exit status 1: it is not proved, and the last line says which
// file is at fault and what was expected of it.
import { basename, dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { LabError } from '../sandbox-server/src/labs/front-matter.ts';
import type { Lab } from '../sandbox-server/src/labs/lab.ts';
import { loadLab } from '../sandbox-server/src/labs/load.ts';
import type { ApiUser } from '../tests/integration/api-user.ts';
import { NotProved, proveLab, type StepProof } from '../tests/integration/lab-proof.ts';
import { Learner } from '../tests/integration/learner.ts';
import { startStack } from '../tests/integration/stack.ts';
import { ROOT } from './setup.ts';

const { values, positionals } = parseArgs({ options: { tab: { type: 'boolean' } }, allowPositionals: true });
const folder = resolve(positionals[0] ?? '');
const ms = (value: number) => `${value.toFixed(0)} ms`;

/** Who asks for machines, and how they end. */
async function place(lab: Lab): Promise<{ learner: ApiUser; stop: () => unknown }> {
  if (!values.tab) {
    const stack = await startStack({ server: ['--labs', dirname(folder)] });
    return { learner: await Learner.arrive(stack.url), stop: () => stack.stop() };
  }
  // Only here: without an image of the tab these cannot be loaded.
  const [{ TabPage }, { readImage }] = await Promise.all([
    import('../tests/tab/tab-page.ts'),
    import('../tests/tab/place.ts'),
  ]);
  const page = new TabPage({ image: readImage(), lab: async () => lab });
  return { learner: page, stop: () => page.close() };
}

async function prove(lab: Lab): Promise<void> {
  const width = Math.max(...lab.steps.map(({ id }) => id.length), 4);
  const row = (step: string, machine: string, where: string, check: string, solve: string, missing: string) =>
    console.log(
      `${step.padEnd(width)}  ${machine.padEnd(8)}  ${where.padEnd(10)} ${check.padStart(9)} ${solve.padStart(9)}  ${missing}`,
    );
  const print = ({ step, machine, where, checkMs, solveMs, missing }: StepProof) =>
    row(step, machine, where, ms(checkMs), ms(solveMs), missing);

  const { learner, stop } = await place(lab);
  try {
    row('step', 'machine', 'where', 'check', 'solve', 'what the check says before');
    const proofs = await proveLab(learner, lab, print);
    const total = proofs.reduce((sum, { solveMs }) => sum + solveMs, 0);
    console.log(`${basename(folder)} is proved: every step, solved in ${ms(total)}; a reset begins anew.`);
  } finally {
    await stop();
  }
}

try {
  await prove(loadLab(folder));
} catch (error) {
  if (error instanceof NotProved) console.error(`${folder}/${error.message}`.replace(`${ROOT}/`, ''));
  else if (error instanceof LabError) console.error(error.message.replace(`${ROOT}/`, ''));
  else console.error(error);
  process.exitCode = 1;
}
