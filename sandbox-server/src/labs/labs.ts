// The labs of this server, and who is doing which.
import { availableParallelism } from 'node:os';
import type { Logger } from 'pino';
import { metrics } from '../metrics/metrics.ts';
import type { Learners } from '../people/learners.ts';
import { messageOf, Problem } from '../problem.ts';
import type { Sandbox } from '../sandboxes/sandbox.ts';
import type { Sandboxes } from '../sandboxes/sandboxes.ts';
import { Gate } from './gate.ts';
import type { Lab } from './lab.ts';
import type { Loaded } from './load.ts';
import { LabRun, type RunContext } from './run.ts';

export interface LabsOptions extends Loaded {
  sandboxes: Sandboxes;
  learners: Learners;
  log: Logger;
}

export class Labs {
  readonly #labs: ReadonlyMap<string, Lab>;
  readonly #context: RunContext;
  readonly #runs = new Map<string, LabRun>();
  readonly #leave: () => void;

  constructor({ labs, mistakes, sandboxes, learners, log }: LabsOptions) {
    this.#labs = labs;
    // A check is a few milliseconds of a processor: as many at once as there are, and learners in turn.
    this.#context = { gate: new Gate(Math.max(2, availableParallelism())), learners, log, metrics };
    for (const { message } of mistakes) log.error({ reason: message }, 'a lab has a mistake');
    sandboxes.furnish = (sandbox) => this.#begin(sandbox);
    this.#leave = sandboxes.found.add((sandbox) => {
      if (sandbox.lab === null || !this.#labs.has(sandbox.lab)) return;
      void this.#open(sandbox, this.get(sandbox.lab)).begin(false);
    });
  }

  all(): Lab[] {
    return [...this.#labs.values()];
  }

  /** Throws Problem `not_found`. */
  get(slug: string): Lab {
    const lab = this.#labs.get(slug);
    if (!lab) throw new Problem('not_found', `There is no lab ${slug} here.`);
    return lab;
  }

  /** A sandbox was made for a lab: puts its files in place. */
  async #begin(sandbox: Sandbox): Promise<void> {
    try {
      await this.#open(sandbox, this.get(sandbox.lab ?? '')).begin(true);
    } catch (error) {
      throw new Problem('failed', `The lab's files cannot be put in place: ${messageOf(error)}.`);
    }
  }

  /** The run that a sandbox was made for. Throws Problem `conflict` where there is none. */
  runOf(sandbox: Sandbox): LabRun {
    const run = this.#runs.get(sandbox.id);
    if (run) return run;
    if (sandbox.lab === null)
      throw new Problem('conflict', 'This sandbox was not made for a lab: it has no steps.');
    throw new Problem('conflict', `The lab ${sandbox.lab} is not here any more.`);
  }

  close(): void {
    this.#leave();
    for (const run of this.#runs.values()) run.close();
    this.#runs.clear();
  }

  #open(sandbox: Sandbox, lab: Lab): LabRun {
    const run = new LabRun(sandbox, lab, this.#context);
    this.#runs.set(sandbox.id, run);
    sandbox.ends.add(() => this.#runs.delete(sandbox.id));
    return run;
  }
}
