// Click to the first prompt byte in a real browser: a container from the landing page, and a container and a VM together
// from /compare. The page measures itself; this starts it again and again with a gap, because an interactive start is the
// cold case, and prints median, fastest and slowest.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from '@playwright/test';
import { CHROMIUM } from '../e2e/browser.ts';
import { type Stack, startStack } from '../integration/stack.ts';
import { describeEnvironment, environment } from './environment.ts';
import { summary } from './summary.ts';

const RUNS = Number(process.env.BULKHEAD_BENCH_RUNS ?? 20);
/** A person looks at a page before clicking: by then it has loaded, drawn itself and done what it does when idle. */
const GAP_MS = 1_500;
const RESULTS = join(import.meta.dirname, '../results');

/** Reads a measure such as `38 ms` or `2.9 s` once the page shows it; in milliseconds. */
const measure = async (page: Page, testId: string): Promise<number> => {
  const shown = page.getByTestId(testId).filter({ hasText: /\d\s*m?s$/ });
  const text = await shown.innerText({ timeout: 60_000 });
  const [, number = '', unit] = /([\d.]+)\s*(ms|s)$/.exec(text.trim()) ?? [];
  return Number(number) * (unit === 's' ? 1000 : 1);
};

const once = async (browser: Browser, url: string, button: string, measures: string[]): Promise<number[]> => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  await page.goto(url);
  await page.getByTestId(button).and(page.locator(':enabled')).waitFor();
  await new Promise((resolve) => setTimeout(resolve, GAP_MS));
  await page.getByTestId(button).click();
  const found = await Promise.all(measures.map((id) => measure(page, id)));
  const { origin } = new URL(url);
  const list = await context.request.get(`${origin}/api/sandboxes`);
  const { sandboxes } = (await list.json()) as { sandboxes: { id: string }[] };
  for (const { id } of sandboxes)
    await context.request.delete(`${origin}/api/sandboxes/${id}`, { headers: { origin } });
  await context.close();
  return found;
};

const run = async (stack: Stack): Promise<void> => {
  const before = environment();
  const browser = await chromium.launch(CHROMIUM);
  const values: Record<string, number[]> = {
    'container alone': [],
    'container, with a VM': [],
    'VM, cold boot': [],
  };
  for (let i = 0; i < RUNS; i++) {
    const [alone = Number.NaN] = await once(browser, `${stack.url}/`, 'start-container', [
      'measure-prompt-box',
    ]);
    const [box = Number.NaN, vm = Number.NaN] = await once(browser, `${stack.url}/compare/`, 'start-both', [
      'measure-prompt-box',
      'measure-prompt-vm',
    ]);
    values['container alone']?.push(alone);
    values['container, with a VM']?.push(box);
    values['VM, cold boot']?.push(vm);
  }
  const browserVersion = `Chromium ${browser.version()}`;
  await browser.close();
  const table = Object.fromEntries(Object.entries(values).map(([name, list]) => [name, summary(list)]));
  const after = environment();
  console.log(`\nClick to prompt in ${browserVersion}, ms, a ${GAP_MS} ms gap before each click`);
  console.log(describeEnvironment(before, after));
  console.table(table);
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(
    join(RESULTS, 'click-to-prompt.json'),
    JSON.stringify({ browser: browserVersion, gapMs: GAP_MS, before, after, values }, null, 2),
  );
};

const stack = await startStack();
try {
  await run(stack);
} finally {
  await stack.stop();
}
