// Brings the text of a lab to life: one part at a time is shown, commands run on a click, hints come one after the other,
// numbers are filled in, answers are judged. The text itself is HTML that was there before, and reads without all this.
import { mount, unmount } from 'svelte';
import { judge } from './answers.ts';
import type { LabSession, LabStep } from './lab-session.ts';
import NextLabs from './NextLabs.svelte';
import StepFoot from './StepFoot.svelte';
import { say } from './words.ts';

export interface TextActs {
  /** Types commands into a terminal, from 1, of a machine; resolves to what there is to say about it, or to nothing. */
  run(command: string, machine: string, terminal: number): Promise<string>;
  edit(path: string, machine: string, run: string | undefined): void;
}

export class LabText {
  readonly #root: HTMLElement;
  readonly #session: LabSession;
  readonly #acts: TextActs;
  readonly #leaves: (() => void)[] = [];
  #at = '';
  /** For what the numbers in the open part were asked for: they are new with a sandbox, a part, and a step that is done. */
  #filled = '';

  constructor(root: HTMLElement, session: LabSession, acts: TextActs) {
    this.#root = root;
    this.#session = session;
    this.#acts = acts;
    for (const step of session.facts.steps) this.#mountFoot(step);
    for (const block of root.querySelectorAll<HTMLElement>('[data-run]')) {
      const { machine } = this.#target(block);
      block.classList.add(`kind-${session.facts.machines.find(({ name }) => name === machine)?.kind}`);
    }
    const next = root.querySelector<HTMLElement>('[data-next]');
    if (next) this.#keep(mount(NextLabs, { target: next, props: { session } }));
    root.addEventListener('click', this.#click);
    root.addEventListener('submit', this.#submit);
    this.#leaves.push(
      () => root.removeEventListener('click', this.#click),
      () => root.removeEventListener('submit', this.#submit),
      session.subscribe(({ at }) => {
        this.#show(at);
        this.#fill();
      }),
      session.sandbox.subscribe(({ phase, sandbox, checks }) => {
        const machines = phase === 'running' ? (sandbox?.machines ?? []) : [];
        this.#enable(new Set(machines.filter(({ state }) => state === 'running').map(({ name }) => name)));
        this.#fill();
        for (const { step, state, reason } of Object.values(checks))
          this.#liveHints(step, state === 'missing' ? (reason ?? '') : '');
      }),
    );
  }

  dispose(): void {
    for (const leave of this.#leaves.splice(0)) leave();
  }

  /** Runs the first commands of the open part that were not run yet, or the first. */
  async runNext(): Promise<void> {
    const blocks = [...this.#open().querySelectorAll<HTMLElement>('[data-run]')];
    const next = blocks.find((block) => !block.classList.contains('ran')) ?? blocks[0];
    if (next) await this.#run(next);
  }

  /** Shows one more hint of the open part; returns how many are left. */
  hint(): number {
    const hidden = this.#hints(this.#at).filter((hint) => hint.hidden);
    const [next] = hidden;
    if (!next) return 0;
    next.hidden = false;
    next.open = true;
    next.querySelector('summary')?.focus();
    return hidden.length - 1;
  }

  #open(): HTMLElement {
    return this.#root.querySelector<HTMLElement>(`[data-step="${this.#at}"]`) ?? this.#root;
  }

  #hints(step: string): HTMLDetailsElement[] {
    return [...this.#root.querySelectorAll<HTMLDetailsElement>(`[data-step="${step}"] [data-hint]`)];
  }

  #keep(component: Record<string, unknown>): void {
    this.#leaves.push(() => void unmount(component));
  }

  #mountFoot(step: LabStep): void {
    const target = this.#root.querySelector<HTMLElement>(`[data-step="${step.id}"] > [data-foot]`);
    if (!target) return;
    const hints = this.#hints(step.id);
    for (const [index, hint] of hints.entries()) {
      hint.hidden = true;
      const summary = hint.querySelector('summary');
      if (summary && hints.length > 1)
        summary.textContent = say('hint.number', { number: index + 1, count: hints.length });
    }
    const props = { session: this.#session, step, hints: hints.length, onhint: () => this.hint() };
    this.#keep(mount(StepFoot, { target, props }));
  }

  #show(at: string): void {
    if (at === this.#at) return;
    const first = this.#at === '';
    this.#at = at;
    this.#root.dataset.at = at;
    for (const part of this.#root.querySelectorAll<HTMLElement>('.lab-part'))
      part.hidden = part.dataset.step !== at;
    if (first) return;
    const part = this.#open();
    part.focus({ preventScroll: true });
    // Where the text scrolls by itself it begins at its top; where the page does, that goes there.
    const pane = this.#root.parentElement;
    if (pane && pane.scrollHeight > pane.clientHeight) pane.scrollTo(0, 0);
    else pane?.scrollIntoView({ block: 'start' });
  }

  /** What needs a machine can be clicked once that runs. */
  #enable(running: ReadonlySet<string>): void {
    for (const block of this.#root.querySelectorAll<HTMLElement>('[data-run]')) {
      const button = block.querySelector('button');
      const { machine, number } = this.#target(block);
      const many = this.#session.facts.machines.length > 1;
      const label =
        number > 1
          ? say('run.terminal', { machine, number })
          : say(many ? 'run.machine' : 'run', { machine });
      if (button && button.textContent !== label) button.textContent = label;
      if (button) button.disabled = !running.has(machine);
      const where = block.querySelector('.where');
      const words = running.has(machine)
        ? ''
        : running.size > 0
          ? say('run.onceMachine', { machine })
          : say('run.onceMachines');
      if (where && where.textContent !== words) where.textContent = words;
    }
    for (const button of this.#root.querySelectorAll<HTMLButtonElement>(
      '.typed button, [data-edit] button',
    )) {
      const place = button.closest<HTMLElement>('.typed, [data-edit]');
      const free = place?.dataset.accept !== undefined;
      button.disabled = !free && !(place && running.has(this.#target(place).machine));
    }
  }

  #target(element: HTMLElement): { machine: string; number: number } {
    const id = element.closest<HTMLElement>('[data-step]')?.dataset.step;
    const step = this.#session.facts.steps.find((one) => one.id === id);
    const machine = element.dataset.machine ?? step?.machine ?? this.#session.facts.machines[0]?.name ?? '';
    return { machine, number: Number(element.dataset.terminal ?? 1) };
  }

  readonly #click = (event: MouseEvent): void => {
    const button = event.target instanceof Element ? event.target.closest('button') : null;
    const block = button?.closest<HTMLElement>('[data-run], [data-edit]');
    if (!button || !block) return;
    if (block.dataset.run !== undefined) void this.#run(block);
    else if (block.dataset.edit !== undefined)
      this.#acts.edit(block.dataset.edit, this.#target(block).machine, block.dataset.runCommand);
  };

  async #run(block: HTMLElement): Promise<void> {
    const { machine, number } = this.#target(block);
    const said = block.querySelector('.said');
    if (said) said.textContent = '';
    const words = await this.#acts.run(block.dataset.run ?? '', machine, number);
    if (words === '') block.classList.add('ran');
    if (said) said.textContent = words;
  }

  readonly #submit = (event: SubmitEvent): void => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.matches('.lab-question, .predict')) return;
    event.preventDefault();
    if (form.matches('.typed')) void this.#judge(form);
  };

  async #judge(form: HTMLFormElement): Promise<void> {
    const answer = String(new FormData(form).get('answer') ?? '');
    const verdict = form.querySelector('.verdict');
    if (!verdict || answer.trim() === '') return;
    const { accept, from } = form.dataset;
    if (from) verdict.textContent = say('answer.asking');
    try {
      const right = from
        ? [await this.#session.output(from, this.#target(form).machine)]
        : (JSON.parse(accept ?? '[]') as string[]);
      const good = judge(answer, right);
      verdict.textContent = say(good ? 'answer.right' : 'answer.wrong');
      form.classList.add('answered');
      const explained = form.querySelector('details');
      if (explained) explained.open = good;
    } catch (error) {
      verdict.textContent = say('answer.failed', {
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  }

  /** Hints that name what the check says. */
  #liveHints(step: string, reason: string): void {
    for (const hint of this.#root.querySelectorAll<HTMLElement>(`[data-step="${step}"] [data-when]`)) {
      const hidden = reason === '' || !reason.includes(hint.dataset.when ?? '');
      if (hint.hidden !== hidden) hint.hidden = hidden;
    }
  }

  /** Asks the machines for the numbers that stand in the open part. */
  #fill(): void {
    const { phase, sandbox } = this.#session.sandbox.view;
    const { at, done } = this.#session.view;
    if (phase !== 'running' || !sandbox?.machines.every(({ state }) => state === 'running')) return;
    const state = `${sandbox.id} ${at} ${at in done}`;
    if (state === this.#filled) return;
    this.#filled = state;
    const open = at === 'intro' ? ':scope > :not(.lab-part) [data-live]' : `[data-step="${at}"] [data-live]`;
    for (const place of this.#root.querySelectorAll<HTMLElement>(open)) {
      const { live = '' } = place.dataset;
      void this.#session.output(live, this.#target(place).machine).then(
        (text) => {
          const code = place.querySelector('code');
          if (code) code.textContent = text.split('\n')[0] ?? '';
          place.classList.add('filled');
        },
        () => {}, // the command goes on standing there
      );
    }
  }
}
