// Puts the reader's own launch beside the steps of the guide. Nothing is loaded for it before it is asked for.
import type { Machine, TimelineStep } from '@bulkhead/sandbox-server/protocol/api';

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
      void this.#begin().catch(() => this.#say('It did not work. Reload the page and try again.'));
    });
  }

  async #begin(): Promise<void> {
    const [{ SandboxSession }, { formatMs }] = await Promise.all([
      import('../sandbox/sandbox-session.ts'),
      import('../sandbox/format.ts'),
    ]);
    this.#say('Asking for a container…');
    const session = new SandboxSession({ mine: ({ machines }) => machines.some(isContainer) });
    session.subscribe(({ phase, sandbox, problem, status, reason }) => {
      const machine = sandbox?.machines.find((one) => isContainer(one) && !one.carrier);
      if (machine?.measures && machine.state === 'running') this.#show(machine.measures.steps, formatMs);
      else if (phase === 'alone')
        this.#say('No server answers here, so there is no launch to show. The page reads without one.');
      else if (phase === 'waiting') this.#say('The host is full. Your place in its queue is kept.');
      else if (problem) this.#say(problem.message);
      else if (phase === 'ready' && status && !status.host)
        this.#say(status.reason ?? 'Nothing can be started now.');
      else if (phase === 'ended') this.#say(reason ?? 'It has ended.');
    });
    addEventListener('pagehide', () => session.dispose(), { once: true });
    await session.look();
    if (session.view.phase === 'ready' && session.view.status?.host) await session.start(WANTED);
  }

  #show(steps: readonly TimelineStep[], format: (ms: number) => string): void {
    const mine = steps.filter(({ by }) => by === 'runtime');
    if (mine.length === 0) {
      this.#say('Your container has no trace: an older server made it. End it, and try again.');
      return;
    }
    const begin = Math.min(...mine.map(({ startMs }) => startMs));
    const whole = Math.max(...mine.map(({ endMs }) => endMs)) - begin;
    for (const place of document.querySelectorAll<HTMLElement>('[data-trace]')) {
      const ours = mine.filter(({ step }) => step === place.dataset.trace);
      place.querySelector('.yours')?.remove();
      place.append(entry(ours, begin, whole, format));
    }
    this.#say(`Your container was made in ${format(whole)}. Each step below says what it took of that.`);
  }

  #say(words: string): void {
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
    words.textContent = 'not in yours';
    return yours;
  }
  const took = steps.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);
  words.textContent = steps.length === 1 ? format(took) : `${format(took)}, ${steps.length} times`;
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
