// Opening a lab to its first prompt in a real browser, with machines that were made beforehand and without: from the click on
// "Start the lab" until the learner sees the prompt, and from the page's own beginning until it can be clicked. Besides, what
// JavaScript the page has fetched by then. `npm run bench -- lab --runs=30`.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Browser, type BrowserContext, chromium, type Page } from '@playwright/test';
import { loadLab } from '../../sandbox-server/src/labs/load.ts';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import { sandboxListSchema, statusSchema } from '../../sandbox-server/src/protocol/api.ts';
import { CHROMIUM } from '../e2e/browser.ts';
import { weigh } from '../e2e/page-checks.ts';
import { DIST } from '../e2e/plain-site.ts';
import { startStack } from '../integration/stack.ts';
import { describeEnvironment, environment } from './environment.ts';
import { summary } from './summary.ts';

const { values: options } = parseArgs({
  options: { runs: { type: 'string', default: '30' }, lab: { type: 'string', default: 'only-a-process' } },
});
const RUNS = Number(options.runs);
/** A learner reads before clicking; meanwhile the page does what it does when idle. */
const GAP_MS = 1_500;
const POOL = 3;
const LABS = join(import.meta.dirname, '../../labs');
const RESULTS = join(import.meta.dirname, '../results');
const machine = loadLab(join(LABS, options.lab)).matter.machines[0]?.name ?? '';

interface Opening {
  /** Milliseconds from the page's beginning until the lab could be started. */
  pageMs: number;
  /** Milliseconds from the click until the prompt was drawn. */
  promptMs: number;
  /** Compressed bytes of JavaScript, before the click and with the prompt. */
  scriptBefore: number;
  script: number;
  /** Whether its machine had been made beforehand. */
  pooled: boolean;
}

/** Clicks, in the page and by its clock, and looks at each frame until there is a prompt. */
const clickToPrompt = (page: Page): Promise<number> =>
  page.evaluate((name) => {
    const prompt = new RegExp(`^${name}:.*#\\s*$`);
    const rows = () => [...document.querySelectorAll('.xterm-rows > div')];
    const seen = () => rows().some((row) => prompt.test((row.textContent ?? '').replaceAll('\u00a0', ' ')));
    const begun = performance.now();
    document.querySelector<HTMLButtonElement>('[data-testid="start-lab"]')?.click();
    return new Promise<number>((resolve) => {
      const look = () => (seen() ? resolve(performance.now() - begun) : requestAnimationFrame(look));
      look();
    });
  }, machine);

/** Until the pool has what this lab is made of: it keeps ready what was asked for before. */
async function poolIsFull(context: BrowserContext, url: string): Promise<void> {
  for (;;) {
    const { room } = statusSchema.parse(await (await context.request.get(url + apiPaths.status)).json());
    if ((room?.ready ?? 0) >= POOL) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function open(browser: Browser, url: string, pooled: boolean): Promise<Opening> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  const weight = weigh(page);
  await page.goto(`${url}/labs/${options.lab}/`);
  await page.getByTestId('start-lab').and(page.locator(':enabled')).waitFor();
  const pageMs = await page.evaluate(() => performance.now());
  await new Promise((resolve) => setTimeout(resolve, GAP_MS));
  if (pooled) await poolIsFull(context, url);
  const scriptBefore = (await weight()).script;
  const promptMs = await clickToPrompt(page);
  const { script } = await weight();
  const { sandboxes } = sandboxListSchema.parse(
    await (await context.request.get(url + apiPaths.sandboxes)).json(),
  );
  const pooledAt = sandboxes[0]?.machines[0]?.measures?.pooledAt ?? null;
  for (const { id } of sandboxes)
    await context.request.delete(url + apiPaths.sandbox(id), { headers: { origin: url } });
  await context.close();
  return { pageMs, promptMs, scriptBefore, script, pooled: pooledAt !== null };
}

/** Openings one after the other, after one that is not counted: with it the browser has its caches, and the pool its sort. */
async function openings(browser: Browser, pool: number): Promise<Opening[]> {
  const sizes = ['--pool', `${pool}`, '--pool-vms', pool > 0 ? '1' : '0'];
  const stack = await startStack({ server: ['--labs', LABS, ...sizes], site: DIST });
  try {
    await open(browser, stack.url, false);
    const all: Opening[] = [];
    while (all.length < RUNS) all.push(await open(browser, stack.url, pool > 0));
    return all;
  } finally {
    await stack.stop();
  }
}

const before = environment();
const browser = await chromium.launch(CHROMIUM);
const values = {
  'with a warm pool': await openings(browser, POOL),
  'without a pool': await openings(browser, 0),
};
const version = `Chromium ${browser.version()}`;
await browser.close();
const after = environment();

const rounded = (list: number[]) => {
  const { median, p99, min, max, runs } = summary(list);
  return { p50: Math.round(median), p99: Math.round(p99), min: Math.round(min), max: Math.round(max), runs };
};
const table = Object.fromEntries(
  Object.entries(values).flatMap(([name, all]) => [
    [`click to prompt, ${name}`, rounded(all.map(({ promptMs }) => promptMs))],
    [`page to button, ${name}`, rounded(all.map(({ pageMs }) => pageMs))],
  ]),
);
console.log(`\nOpening the lab ${options.lab} in ${version}, ms, a ${GAP_MS} ms gap before each click`);
console.log(describeEnvironment(before, after));
console.table(table);
const ready = values['with a warm pool'].filter(({ pooled }) => pooled).length;
console.log(`With a warm pool, ${ready} of ${RUNS} machines had been made beforehand.`);
const [first] = values['without a pool'];
console.log(
  `JavaScript, compressed: ${first?.scriptBefore} bytes before the click, ${first?.script} with the prompt, the editor unopened`,
);
mkdirSync(RESULTS, { recursive: true });
writeFileSync(
  join(RESULTS, 'lab.json'),
  JSON.stringify({ lab: options.lab, browser: version, gapMs: GAP_MS, before, after, values }, null, 2),
);
