// Every lab of this repository, on real machines: each check says no on a fresh machine and yes after its solution, the
// next one still says no, and machines that begin again are as they were. What can be read without machines (text, tags,
// schema) is a unit test of the site.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lab } from '../../sandbox-server/src/labs/lab.ts';
import { loadLabs } from '../../sandbox-server/src/labs/load.ts';
import { patiently } from '../patience.ts';
import { proveLab } from './lab-proof.ts';
import { Learner } from './learner.ts';
import { type Stack, startStack } from './stack.ts';

const LABS = join(import.meta.dirname, '../../labs');
const { labs, mistakes } = loadLabs(LABS);
const LIMIT_MS = patiently(480_000);

/** Whether it wants a VM here: its own, or one that carries a container which needs what the host may lack. */
const wantsVm = ({ matter }: Lab) =>
  matter.machines.some(({ kind, needs = [] }) => kind === 'vm' || needs.includes('cgroup2')) ||
  (matter.needs ?? []).includes('cgroup2');

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ server: ['--labs', LABS] });
});
afterAll(() => stack.stop());

const prove = (lab: Lab) => async () => {
  try {
    const proofs = await proveLab(await Learner.arrive(stack.url), lab);
    expect(proofs.map(({ step }) => step)).toEqual(lab.steps.map(({ id }) => id));
    for (const { missing } of proofs) expect(missing).toMatch(/^[A-Z/].*[.)]$/);
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${stack.report()}`);
  }
};

test('no lab has a mistake', () => {
  expect(mistakes.map(({ message }) => message)).toEqual([]);
});

const all = [...labs.values()];

describe('a lab in containers is proved, beside the others:', () => {
  for (const lab of all.filter((lab) => !wantsVm(lab)))
    test.concurrent(lab.matter.title, { timeout: LIMIT_MS }, prove(lab));
});

// A processor that is emulated is a processor of the host: one after the other.
describe('a lab with a VM is proved:', () => {
  for (const lab of all.filter(wantsVm)) test(lab.matter.title, { timeout: LIMIT_MS }, prove(lab));
});
