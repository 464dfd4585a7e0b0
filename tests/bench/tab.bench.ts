// The Linux in the tab, from a plain web host: what is fetched until the first prompt and how long that takes, on the first visit,
// on the second, on this computer and on one that is four times slower; what a command, a container
// and the memory cost.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Browser, type BrowserContext, chromium, type Page } from '@playwright/test';
import { filesIn, type PlainHost, serveFiles } from '../../scripts/static/server.ts';
import { writeStaticSite } from '../../scripts/static/site.ts';
import { CHROMIUM } from '../e2e/browser.ts';
import { DIST } from '../e2e/plain-site.ts';
import { TerminalPage } from '../e2e/terminal-page.ts';
import { TAB_IMAGE } from '../tab/place.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { describeEnvironment, environment } from './environment.ts';
import { summary } from './summary.ts';

const { values: options } = parseArgs({ options: { runs: { type: 'string', default: '5' } } });
const RUNS = Number(options.runs);
const RESULTS = join(import.meta.dirname, '../results');
const PATIENCE_MS = 300_000;
const COMMANDS = 10;
/** What a mid-range phone's processor is to a laptop's, as Lighthouse has it too. */
const SLOWER = 4;
const SLICE_MS = 8;
/** What the page says of it. */
const PROMPT = /([\d.]+) s from the click to a prompt/;

type Figures = Record<string, number>;

/** The processes of the browser that run pages. */
async function renderers(browser: Browser): Promise<number[]> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  return processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
}

/** Bytes that are a process's own; what it shares with others is counted by halves, thirds and so on. */
function memoryOf(pid: number): number {
  try {
    const kib = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1];
    return Number(kib ?? 0) * 1_024;
  } catch {
    return 0; // it has ended
  }
}

/** Lets the pages' processes run for one slice of four. The browser's own throttle (CDP) knows the page's thread only, and the
 * emulator is in a worker. Returns how to end it. */
function slowDown(pids: readonly number[]): () => void {
  let slice = 0;
  const tell = (signal: 'SIGSTOP' | 'SIGCONT') => {
    for (const pid of pids)
      try {
        process.kill(pid, signal);
      } catch {
        // It has ended.
      }
  };
  const clock = setInterval(() => {
    const at = slice++ % SLOWER;
    if (at === 0) tell('SIGCONT');
    else if (at === 1) tell('SIGSTOP');
  }, SLICE_MS);
  return () => {
    clearInterval(clock);
    tell('SIGCONT');
  };
}

/** When the machine on the page was in which phase, in milliseconds of the page. */
const followPhases = (page: Page): Promise<void> =>
  page.evaluate(() => {
    const section = document.querySelector<HTMLElement>('[data-phase]');
    if (!section) throw new Error('there is no machine on this page');
    const times: Record<string, number> = {};
    const note = () => {
      times[section.dataset.phase ?? ''] ??= performance.now();
    };
    new MutationObserver(note).observe(section, { attributeFilter: ['data-phase'] });
    Object.assign(window, { phaseTimes: times });
  });

/** From Enter to the output on the screen, in milliseconds. */
async function commandTime(page: Page, at: number): Promise<number> {
  const done = `done-${at}`;
  await page.keyboard.type(`echo done""-${at}`);
  await page.evaluate((text) => {
    const rows = document.querySelector('.xterm-rows');
    if (!rows) throw new Error('there is no terminal on this page');
    const state = { began: 0 };
    addEventListener('keydown', () => (state.began = performance.now()), { once: true, capture: true });
    const took = new Promise<number>((resolve) => {
      new MutationObserver((_changes, observer) => {
        if (!rows.textContent?.includes(text)) return;
        observer.disconnect();
        resolve(performance.now() - state.began);
      }).observe(rows, { childList: true, subtree: true, characterData: true });
    });
    Object.assign(window, { commandTook: took });
  }, done);
  await page.keyboard.press('Enter');
  return page.evaluate(() => (window as unknown as { commandTook: Promise<number> }).commandTook);
}

async function visit(page: Page, host: PlainHost): Promise<Figures> {
  const before = host.sent();
  await page.goto(`${host.url}/tab/`, { waitUntil: 'load' });
  const start = page.getByTestId('use-tab');
  await start.waitFor();
  await followPhases(page);
  const asked = await page.evaluate(() => performance.now());
  await start.click();
  const prompt = page.getByText(PROMPT);
  await prompt.waitFor({ timeout: PATIENCE_MS });
  const bytes = host.sent() - before;
  const times = await page.evaluate(() => (window as unknown as { phaseTimes: Figures }).phaseTimes);
  const since = (phase: string) => (times[phase] ?? Number.NaN) - asked;
  return {
    'fetched until the prompt, MB': bytes / 1e6,
    'click to fetched, s': since('restoring') / 1_000,
    'restored, s': (since('running') - since('restoring')) / 1_000,
    'click to prompt, s': Number(PROMPT.exec(await prompt.innerText())?.[1] ?? Number.NaN),
  };
}

/** A container that nobody has made before: from the click to its prompt. */
async function another(page: Page): Promise<Figures> {
  const began = performance.now();
  await page.getByRole('button', { name: 'Make it anew' }).click();
  await page.locator('.xterm-rows').waitFor({ state: 'detached', timeout: PATIENCE_MS });
  await page.waitForFunction(
    () => /[#$]\s*$/.test(document.querySelector('.xterm-rows')?.textContent?.trimEnd() ?? ''),
    null,
    { timeout: PATIENCE_MS },
  );
  return { 'another container, s': (performance.now() - began) / 1_000 };
}

async function commands(page: Page): Promise<Figures> {
  const terminal = new TerminalPage(page, 'terminal-box');
  await terminal.run('stty size', /\d+ \d+/, PATIENCE_MS);
  const took: number[] = [];
  for (let at = 0; at < COMMANDS; at++) took.push(await commandTime(page, at));
  return { 'echo, ms': summary(took).median };
}

/** A visit, with the processor as it is or slower; nothing is left but the files. */
async function measured(context: BrowserContext, host: PlainHost, slow: boolean): Promise<Figures> {
  const browser = context.browser();
  if (!browser) throw new Error('the browser is gone');
  const page = await context.newPage();
  const end = slow ? slowDown(await renderers(browser)) : () => {};
  try {
    const figures = await visit(page, host);
    const atPrompt = await memory(browser);
    Object.assign(figures, await commands(page), await another(page));
    const used = await memory(browser);
    await ended(page);
    return { ...figures, 'memory at the prompt, MB': atPrompt / 1e6, 'memory when used, MB': used / 1e6 };
  } finally {
    end();
    await page.close();
  }
}

/** Of the page's process: among the others are the next page's, that waits, and those of pages that are closed. */
const memory = async (browser: Browser): Promise<number> =>
  Math.max(...(await renderers(browser)).map(memoryOf));

/** Nothing is left for the next visit but the files. */
const ended = async (page: Page): Promise<void> => {
  await page.getByRole('button', { name: 'End it' }).click();
  await lists(page, 0);
};

/** Waits until the device keeps that many lists of what is in the tab. */
async function lists(page: Page, many: number): Promise<void> {
  const count = () =>
    page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          const opening = indexedDB.open('bulkhead-tab');
          opening.onsuccess = () => {
            const database = opening.result;
            const found = database.transaction('saved').objectStore('saved').count('sandboxes');
            found.onsuccess = () => {
              database.close();
              resolve(found.result);
            };
          };
        }),
    );
  while ((await count()) !== many) await setTimeout(250);
}

const add = (all: Map<string, Map<string, number[]>>, visitName: string, figures: Figures): void => {
  const rows = all.get(visitName) ?? new Map<string, number[]>();
  all.set(visitName, rows);
  for (const [name, value] of Object.entries(figures)) rows.set(name, [...(rows.get(name) ?? []), value]);
};

async function run(host: PlainHost): Promise<void> {
  const before = environment();
  const all = new Map<string, Map<string, number[]>>();
  for (const slow of [false, true]) {
    const runs = slow ? Math.max(1, Math.ceil(RUNS / 2)) : RUNS;
    for (let at = 0; at < runs; at++) {
      // A browser of its own for each reader: whatever one has compiled, the next has not.
      const browser = await chromium.launch(CHROMIUM);
      const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
      const where = slow ? `, ${SLOWER} times slower` : '';
      add(all, `first visit${where}`, await measured(context, host, slow));
      add(all, `second visit${where}`, await measured(context, host, slow));
      await browser.close();
    }
  }
  const results = Object.fromEntries(
    [...all].map(([name, rows]) => [
      name,
      Object.fromEntries([...rows].map(([row, values]) => [row, summary(values)])),
    ]),
  );
  const after = environment();
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(join(RESULTS, 'tab-bench.json'), `${JSON.stringify({ before, after, results }, null, 2)}\n`);
  const visits = [...all.keys()];
  console.log(`| median (slowest) of runs | ${visits.join(' | ')} |`);
  console.log(`| --- |${' ---: |'.repeat(visits.length)}`);
  for (const row of all.get('first visit')?.keys() ?? []) {
    const cells = visits.map((name) => {
      const { median, max } = summary(all.get(name)?.get(row) ?? []);
      return `${median.toFixed(2)} (${max.toFixed(2)})`;
    });
    console.log(`| ${row} | ${cells.join(' | ')} |`);
  }
  console.log(describeEnvironment(before, after));
}

const made = temporaryFolder('tab-bench');
const out = join(made, 'site');
writeStaticSite({ dist: DIST, linux: TAB_IMAGE, out });
const host = await serveFiles({ fileAt: filesIn(out) });
try {
  await run(host);
} finally {
  host.close();
  rmSync(made, { recursive: true, force: true });
}
