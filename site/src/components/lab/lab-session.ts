// A learner's way through a lab: the part that is open, what is done, and what is being done for them. It knows no UI.
import type { Machine, Ran, Sandbox } from '@bulkhead/sandbox-server/protocol';
import { apiPaths } from '@bulkhead/sandbox-server/protocol/addresses';
import type { SandboxSession, SandboxView } from '../sandbox/sandbox-session.ts';
import type { LabProgress } from './lab-progress.ts';
import { say } from './words.ts';

export interface LabStep {
  id: string;
  title: string;
  machine: string;
  watch: boolean;
}

/** What a page knows of its lab when it is built. */
export interface LabFacts {
  slug: string;
  title: string;
  minutes: number;
  machines: { name: string; kind: Machine['kind']; in?: string | undefined }[];
  steps: LabStep[];
  /** Labs that come after it. */
  next: { slug: string; title: string; summary: string }[];
}

export interface LabView {
  /** intro, the id of a step, or finish. */
  at: string;
  done: Readonly<Record<string, number>>;
  /** What is being done for the learner, in words; null: nothing. */
  doing: string | null;
  /** Why the last thing could not be done. */
  problem: string | null;
  /** The machines are new, and steps before this one were done in others. */
  behind: boolean;
  /** Solutions that were asked for, by step. */
  solutions: Readonly<Record<string, string>>;
}

const SOLVE_LIMIT_MS = 70_000;
const RESTART_LIMIT_MS = 180_000;

export class LabSession {
  readonly facts: LabFacts;
  readonly sandbox: SandboxSession;
  readonly #progress: LabProgress;
  readonly #listeners = new Set<(view: LabView) => void>();
  readonly #leave: () => void;
  /** The check that was asked for last, so that each is asked for once. */
  #asked = '';
  /** Commands of <Live> and of questions, one after the other: a machine does few things at once. */
  #line: Promise<unknown> = Promise.resolve();
  #view: LabView;

  constructor(facts: LabFacts, sandbox: SandboxSession, progress: LabProgress) {
    this.facts = facts;
    this.sandbox = sandbox;
    this.#progress = progress;
    const { done } = progress.kept;
    this.#view = { at: 'intro', done, doing: null, problem: null, behind: false, solutions: {} };
    this.#leave = sandbox.subscribe((view) => this.#hear(view));
  }

  get view(): LabView {
    return this.#view;
  }

  /** Svelte's store contract. */
  subscribe(listener: (view: LabView) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#view);
    return () => this.#listeners.delete(listener);
  }

  /** Everything that can be open, in order. */
  get parts(): string[] {
    return ['intro', ...this.facts.steps.map(({ id }) => id), 'finish'];
  }

  /** Its machines in words. */
  get wanted(): string {
    const count = (kind: Machine['kind']) => this.facts.machines.filter((one) => one.kind === kind).length;
    const [boxes, guests] = [count('container'), count('vm')];
    const containers = boxes === 1 ? say('wanted.container') : say('wanted.containers', { count: boxes });
    const vms = guests === 1 ? say('wanted.vm') : say('wanted.vms', { count: guests });
    const machines = guests === 0 ? containers : boxes === 0 ? vms : say('wanted.both', { containers, vms });
    return say('wanted.ofLab', { machines });
  }

  get step(): LabStep | undefined {
    return this.facts.steps.find(({ id }) => id === this.#view.at);
  }

  /** Finds what runs and what was done, here or elsewhere; resolves to where the learner was. */
  async resume(): Promise<string> {
    await this.sandbox.look();
    const { done, place } = await this.#progress.meet();
    this.#change({ done });
    const known = place && this.facts.steps.some(({ id }) => id === place.step);
    return known ? place.step : 'intro';
  }

  go(part: string): void {
    if (!this.parts.includes(part)) return;
    this.#change({ at: part, problem: null });
    if (this.step) this.#progress.notePlace(part);
    this.#lookAt(this.sandbox.view);
  }

  /** By parts: -1 goes back one. */
  move(by: number): void {
    const next = this.parts[this.parts.indexOf(this.#view.at) + by];
    if (next) this.go(next);
  }

  async start(size: { columns: number; rows: number }): Promise<void> {
    const made = await this.sandbox.start({ lab: this.facts.slug, ...size });
    if (!made) return;
    if (this.#view.at === 'intro') this.go(this.facts.steps[0]?.id ?? 'intro');
    const before = this.#before(this.#view.at);
    this.#change({ behind: before.some(({ id }) => id in this.#view.done) });
  }

  async check(step: LabStep): Promise<void> {
    await this.#try(() => this.#check(step));
  }

  /** The solution, to be read. */
  async showSolution(step: LabStep): Promise<void> {
    await this.#try(async () => {
      const path = apiPaths.solution(this.facts.slug, step.id);
      const { script } = await this.sandbox.ask<{ script: string }>(path);
      this.#change({ solutions: { ...this.#view.solutions, [step.id]: script } });
    });
  }

  async solve(step: LabStep): Promise<void> {
    await this.#do(say('doing.solution', { title: step.title }), () => this.#solve(step));
  }

  /** Machines as new, with the solutions of the steps before this one. */
  async beginStep(step: LabStep): Promise<void> {
    await this.#do(say('doing.step', { title: step.title }), async () => {
      for (const { name } of this.#own()) await this.#restart(name);
      await this.#catchUp(step);
    });
  }

  /** The solutions of the steps before, in machines that are new. */
  async catchUp(): Promise<void> {
    const { step } = this;
    if (step) await this.#do(say('doing.catchUp', { title: step.title }), () => this.#catchUp(step));
  }

  async beginMachine(name: string): Promise<void> {
    await this.#do(say('doing.machine', { machine: name }), () => this.#restart(name));
  }

  async beginLab(): Promise<void> {
    this.#progress.forget();
    this.#change({ done: {}, behind: false, solutions: {} });
    this.go('intro');
    if (this.sandbox.view.phase !== 'running') return;
    await this.#do(say('doing.lab'), async () => {
      for (const { name } of this.#own()) await this.#restart(name);
    });
  }

  /** What a command prints in a machine, without the spaces around it. Rejects while there is no such machine. */
  output(command: string, machine: string): Promise<string> {
    const asked = this.#line.then(async () => {
      const sandbox = this.#running;
      if (!sandbox) throw new Error(say('problem.noMachine'));
      const body = { command: ['/bin/sh', '-c', command] };
      const path = apiPaths.exec(sandbox.id, machine);
      const ran = await this.sandbox.ask<Ran>(path, { method: 'POST', body });
      if (ran.status !== 0)
        throw new Error(ran.stderr.trim() || say('problem.status', { status: ran.status ?? '' }));
      return ran.stdout.trim();
    });
    this.#line = asked.catch(() => {});
    return asked;
  }

  dispose(): void {
    this.#leave();
    this.#listeners.clear();
    this.sandbox.dispose();
  }

  #hear(view: SandboxView): void {
    const fresh = Object.values(view.checks).filter(
      ({ state, step }) => state === 'done' && !(step in this.#view.done),
    );
    // What a machine in this tab was found to be, only this page knows.
    for (const { step } of fresh) this.#progress.noteDone(step, view.place === 'tab');
    if (fresh.length > 0) this.#change({ done: this.#progress.kept.done });
    this.#lookAt(view);
  }

  /** Has the open step checked once its machine runs: from then on the server looks again by itself. */
  #lookAt({ phase, sandbox }: SandboxView): void {
    const { step } = this;
    const runs = sandbox?.machines.some(({ name, state }) => name === step?.machine && state === 'running');
    if (phase !== 'running' || !step || !runs || this.#view.doing) {
      if (!runs) this.#asked = '';
      return;
    }
    const key = `${sandbox?.id} ${step.id}`;
    if (key === this.#asked) return;
    this.#asked = key;
    // Asked by nobody: what could not be done for the learner just now is still to be read.
    this.#check(step).catch((error: unknown) => this.#change({ problem: wordsOf(error) }));
  }

  async #check(step: LabStep): Promise<void> {
    const sandbox = this.#running;
    if (sandbox) await this.sandbox.ask(apiPaths.check(sandbox.id, step.id), { method: 'POST' });
  }

  /** One that has ended is kept on the page, but nothing can be done in it. */
  get #running(): Sandbox | null {
    const { phase, sandbox } = this.sandbox.view;
    return phase === 'running' ? sandbox : null;
  }

  #own(): Machine[] {
    const machines = this.sandbox.view.sandbox?.machines.filter(({ carrier }) => !carrier) ?? [];
    // What is in a VM ends with it, so that comes first.
    return machines.toSorted((a, b) => Number(b.kind === 'vm') - Number(a.kind === 'vm'));
  }

  #before(part: string): LabStep[] {
    const { steps } = this.facts;
    const at = steps.findIndex(({ id }) => id === part);
    return at < 0 ? [] : steps.slice(0, at);
  }

  async #restart(name: string): Promise<void> {
    if (!(await this.sandbox.restart(name, {})))
      throw new Error(this.sandbox.view.problem?.message ?? say('problem.restart', { machine: name }));
    await this.#until(name);
  }

  /** Resolves when the machine runs. */
  #until(name: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const patience = setTimeout(
      () => reject(new Error(say('problem.slow', { machine: name }))),
      RESTART_LIMIT_MS,
    );
    const leave = this.sandbox.subscribe(({ sandbox }) => {
      const machine = sandbox?.machines.find((one) => one.name === name);
      if (machine?.state === 'running') resolve();
      else if (!machine || machine.state === 'failed' || machine.state === 'ended')
        reject(new Error(machine?.reason ?? say('problem.gone', { machine: name })));
    });
    return promise.finally(() => {
      clearTimeout(patience);
      leave();
    });
  }

  async #catchUp(step: LabStep): Promise<void> {
    for (const before of this.#before(step.id)) await this.#solve(before);
    this.#change({ behind: false });
  }

  async #solve(step: LabStep): Promise<void> {
    const sandbox = this.#running;
    if (!sandbox) throw new Error(say('problem.noMachines'));
    const path = apiPaths.solve(sandbox.id, step.id);
    const ran = await this.sandbox.ask<Ran>(path, { method: 'POST', within: SOLVE_LIMIT_MS });
    if (ran.status === 0 && !ran.timedOut) return;
    const last = `${ran.stdout}${ran.stderr}`.trim().split('\n').at(-1);
    const { title } = step;
    throw new Error(last ? say('problem.solutionSaid', { title, last }) : say('problem.solution', { title }));
  }

  /** One thing at a time; then the open step is looked at again. */
  async #do(words: string, what: () => Promise<void>): Promise<void> {
    if (this.#view.doing) return;
    this.#change({ doing: words });
    await this.#try(what);
    this.#change({ doing: null });
    this.#asked = '';
    this.#lookAt(this.sandbox.view);
  }

  async #try(what: () => Promise<unknown>): Promise<void> {
    this.#change({ problem: null });
    try {
      await what();
    } catch (error) {
      this.#change({ problem: wordsOf(error) });
    }
  }

  #change(more: Partial<LabView>): void {
    this.#view = { ...this.#view, ...more };
    for (const listener of [...this.#listeners]) listener(this.#view);
  }
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
