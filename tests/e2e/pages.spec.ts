// Every page of the built site as its readers meet it: accessible, within its width, still while it loads, light, and, where it
// is for reading, complete without JavaScript.
import { expect, test } from '@playwright/test';
import { cardOf } from '../../site/src/publish/address.ts';
import { type Stack, startStack } from '../integration/stack.ts';
import { patiently } from '../patience.ts';
import {
  applications,
  axeViolations,
  budgetOf,
  complaints,
  contrastViolations,
  layoutShift,
  open,
  overflowing,
  pages,
  reading,
  repeatedIds,
  watchLayout,
  weigh,
} from './page-checks.ts';
import { DIST } from './plain-site.ts';

let stack: Stack;
test.beforeAll(async () => {
  stack = await startStack({ site: DIST });
});
test.afterAll(() => stack.stop());

test.beforeEach(({ page }) => watchLayout(page));

for (const path of pages) {
  test(`${path} can be read by everybody, in both themes, at 360, 768 and 1440 px, and is light`, async ({
    page,
  }) => {
    // Axe looks at every pair of colours of long pages, which takes a busy machine more than a minute.
    test.setTimeout(patiently(240_000));
    const heard = complaints(page);
    const weight = weigh(page);
    // By day on a desk, by night on a phone; and the colours of the night on a desk, which only contrast depends on.
    for (const [width, colorScheme] of [
      [1440, 'light'],
      [360, 'dark'],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await open(page, stack.url, path);
      expect.soft(await layoutShift(page), `layout shift at ${width} px`).toBeLessThanOrEqual(0.01);
      expect.soft(await overflowing(page), `wider than ${width} px`).toEqual([]);
      expect.soft(await axeViolations(page), `WCAG 2.2 AA at ${width} px, ${colorScheme}`).toEqual([]);
      if (width === 360) continue;
      const budget = budgetOf(path);
      if (budget) {
        const { script, stylesheet } = await weight();
        expect(script).toBeGreaterThan(0);
        expect.soft(script, 'JavaScript, compressed').toBeLessThanOrEqual(budget.script);
        expect.soft(stylesheet, 'style sheets, compressed').toBeLessThanOrEqual(budget.stylesheet);
      }
      expect.soft(await repeatedIds(page), 'ids that are there twice').toEqual([]);
      // In between, on a tablet, only the width can be wrong.
      await page.setViewportSize({ width: 768, height: 800 });
      expect.soft(await overflowing(page), 'wider than 768 px').toEqual([]);
      await page.setViewportSize({ width, height: 800 });
      await page.emulateMedia({ colorScheme: 'dark' });
      expect.soft(await contrastViolations(page), `contrast by night at ${width} px`).toEqual([]);
    }
    expect(heard, 'errors in the console').toEqual([]);
  });
}

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

test('the sitemap and the feed have every page, and each has its card', async ({ request }) => {
  const listed = pages.filter((path) => !path.endsWith('.html'));
  const text = async (path: string) => (await request.get(stack.url + path)).text();
  const paths = (xml: string, tag: string) =>
    [...xml.matchAll(new RegExp(`<${tag}>([^<]+)</${tag}>`, 'g'))].map(
      ([, url = '']) => new URL(url).pathname,
    );
  expect(paths(await text('/sitemap-0.xml'), 'loc').sort()).toEqual(listed);
  const items = (await text('/feed.xml')).split('<item>').slice(1);
  expect(items.flatMap((item) => paths(item, 'link')).sort()).toEqual(listed);
  expect(await text('/robots.txt')).toContain('User-agent: *');
  for (const path of listed) {
    const card = await (await request.get(stack.url + cardOf(path))).body();
    // Width and height follow the name of a PNG's first chunk.
    expect([card.toString('latin1', 12, 16), card.readUInt32BE(16), card.readUInt32BE(20)], path).toEqual([
      'IHDR',
      1200,
      630,
    ]);
  }
});

test('every link to elsewhere is an address that can be opened', async ({ request }) => {
  const wrong: string[] = [];
  for (const path of pages) {
    const html = await (await request.get(stack.url + path)).text();
    for (const [, href = ''] of html.matchAll(/<a\s[^>]*?href="((?!\/|#)[^"]*)"/g)) {
      const url = URL.canParse(href) ? new URL(href) : undefined;
      // A host without a dot is a name of some network, and a space or a comma at the end is a slip of the pen.
      if (
        !url ||
        !/^https?:$/.test(url.protocol) ||
        !/\.[a-z]{2,}$/.test(url.hostname) ||
        /[\s<>([.,]$/.test(href)
      )
        wrong.push(`${href} (on ${path})`);
    }
  }
  expect(wrong).toEqual([]);
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
