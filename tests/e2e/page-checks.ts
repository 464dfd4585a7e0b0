// What every page of the built site is looked at for, and which pages there are.
import { readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { DIST } from './plain-site.ts';

export const WCAG = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

/** Addresses of all pages of the site, from the files that the build made. */
export const pages = readdirSync(DIST, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.html'))
  .map((file) => `/${file.replace(/index\.html$/, '')}`)
  .sort();
/** Pages to read: all but those that are an application, and the one for addresses that lead nowhere. */
export const applications = ['/', '/compare/', '/tab/', '/yours/'];
/** A page with a terminal and steps beside it; the list of labs is a page to read. */
export const isLab = (path: string): boolean => /^\/labs\/./.test(path);
export const reading = pages.filter(
  (path) => !applications.includes(path) && !isLab(path) && !path.endsWith('.html'),
);

const KIB = 1_024;
/** What a page may cost before anything on it is used, compressed (bytes). */
export const budgetOf = (path: string): { script: number; stylesheet: number } | undefined =>
  path === '/licences/'
    ? // It reads the description of an image as strictly as what starts one, with the same schema library.
      { script: 64 * KIB, stylesheet: 20 * KIB }
    : reading.includes(path)
      ? { script: 30 * KIB, stylesheet: 20 * KIB }
      : isLab(path)
        ? { script: 160 * KIB, stylesheet: 40 * KIB }
        : undefined;

/** What the browser complained of while the page was open. */
export function complaints(page: Page): string[] {
  const heard: string[] = [];
  page.on('console', (message) => {
    // The browser itself reports the status of the page that says 404.
    // And that of the image for the tab, where none has been built.
    const expected = /status of 404/.test(message.text()) || /\/linux\//.test(message.location().url);
    if (message.type() === 'error' && !expected) heard.push(message.text());
  });
  page.on('pageerror', (error) => heard.push(error.message));
  return heard;
}

/** Begins to count layout shifts, on each page that is opened from now on. */
export const watchLayout = (page: Page) =>
  page.addInitScript(() => {
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

/** Opens a page and waits until its fonts are there and, where it asks, the server has told it what it can start. */
export async function open(page: Page, origin: string, path: string): Promise<void> {
  await page.goto(origin + path, { waitUntil: reading.includes(path) ? 'load' : 'networkidle' });
  await page.evaluate(async () => {
    await document.fonts.ready;
    for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  });
}

export const layoutShift = (page: Page) =>
  page.evaluate(() => (globalThis as unknown as { layoutShift: { shift: number } }).layoutShift.shift);

/** What of the page is wider than the window, as selectors. */
export const overflowing = (page: Page) =>
  page.evaluate(() =>
    document.documentElement.scrollWidth <= innerWidth
      ? []
      : [...document.querySelectorAll('body *')]
          .filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5)
          .map((element) => `${element.tagName.toLowerCase()}.${element.getAttribute('class') ?? ''}`),
  );

/** Ids that more than one element of the page has: a link to one of them leads to either. */
export const repeatedIds = (page: Page) =>
  page.evaluate(() => {
    const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
    return ids.filter((id, index) => ids.indexOf(id) !== index);
  });

/**
 * Axe, asked for nothing but violations, and in the page itself. What it finds is the same; but for every element that is as it
 * should be it would write down a selector, and hand that through a second page: more than half of its work, on long pages.
 */
export const axe = (page: Page): AxeBuilder =>
  new AxeBuilder({ page }).options({ resultTypes: ['violations'] }).setLegacyMode();

export const axeViolations = (page: Page) => violations(axe(page).withTags(WCAG));

/** Of axe's rules the only one whose answer depends on the theme. */
export const contrastViolations = (page: Page) => violations(axe(page).withRules(['color-contrast']));

async function violations(builder: AxeBuilder): Promise<string[]> {
  const found = (await builder.analyze()).violations;
  return found.map(
    ({ id, help, nodes }) => `${id}: ${help} (${nodes.map(({ target }) => target).join(', ')})`,
  );
}

/** Counts, from now on, the compressed bytes of scripts and style sheets that the page fetches. */
export function weigh(page: Page): () => Promise<{ script: number; stylesheet: number }> {
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
