// Every page of the built site as its readers meet it: accessible, within its width, still while it loads, light, and
// complete without a mouse and, where it is for reading, without JavaScript.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, type Page, test } from '@playwright/test';
import { type Stack, startStack } from '../integration/stack.ts';
import { TerminalPage } from './terminal-page.ts';

const DIST = join(import.meta.dirname, '../../site/dist');
const WCAG = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
const KIB = 1_024;

/** Addresses of all pages of the site, from the files that the build made. */
const pages = readdirSync(DIST, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.html'))
  .map((file) => `/${file.replace(/index\.html$/, '')}`)
  .sort();
const reading = pages.filter((path) => path.startsWith('/concepts/') || path === '/about/');

// Recording a trace would cost more than these tests do.
test.use({ trace: 'off' });

let stack: Stack;
test.beforeAll(async () => {
  stack = await startStack();
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

/** Opens a page and waits until its fonts are there and the server has told it what it can start. */
async function open(page: Page, path: string): Promise<void> {
  await page.goto(stack.url + path, { waitUntil: 'networkidle' });
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

for (const path of pages) {
  test(`${path} can be read by everybody, in both themes, at 360 and at 1440 px`, async ({ page }) => {
    const heard = complaints(page);
    for (const width of [1440, 360]) {
      await page.emulateMedia({ colorScheme: 'light' });
      await page.setViewportSize({ width, height: 800 });
      await open(page, path);
      expect.soft(await layoutShift(page), `layout shift at ${width} px`).toBeLessThanOrEqual(0.01);
      expect.soft(await overflowing(page), `wider than ${width} px`).toEqual([]);
      expect.soft(await axeViolations(page), `WCAG 2.2 AA at ${width} px`).toEqual([]);
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
  for (const path of ['/', '/compare/']) {
    await page.goto(stack.url + path);
    await expect(page.getByText(/needs JavaScript/), path).toBeVisible();
  }
  await context.close();
});

for (const path of reading) {
  test(`${path} costs at most 30 KiB of JavaScript and 20 KiB of style sheets, compressed`, async ({
    page,
  }) => {
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
    await open(page, path);
    await Promise.all(measured);
    expect(sizes.script).toBeGreaterThan(0);
    expect(sizes.script).toBeLessThanOrEqual(30 * KIB);
    expect(sizes.stylesheet).toBeLessThanOrEqual(20 * KIB);
  });
}

test('every link between the pages leads somewhere', async ({ page, request }) => {
  const wanted = new Map<string, string>();
  for (const path of pages) {
    await page.goto(stack.url + path);
    const links = await page
      .locator('a[href]')
      .evaluateAll((anchors) => anchors.map((anchor) => (anchor as HTMLAnchorElement).href));
    for (const link of links) if (link.startsWith(stack.url)) wanted.set(link, path);
  }
  expect(wanted.size).toBeGreaterThan(pages.length);
  const broken: string[] = [];
  for (const [link, from] of wanted) {
    const { hash } = new URL(link);
    const answer = await request.get(link);
    const there = answer.ok() && (hash === '' || (await answer.text()).includes(` id="${hash.slice(1)}"`));
    if (!there) broken.push(`${link} (on ${from})`);
  }
  expect(broken).toEqual([]);
});
