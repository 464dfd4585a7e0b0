// Proves a lab on real machines, as a learner who knows every solution: a check says no until its step is done and yes
// afterwards, and a machine that begins again is as it was.

import type { Lab } from '../../sandbox-server/src/labs/lab.ts';
import { machinesWithFiles } from '../../sandbox-server/src/labs/lab.ts';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import type { Check, Ran, Sandbox, SandboxEvent } from '../../sandbox-server/src/protocol/api.ts';
import { sandboxSchema } from '../../sandbox-server/src/protocol/api.ts';
import { patiently } from '../patience.ts';
import type { ApiUser } from './api-user.ts';
import type { Events } from './events.ts';

export interface StepProof {
  step: string;
  machine: string;
  /** Where that machine was put: "host" or "tab", or the VM that it is in, or that it is. */
  where: string;
  /** What the check said was missing, before. */
  missing: string;
  /** Milliseconds from asking to the verdict, and of the solution. */
  checkMs: number;
  solveMs: number;
}

/** What is wrong with the lab; the message begins with the file at fault, from the lab's folder on, and says what was expected
 * of it. */
export class NotProved extends Error {
  override name = 'NotProved';
}

/** Throws NotProved, or whatever went wrong with what answers. `told` hears each step as it is proved. */
export async function proveLab(
  learner: ApiUser,
  lab: Lab,
  told: (proof: StepProof) => void = () => {},
): Promise<StepProof[]> {
  const wish = { lab: lab.slug, columns: 80, rows: 24 };
  const { status, body } = await learner.ask('POST', apiPaths.sandboxes, wish);
  if (status >= 400) throw new Error(`no sandbox for ${lab.slug}: ${status} ${JSON.stringify(body)}`);
  const sandbox = sandboxSchema.parse(body);
  const events = await learner.follow(sandbox.id);
  try {
    return await new Run(learner, sandbox, events, lab).prove(told);
  } finally {
    events.close();
    await learner.end(sandbox.id);
  }
}

class Run {
  readonly #learner: ApiUser;
  readonly #sandbox: Sandbox;
  readonly #events: Events;
  readonly #lab: Lab;

  constructor(learner: ApiUser, sandbox: Sandbox, events: Events, lab: Lab) {
    this.#learner = learner;
    this.#sandbox = sandbox;
    this.#events = events;
    this.#lab = lab;
  }

  async prove(told: (proof: StepProof) => void): Promise<StepProof[]> {
    const { steps } = this.#lab;
    await this.#stand();
    const missing = new Map<string, string>();
    for (const { id } of steps) missing.set(id, await this.#expectMissing(id, 'on a fresh machine'));
    const proofs: StepProof[] = [];
    for (const [index, { id, machine }] of steps.entries()) {
      const solveMs = await this.#solve(id);
      const begun = performance.now();
      const verdict = await this.#check(id);
      if (verdict.state !== 'done')
        throw new NotProved(
          `steps/${id}/check: expected yes after the solution of the step; it says ${verdict.state}: ${verdict.reason}`,
        );
      const checkMs = performance.now() - begun;
      const next = steps[index + 1];
      if (next) await this.#expectMissing(next.id, `after ${id} was solved`);
      const where = this.#where(machine);
      const proof = { step: id, machine, where, missing: missing.get(id) ?? '', checkMs, solveMs };
      proofs.push(proof);
      told(proof);
    }
    await this.#reset();
    for (const { id } of steps) await this.#expectMissing(id, 'after a reset');
    return proofs;
  }

  #name(step: string): string {
    return `${this.#lab.slug}, step ${step}`;
  }

  #where(name: string): string {
    const machine = this.#sandbox.machines.find((one) => one.name === name);
    if (machine?.kind === 'vm') return 'VM';
    return machine?.where.depth === 'vm' ? `in ${machine.where.vm}` : (machine?.where.depth ?? '');
  }

  /** Resolves when every machine runs and has the lab's files. */
  async #stand(): Promise<void> {
    for (const { name } of this.#sandbox.machines)
      await this.#learner.waitFor(this.#sandbox.id, name, 'running');
    const last = this.#lab.files.at(-1);
    for (const name of last ? machinesWithFiles(this.#lab) : []) {
      const path = `${apiPaths.files(this.#sandbox.id, name)}?path=${encodeURIComponent(last?.path ?? '')}`;
      const end = performance.now() + patiently(60_000);
      while ((await this.#learner.ask('GET', path)).status >= 400) {
        if (performance.now() > end) throw new Error(`${last?.path} is not in ${name}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  async #check(step: string): Promise<Check> {
    const from = performance.now();
    const { status, body } = await this.#learner.ask('POST', apiPaths.check(this.#sandbox.id, step));
    if (status >= 400) throw new Error(`${this.#name(step)} cannot be checked: ${JSON.stringify(body)}`);
    const settled = ({ event, data }: SandboxEvent) =>
      event === 'check' && data.step === step && !['waiting', 'running'].includes(data.state);
    return (await this.#events.when(settled, `verdict on ${this.#name(step)}`, from)).event.data as Check;
  }

  async #expectMissing(step: string, when: string): Promise<string> {
    const { state, reason } = await this.#check(step);
    if (state === 'missing') return reason ?? '';
    const said = state === 'done' ? 'says yes' : `fails: ${reason}`;
    throw new NotProved(`steps/${step}/check: expected no ${when}; it ${said}`);
  }

  async #solve(step: string): Promise<number> {
    const from = performance.now();
    const { status, body } = await this.#learner.ask('POST', apiPaths.solve(this.#sandbox.id, step));
    const ran = body as Ran;
    if (status < 400 && ran.status === 0 && !ran.timedOut) return performance.now() - from;
    const why =
      status < 400
        ? `${ran.timedOut ? 'does not end in time' : `ends with ${ran.status}`}:\n${ran.stdout}${ran.stderr}`
        : `cannot be run: ${JSON.stringify(body)}`;
    throw new NotProved(`steps/${step}/solve: expected it to end with 0; it ${why}`);
  }

  /** As the page's "begin again" does: every machine that the learner asked for, the VMs before what is in them. */
  async #reset(): Promise<void> {
    const own = this.#sandbox.machines.filter(({ carrier }) => !carrier);
    const order = own.toSorted((a, b) => Number(b.kind === 'vm') - Number(a.kind === 'vm'));
    for (const { name } of order) {
      const { status, body } = await this.#learner.ask('POST', apiPaths.restart(this.#sandbox.id, name), {});
      if (status >= 400) throw new Error(`${name} cannot begin again: ${JSON.stringify(body)}`);
      await this.#learner.waitFor(this.#sandbox.id, name, 'running');
    }
    await this.#stand();
  }
}
