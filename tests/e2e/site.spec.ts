// Every page of the built site as its readers meet it: accessible, within its width, still while it loads, light, and
// complete without a mouse and, where it is for reading, without JavaScript.
import { readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, type Page, test } from '@playwright/test';
import { type Stack, startStack } from '../integration/stack.ts';
import { DIST } from './plain-site.ts';
import { TerminalPage } from './terminal-page.ts';

const WCAG = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
const KIB = 1_024;

/** Addresses of all pages of the site, from the files that the build made. */
const pages = readdirSync(DIST, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.html'))
  .map((file) => `/${file.replace(/index\.html$/, '')}`)
  .sort();
/** Pages to read: all but those that are an application, and the one for addresses that lead nowhere. */
const applications = ['/', '/compare/'];
const reading = pages.filter((path) => !applications.includes(path) && !path.endsWith('.html'));

// Recording a trace would cost more than these tests do.
test.use({ trace: 'off' });

let stack: Stack;
test.beforeAll(async () => {
  stack = await startStack({ site: DIST });
});
test.afterAll(() => stack.stop());

/** What the browser complained of while the page was open. */
function complaints(page: Page): string[] {
  const heard: string[] = [];
  page.on('console', (message) => {
    // The browser itself reports the status of the page that says 404.
    if (message.type() === 'error' && !/status of 404/.test(message.text())) heard.push(message.text());
  });
  page.on('pageerror', (error) => heard.push(error.message));
  return heard;
}

test.beforeEach(async ({ page }) => {
  await page.addInitScript(() => {
    const seen = { shift: 0 };
    Object.assign(globalThis, { layoutShift: seen });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        const { value, hadRecentInput } = entry as PerformanceEntry & {
          value: number;
          hadRecentInput: boolean;
        };
        if (!hadRecentInput) seen.shift += value;
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
});

/** Opens a page and waits until its fonts are there and, where it asks, the server has told it what it can start. */
async function open(page: Page, path: string): Promise<void> {
  await page.goto(stack.url + path, { waitUntil: reading.includes(path) ? 'load' : 'networkidle' });
  await page.evaluate(async () => {
    await document.fonts.ready;
    for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  });
}

const layoutShift = (page: Page) =>
  page.evaluate(() => (globalThis as unknown as { layoutShift: { shift: number } }).layoutShift.shift);

/** What of the page is wider than the window, as selectors. */
const overflowing = (page: Page) =>
  page.evaluate(() =>
    document.documentElement.scrollWidth <= innerWidth
      ? []
      : [...document.querySelectorAll('body *')]
          .filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5)
          .map((element) => `${element.tagName.toLowerCase()}.${element.getAttribute('class') ?? ''}`),
  );

const axeViolations = (page: Page) => violations(new AxeBuilder({ page }).withTags(WCAG));

/** Of axe's rules the only one whose answer depends on the theme. */
const contrastViolations = (page: Page) => violations(new AxeBuilder({ page }).withRules(['color-contrast']));

async function violations(axe: AxeBuilder): Promise<string[]> {
  const found = (await axe.analyze()).violations;
  return found.map(
    ({ id, help, nodes }) => `${id}: ${help} (${nodes.map(({ target }) => target).join(', ')})`,
  );
}

/** Counts, from now on, the compressed bytes of scripts and style sheets that the page fetches. */
function weigh(page: Page): () => Promise<{ script: number; stylesheet: number }> {
  const sizes = { script: 0, stylesheet: 0 };
  const measured: Promise<void>[] = [];
  page.on('response', (response) => {
    const type = response.request().resourceType();
    if (type !== 'script' && type !== 'stylesheet') return;
    measured.push(
      response.body().then((body) => {
        sizes[type] += gzipSync(body).length;
      }),
    );
  });
  return async () => {
    await Promise.all(measured);
    return { ...sizes };
  };
}

for (const path of pages) {
  test(`${path} can be read by everybody, in both themes, at 360 and at 1440 px, and is light`, async ({
    page,
  }) => {
    // Axe looks at every pair of colours of long pages, which takes a busy machine more than a minute.
    test.setTimeout(240_000);
    const heard = complaints(page);
    const weight = weigh(page);
    // By day on a desk, by night on a phone; and the colours of the night on a desk, which only contrast depends on.
    for (const [width, colorScheme] of [
      [1440, 'light'],
      [360, 'dark'],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await open(page, path);
      expect.soft(await layoutShift(page), `layout shift at ${width} px`).toBeLessThanOrEqual(0.01);
      expect.soft(await overflowing(page), `wider than ${width} px`).toEqual([]);
      expect.soft(await axeViolations(page), `WCAG 2.2 AA at ${width} px, ${colorScheme}`).toEqual([]);
      if (width === 360) continue;
      if (reading.includes(path)) {
        const { script, stylesheet } = await weight();
        expect(script).toBeGreaterThan(0);
        expect.soft(script, 'JavaScript, compressed').toBeLessThanOrEqual(30 * KIB);
        expect.soft(stylesheet, 'style sheets, compressed').toBeLessThanOrEqual(20 * KIB);
      }
      await page.emulateMedia({ colorScheme: 'dark' });
      expect.soft(await contrastViolations(page), `contrast by night at ${width} px`).toEqual([]);
    }
    expect(heard, 'errors in the console').toEqual([]);
  });
}

test('a page with a running shell has no barrier either', async ({ page }) => {
  const heard = complaints(page);
  await open(page, '/');
  await page.getByTestId('start-container').click();
  await new TerminalPage(page, 'terminal-box').waitForPrompt('box');
  // The container's walls have risen, and stand.
  await expect(page.locator('.compartment.kind-container.standing').first()).toBeVisible();
  await expect(page.locator('.compartment.rising:visible')).toHaveCount(0);
  expect(await axeViolations(page)).toEqual([]);
  expect(heard).toEqual([]);
  await page.getByRole('button', { name: 'End it' }).click();
  await expect(page.getByText('The sandbox has ended')).toBeVisible();
});

test('without a mouse: Tab reaches Start, Tab stays in the terminal, F6 and Shift+F6 leave it', async ({
  page,
}) => {
  await open(page, '/');
  const start = page.getByTestId('start-container');
  await expect(start).toBeEnabled();
  for (
    let key = 0;
    key < 20 && !(await start.evaluate((button) => button === document.activeElement));
    key++
  ) {
    await page.keyboard.press('Tab');
  }
  await expect(start).toBeFocused();
  await page.keyboard.press('Enter');
  const box = new TerminalPage(page, 'terminal-box');
  await box.waitForPrompt('box');
  const input = box.root.locator('.xterm-helper-textarea');
  await expect(input).toBeFocused();
  await page.keyboard.press('Tab');
  await expect(input).toBeFocused();

  await page.keyboard.press('F6');
  await expect(input).not.toBeFocused();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Put a virtual machine beside it' })).toBeFocused();
  await input.focus();
  await page.keyboard.press('Shift+F6');
  await page.keyboard.press('Shift+Tab');
  await expect(page.getByRole('button', { name: 'End it' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(start).toBeVisible();
});

test('pages read without JavaScript, and those that need it say so', async ({ browser }) => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  for (const path of reading) {
    await page.goto(stack.url + path);
    await expect(page.locator('h1')).toBeVisible();
    expect((await page.locator('main').innerText()).length, path).toBeGreaterThan(1_000);
  }
  for (const path of applications) {
    await page.goto(stack.url + path);
    await expect(page.getByText(/needs JavaScript/), path).toBeVisible();
  }
  await context.close();
});

test('every link between the pages leads somewhere', async ({ request }) => {
  const wanted = new Map<string, string>();
  for (const path of pages) {
    const html = await (await request.get(stack.url + path)).text();
    for (const [, href = ''] of html.matchAll(/<a\s[^>]*?href="([^"]+)"/g)) {
      const link = new URL(href, stack.url + path).href;
      if (link.startsWith(stack.url)) wanted.set(link, path);
    }
  }
  expect(wanted.size).toBeGreaterThan(pages.length);
  const answers = new Map<string, { ok: boolean; text: string }>();
  const broken: string[] = [];
  for (const [link, from] of wanted) {
    const { hash, origin, pathname } = new URL(link);
    let answer = answers.get(pathname);
    if (!answer) {
      const response = await request.get(origin + pathname);
      answer = { ok: response.ok(), text: await response.text() };
      answers.set(pathname, answer);
    }
    const there =
      answer.ok && (hash === '' || answer.text.includes(` id="${decodeURIComponent(hash.slice(1))}"`));
    if (!there) broken.push(`${link} (on ${from})`);
  }
  expect(broken).toEqual([]);
});
