// Proves the lab in a folder on machines of its own, and prints a table: run by `npm run lab -- test`, as root; with `--tab`,
// on the Linux in the tab, as anybody who can read its image.
import { basename, dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { loadLab } from '../sandbox-server/src/labs/load.ts';
import type { ApiUser } from '../tests/integration/api-user.ts';
import { NotProved, proveLab, type StepProof } from '../tests/integration/lab-proof.ts';
import { Learner } from '../tests/integration/learner.ts';
import { startStack } from '../tests/integration/stack.ts';

const { values, positionals } = parseArgs({ options: { tab: { type: 'boolean' } }, allowPositionals: true });
const folder = positionals[0] ?? '';
const lab = loadLab(folder);
const width = Math.max(...lab.steps.map(({ id }) => id.length), 4);
const row = (step: string, machine: string, where: string, check: string, solve: string, missing: string) =>
  console.log(
    `${step.padEnd(width)}  ${machine.padEnd(8)}  ${where.padEnd(10)} ${check.padStart(9)} ${solve.padStart(9)}  ${missing}`,
  );
const ms = (value: number) => `${value.toFixed(0)} ms`;
const print = ({ step, machine, where, checkMs, solveMs, missing }: StepProof) =>
  row(step, machine, where, ms(checkMs), ms(solveMs), missing);

/** Who asks for machines, and how they end. */
async function place(): Promise<{ learner: ApiUser; stop: () => unknown }> {
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

const { learner, stop } = await place();
try {
  row('step', 'machine', 'where', 'check', 'solve', 'what the check says before');
  const proofs = await proveLab(learner, lab, print);
  const total = proofs.reduce((sum, { solveMs }) => sum + solveMs, 0);
  console.log(`${basename(folder)} is proved: every step, solved in ${ms(total)}; a reset begins anew.`);
} catch (error) {
  console.error(error instanceof NotProved ? error.message : error);
  process.exitCode = 1;
} finally {
  await stop();
}
