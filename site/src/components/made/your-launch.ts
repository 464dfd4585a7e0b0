// Puts the reader's own launch beside the steps of the guide. Nothing is loaded for it before it is asked for.
import type { Machine, TimelineStep } from '@bulkhead/sandbox-server/protocol/api';
import { say } from './words.ts';

const WANTED = {
  machines: [{ name: 'box', kind: 'container' as const, columns: 80, rows: 18 }],
};

class YourLaunch extends HTMLElement {
  connectedCallback(): void {
    const button = this.querySelector('button');
    if (!button) return;
    button.disabled = false;
    button.addEventListener('click', () => {
      button.disabled = true;
      void this.#begin().catch(() => this.#tell(say('failed')));
    });
  }

  async #begin(): Promise<void> {
    const [{ SandboxSession }, { formatMs }] = await Promise.all([
      import('../sandbox/sandbox-session.ts'),
      import('../sandbox/format.ts'),
    ]);
    this.#tell(say('asking'));
    const session = new SandboxSession({ mine: ({ machines }) => machines.some(isContainer) });
    session.subscribe(({ phase, sandbox, problem, status, reason }) => {
      const machine = sandbox?.machines.find((one) => isContainer(one) && !one.carrier);
      if (machine?.measures && machine.state === 'running') this.#show(machine.measures.steps, formatMs);
      else if (phase === 'alone') this.#tell(say('alone'));
      else if (phase === 'waiting') this.#tell(say('waiting'));
      else if (problem) this.#tell(problem.message);
      else if (phase === 'ready' && status && !status.host) this.#tell(status.reason ?? say('nothing'));
      else if (phase === 'ended') this.#tell(reason ?? say('ended'));
    });
    addEventListener('pagehide', () => session.dispose(), { once: true });
    await session.look();
    if (session.view.phase === 'ready' && session.view.status?.host) await session.start(WANTED);
  }

  #show(steps: readonly TimelineStep[], format: (ms: number) => string): void {
    const mine = steps.filter(({ by }) => by === 'runtime');
    if (mine.length === 0) {
      this.#tell(say('noTrace'));
      return;
    }
    const begin = Math.min(...mine.map(({ startMs }) => startMs));
    const whole = Math.max(...mine.map(({ endMs }) => endMs)) - begin;
    for (const place of document.querySelectorAll<HTMLElement>('[data-trace]')) {
      const ours = mine.filter(({ step }) => step === place.dataset.trace);
      place.querySelector('.yours')?.remove();
      place.append(entry(ours, begin, whole, format));
    }
    this.#tell(say('made', { time: format(whole) }));
  }

  #tell(words: string): void {
    const status = this.querySelector('[role="status"]');
    if (status) status.textContent = words;
  }
}

/** What a step took, as words and as a bar on the axis of the whole launch. */
function entry(
  steps: readonly TimelineStep[],
  begin: number,
  whole: number,
  format: (ms: number) => string,
): HTMLElement {
  const yours = document.createElement('span');
  yours.className = 'yours';
  const words = document.createElement('span');
  yours.append(words);
  const [first] = steps;
  if (!first) {
    words.textContent = say('absent');
    return yours;
  }
  const took = steps.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);
  words.textContent =
    steps.length === 1 ? format(took) : say('times', { time: format(took), count: steps.length });
  const track = document.createElement('span');
  track.className = 'track';
  for (const { startMs, endMs } of steps) {
    const bar = document.createElement('i');
    bar.style.insetInlineStart = `${(100 * (startMs - begin)) / whole}%`;
    bar.style.width = `${(100 * (endMs - startMs)) / whole}%`;
    track.append(bar);
  }
  yours.append(track);
  return yours;
}

function isContainer({ kind }: Pick<Machine, 'kind'>): boolean {
  return kind === 'container';
}

customElements.define('your-launch', YourLaunch);
