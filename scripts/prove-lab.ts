// Proves the lab in a folder on machines of its own, and prints a table: run by `npm run lab -- test`, as root. Exit status
// 1: it is not proved, and the last line says which file is at fault and what was expected of it.
import { basename, dirname, resolve } from 'node:path';
import { LabError } from '../sandbox-server/src/labs/front-matter.ts';
import { loadLab } from '../sandbox-server/src/labs/load.ts';
import { NotProved, proveLab, type StepProof } from '../tests/integration/lab-proof.ts';
import { startStack } from '../tests/integration/stack.ts';
import { ROOT } from './setup.ts';

const ms = (value: number) => `${value.toFixed(0)} ms`;

async function prove(folder: string): Promise<void> {
  const lab = loadLab(folder);
  const width = Math.max(...lab.steps.map(({ id }) => id.length), 4);
  const row = (step: string, machine: string, where: string, check: string, solve: string, missing: string) =>
    console.log(
      `${step.padEnd(width)}  ${machine.padEnd(8)}  ${where.padEnd(10)} ${check.padStart(9)} ${solve.padStart(9)}  ${missing}`,
    );
  const print = ({ step, machine, where, checkMs, solveMs, missing }: StepProof) =>
    row(step, machine, where, ms(checkMs), ms(solveMs), missing);

  const stack = await startStack({ server: ['--labs', dirname(folder)] });
  try {
    row('step', 'machine', 'where', 'check', 'solve', 'what the check says before');
    const proofs = await proveLab(stack.url, lab, print);
    const total = proofs.reduce((sum, { solveMs }) => sum + solveMs, 0);
    console.log(`${basename(folder)} is proved: every step, solved in ${ms(total)}; a reset begins anew.`);
  } finally {
    await stack.stop();
  }
}

const folder = resolve(process.argv[2] ?? '');
try {
  await prove(folder);
} catch (error) {
  if (error instanceof NotProved) console.error(`${folder}/${error.message}`.replace(`${ROOT}/`, ''));
  else if (error instanceof LabError) console.error(error.message.replace(`${ROOT}/`, ''));
  else console.error(error);
  process.exitCode = 1;
}
