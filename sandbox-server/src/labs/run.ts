// One learner's run through one lab: checks and solutions of its steps, in the machines of its sandbox.
import type { Logger } from 'pino';
import { BrokerError } from '../broker/client.ts';
import { runCommand } from '../machines/inside.ts';
import type { LearnerMachine } from '../machines/machine.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Learners } from '../people/learners.ts';
import { messageOf, Problem } from '../problem.ts';
import type { Check, Machine, Ran } from '../protocol/api.ts';
import type { Sandbox } from '../sandboxes/sandbox.ts';
import { furnish } from './furnish.ts';
import type { Gate } from './gate.ts';
import { type Lab, machinesWithFiles, type Step } from './lab.ts';
import { Lane } from './lane.ts';
import { failed, plainOutput, type Verdict, verdictOf } from './verdict.ts';

/** How long a check may take. */
const CHECK_MS = 10_000;
/** As often where the processor may be emulated, and where it is by a script in a page: a broker lets nothing take longer. */
const IN_A_VM = 3;
const IN_A_TAB = 6;
const SOLVE_MS = 60_000;
/** Nothing has happened for so long: what was begun in a terminal may be done. */
const QUIET_MS = 300;
/** A step is looked at again this often at most, and while there is no quiet, this often at least. Where a look takes long,
 * less often: the processor that looks may be the one that the learner types on. */
const LOOK_EVERY_MS = 2_000;
const REST = 2;

export interface RunContext {
  gate: Gate;
  learners: Pick<Learners, 'noteDone'>;
  log: Pick<Logger, 'warn'>;
  /** Where checks are counted; nobody counts them in a reader's tab. */
  metrics?: Pick<Metrics, 'noteCheck'>;
}

export class LabRun {
  readonly #sandbox: Sandbox;
  readonly #lab: Lab;
  readonly #context: RunContext;
  readonly #lanes = new Map<string, Lane>();
  readonly #leaves: (() => void)[] = [];
  /** The step that was asked for last: the one that is looked at again when something happens. */
  #at: Step | null = null;
  #stirredAt = 0;
  #lookedAt = 0;
  #lookEveryMs = LOOK_EVERY_MS;
  #look: ReturnType<typeof setTimeout> | null = null;
  /** Machines without the lab's files, by name, and why. */
  readonly #bare = new Map<string, string>();
  #ended = false;

  constructor(sandbox: Sandbox, lab: Lab, context: RunContext) {
    this.#sandbox = sandbox;
    this.#lab = lab;
    this.#context = context;
    this.#leaves.push(
      sandbox.stirs.add(() => this.#stirred()),
      sandbox.ends.add(() => this.close()),
    );
    for (const machine of sandbox.machines) {
      if (machine.view.carrier) machine.closeToLearner();
    }
  }

  /** Puts the lab's files into its machines: resolves when those that run have them; the others get them when they do.
   * `made`: the machines are new, and not found by a server that was started again. Rejects when it cannot be done. */
  async begin(made: boolean): Promise<void> {
    const withFiles = new Set(machinesWithFiles(this.#lab));
    const now: Promise<void>[] = [];
    for (const machine of this.#sandbox.machines) {
      const files = withFiles.has(machine.view.name);
      let empty = made;
      if (empty && files && machine.view.state === 'running') {
        empty = false;
        now.push(furnish(machine, this.#lab));
      }
      const follow = ({ name, state }: Machine) => {
        if (state === 'starting' && !empty) {
          empty = true;
          this.#bare.delete(name);
          this.#sandbox.forgetChecks(name);
        }
        if (state !== 'running' || !empty) return;
        empty = false;
        if (files)
          void furnish(machine, this.#lab).catch((error: unknown) => this.#cannotFurnish(name, error));
      };
      this.#leaves.push(machine.changes.add(follow));
    }
    await Promise.all(now);
  }

  /** Has a step checked: what is asked for while one of the same waits is that one. Returns how it stands. Throws Problem
   * `not_found`. */
  ask(id: string): Check {
    const step = this.#step(id);
    this.#at = step;
    return this.#ask(step, true);
  }

  /** Does what a learner would do for a step, in the machine and with its own tools; then it is checked. Rejects with
   * Problem. */
  solve(id: string): Promise<Ran> {
    const step = this.#step(id);
    const key = `solve ${id}`;
    const lane = this.#lane(step.machine);
    if (lane.waits(key)) throw new Problem('conflict', 'This step is about to be solved already.');
    const { promise, resolve, reject } = Promise.withResolvers<Ran>();
    lane.add(key, () => this.#solve(step).then(resolve, reject));
    return promise;
  }

  close(): void {
    this.#ended = true;
    for (const leave of this.#leaves.splice(0)) leave();
    for (const lane of this.#lanes.values()) lane.clear();
    if (this.#look) clearTimeout(this.#look);
  }

  #step(id: string): Step {
    const step = this.#lab.steps.find((one) => one.id === id);
    if (!step) throw new Problem('not_found', `The lab ${this.#lab.slug} has no step ${id}.`);
    return step;
  }

  #lane(machine: string): Lane {
    const lane = this.#lanes.get(machine) ?? new Lane();
    this.#lanes.set(machine, lane);
    return lane;
  }

  #ask(step: Step, aloud: boolean): Check {
    const lane = this.#lane(step.machine);
    const key = `check ${step.id}`;
    if (aloud && this.#latest(step)?.state !== 'running') this.#tell(step, 'waiting');
    if (!lane.waits(key)) lane.add(key, () => this.#check(step, aloud));
    return this.#latest(step) ?? this.#describe(step, 'waiting', null);
  }

  async #check(step: Step, aloud: boolean): Promise<void> {
    const before = this.#latest(step);
    const begun = performance.now();
    const { state, reason } = await this.#context.gate.pass(this.#sandbox.id, () => {
      // Somebody who asks meanwhile is waiting for it to be told.
      if (aloud || this.#latest(step)?.state === 'waiting') this.#tell(step, 'running');
      return this.#verdict(step);
    });
    if (this.#ended) return;
    this.#lookEveryMs = Math.max(LOOK_EVERY_MS, REST * (performance.now() - begun));
    const now = this.#latest(step);
    if (now && now === before && now.state === state && now.reason === reason) return;
    this.#tell(step, state, reason);
  }

  async #verdict(step: Step): Promise<Verdict> {
    if (this.#ended) return failed('The sandbox has ended.');
    try {
      const machine = this.#sandbox.machine(step.machine);
      const timeoutMs = CHECK_MS * timesFor(machine.view);
      const begun = performance.now();
      const ran = await machine.check(step.check, timeoutMs);
      const verdict = verdictOf(ran, timeoutMs);
      this.#context.metrics?.noteCheck(ran.timed_out ? 'timeout' : verdict.state, performance.now() - begun);
      if (verdict.state === 'done' && this.#latest(step)?.state !== 'done') this.#keep(step, machine);
      const bare = verdict.state === 'done' ? undefined : this.#bare.get(step.machine);
      return bare === undefined
        ? verdict
        : failed(`The files of this lab are not in ${step.machine}: ${bare}. Begin the machine again.`);
    } catch (error) {
      if (error instanceof Problem) return failed(error.message);
      if (error instanceof BrokerError && error.code === 'unknown_method')
        return failed('The broker in this VM knows no checks yet: its image has to be built anew.');
      this.#context.log.warn(
        { sandbox: this.#sandbox.id, step: step.id, reason: messageOf(error) },
        'cannot check a step',
      );
      return failed(`The check cannot be run: ${messageOf(error)}.`);
    }
  }

  /** On the disk before anybody is told. A word of the learner's own kernel is the learner's own word. */
  #keep(step: Step, machine: LearnerMachine): void {
    const proof = machine.kernelIsLearners ? 'told' : 'checked';
    this.#context.learners.noteDone(this.#sandbox.owner, this.#lab.slug, step.id, proof);
  }

  async #solve(step: Step): Promise<Ran> {
    const tell = (state: 'running' | 'done' | 'failed', reason: string | null, output: string) => {
      const data = { step: step.id, machine: step.machine, state, reason, output, at: Date.now() };
      if (!this.#ended) this.#sandbox.events.emit({ event: 'solve', data });
    };
    tell('running', null, '');
    try {
      const machine = this.#sandbox.machine(step.machine);
      const shell = /^#!\S*(bash| bash)\n/.test(step.solve) ? '/bin/bash' : '/bin/sh';
      const wish = { command: [shell, '-c', step.solve, 'solve'], timeoutMs: SOLVE_MS, asLearner: true };
      const ran = await machine.work((host, id) => runCommand(host, id, wish));
      const output = plainOutput(`${ran.stdout}${ran.stderr}`);
      if (ran.timedOut) tell('failed', `It did not finish in ${SOLVE_MS / 1_000} s.`, output);
      else if (ran.status !== 0 || ran.signal !== 0)
        tell('failed', 'It ended with a failure; its output says why.', output);
      else tell('done', null, output);
      this.#at = step;
      this.#ask(step, true);
      return ran;
    } catch (error) {
      const said = withNextStep(error);
      tell('failed', messageOf(said), '');
      throw said;
    }
  }

  #latest(step: Step): Check | undefined {
    return this.#sandbox.checks.find((check) => check.step === step.id);
  }

  #describe(step: Step, state: Check['state'], reason: string | null): Check {
    const machine = this.#sandbox.machines.find(({ view }) => view.name === step.machine);
    const trust = machine && !machine.kernelIsLearners ? 'outside' : 'guest';
    return { step: step.id, machine: step.machine, state, reason, at: Date.now(), trust };
  }

  #tell(step: Step, state: Check['state'], reason: string | null = null): void {
    if (!this.#ended) this.#sandbox.noteCheck(this.#describe(step, state, reason));
  }

  /** Called for every key and every line: it only notes the time, and sees to it that somebody looks later. */
  #stirred(): void {
    if (!this.#at?.watch || this.#latest(this.#at)?.state === 'done') return;
    this.#stirredAt = performance.now();
    this.#look ??= setTimeout(() => this.#lookAgain(), QUIET_MS);
  }

  #lookAgain(): void {
    this.#look = null;
    const step = this.#at;
    // Nobody would see it.
    if (!step || this.#ended || !this.#sandbox.watched) return;
    const now = performance.now();
    const quietIn = this.#stirredAt + QUIET_MS - now;
    const dueIn = this.#lookedAt + this.#lookEveryMs - now;
    if (dueIn > 0) this.#look = setTimeout(() => this.#lookAgain(), Math.max(dueIn, quietIn));
    else if (quietIn > 0 && dueIn > -this.#lookEveryMs)
      this.#look = setTimeout(() => this.#lookAgain(), quietIn);
    else {
      this.#lookedAt = now;
      this.#ask(step, false);
    }
  }

  #cannotFurnish(name: string, error: unknown): void {
    if (this.#ended) return;
    const why = messageOf(error);
    this.#bare.set(name, why.replace(/\.$/, ''));
    this.#context.log.warn(
      { sandbox: this.#sandbox.id, name, reason: why },
      "cannot put a lab's files into a machine",
    );
  }
}

function timesFor({ kind, where }: Machine): number {
  if (where.depth === 'tab') return IN_A_TAB;
  return where.depth === 'vm' || kind === 'vm' ? IN_A_VM : 1;
}

/** Solutions are written for a machine whose programs are there. Where none can be started its learner has seen to that. */
function withNextStep(error: unknown): unknown {
  if (!(error instanceof Problem) || error.field !== 'command') return error;
  const message = `${error.message} If its own programs are gone, or something in it ends them, begin the machine again.`;
  return new Problem(error.code, message, { field: error.field });
}
