// Proves the lab in a folder on machines of its own, and prints a table: run by `npm run lab -- test`, as root.
import { basename, dirname } from 'node:path';
import { loadLab } from '../sandbox-server/src/labs/load.ts';
import { NotProved, proveLab, type StepProof } from '../tests/integration/lab-proof.ts';
import { startStack } from '../tests/integration/stack.ts';

const folder = process.argv[2] ?? '';
const lab = loadLab(folder);
const width = Math.max(...lab.steps.map(({ id }) => id.length), 4);
const row = (step: string, machine: string, where: string, check: string, solve: string, missing: string) =>
  console.log(
    `${step.padEnd(width)}  ${machine.padEnd(8)}  ${where.padEnd(10)} ${check.padStart(9)} ${solve.padStart(9)}  ${missing}`,
  );
const ms = (value: number) => `${value.toFixed(0)} ms`;
const print = ({ step, machine, where, checkMs, solveMs, missing }: StepProof) =>
  row(step, machine, where, ms(checkMs), ms(solveMs), missing);

const stack = await startStack({ server: ['--labs', dirname(folder)] });
try {
  row('step', 'machine', 'where', 'check', 'solve', 'what the check says before');
  const proofs = await proveLab(stack.url, lab, print);
  const total = proofs.reduce((sum, { solveMs }) => sum + solveMs, 0);
  console.log(`${basename(folder)} is proved: every step, solved in ${ms(total)}; a reset begins anew.`);
} catch (error) {
  console.error(error instanceof NotProved ? error.message : error);
  process.exitCode = 1;
} finally {
  await stack.stop();
}
