// Where a page of figures offers to measure its own machine, and what the charts do with the numbers.
import { language } from '../../words/words.ts';
import { ownMeasureWords } from './own-measure-words.ts';
import { MEASURED, type OwnMeasureName, type OwnNumbers, ownMeasures } from './own-measures.ts';

class MeasureHere extends HTMLElement {
  connectedCallback(): void {
    const button = this.querySelector('button');
    if (!button) return;
    button.disabled = false;
    button.addEventListener('click', async () => {
      button.hidden = true;
      const [{ mount }, { default: MeasureHereView }] = await Promise.all([
        import('svelte'),
        import('./MeasureHere.svelte'),
      ]);
      mount(MeasureHereView, { target: this });
    });
    document.addEventListener(MEASURED, (event) => {
      const numbers = (event as CustomEvent<OwnNumbers>).detail;
      for (const figure of document.querySelectorAll<HTMLElement>('figure[data-own]')) draw(figure, numbers);
    });
  }
}

/** Puts this machine's bars below the published ones, and makes all of them as long as they have to be then. */
function draw(figure: HTMLElement, numbers: OwnNumbers): void {
  const body = figure.querySelector('tbody');
  const pattern = body?.querySelector('tr');
  if (!body || !pattern) return;
  for (const old of body.querySelectorAll('.own')) old.remove();
  for (const name of (figure.dataset.own ?? '').split(' ')) {
    const value = numbers[name as OwnMeasureName];
    if (value === undefined) continue;
    const { kind } = ownMeasures[name as OwnMeasureName];
    const row = pattern.cloneNode(true) as HTMLTableRowElement;
    row.className = `own kind-${kind}`;
    row.dataset.value = String(value);
    row.querySelector('th')?.replaceChildren(ownMeasureWords[name as OwnMeasureName].label);
    row.querySelector('.value')?.replaceChildren(new Intl.NumberFormat(language).format(value));
    body.append(row);
  }
  const rows = [...body.querySelectorAll<HTMLTableRowElement>('tr')];
  const most = Math.max(...rows.map(({ dataset }) => Number(dataset.value)));
  for (const row of rows) {
    row.querySelector('rect')?.setAttribute('width', `${(100 * Number(row.dataset.value)) / most}%`);
  }
}

customElements.define('measure-here', MeasureHere);
