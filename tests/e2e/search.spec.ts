// The search as readers use it: from any page, by keys alone, under the server's own policy; and as a plain folder of files,
// from which nothing of it is fetched before it is opened.
import { expect, type Page, test } from '@playwright/test';
import { type Stack, startStack } from '../integration/stack.ts';
import { complaints } from './page-checks.ts';
import { DIST, servePlainly } from './plain-site.ts';

let stack: Stack;
test.beforeAll(async () => {
  stack = await startStack({ site: DIST });
});
test.afterAll(() => stack.stop());

const dialog = (page: Page) => page.getByRole('dialog', { name: 'Search' });
const field = (page: Page) => page.getByRole('searchbox');
const found = (page: Page) => dialog(page).locator('ol > li');
/** Types words and waits until the answer to them is told. */
const search = async (page: Page, words: string) => {
  await field(page).fill(words);
  await expect(dialog(page).getByRole('status')).toContainText(`“${words}”`);
};

test('/ opens it, arrow keys lead to a place, Enter goes there, Escape leaves things as they were', async ({
  page,
}) => {
  const heard = complaints(page);
  const fetched: string[] = [];
  page.on('request', (request) => fetched.push(new URL(request.url()).pathname));
  await page.goto(`${stack.url}/concepts/chroot/`);
  expect(
    fetched.filter((path) => /pagefind|search/.test(path) && !/site-search|SiteSearch/i.test(path)),
  ).toEqual([]);

  await page.keyboard.press('/');
  await expect(field(page)).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(dialog(page)).toBeHidden();

  await page.getByRole('link', { name: 'Search', exact: true }).focus();
  await page.keyboard.press('Enter');
  await search(page, 'gVisor');
  await page.keyboard.press('ArrowDown');
  await expect(found(page).first().locator('a').first()).toBeFocused();
  await page.keyboard.press('ArrowUp');
  await expect(field(page)).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(dialog(page)).toBeHidden();
  await expect(page).not.toHaveURL(/\/concepts\/chroot\/$/);
  expect(heard).toEqual([]);
});

test.describe('it finds', () => {
  for (const [words, title, address] of [
    ['jail', 'jail', '/glossary/#jail'],
    ['time sharing', 'Time sharing is proposed', '/history/#time-sharing'],
    ['own kernel', 'a kernel of its own', '/matrix/#own-kernel'],
    ['pivot_root', 'chroot, and why it is not a wall', '/concepts/chroot/'],
    ['sources', 'Sources', '/sources/'],
  ] as const)
    test(`${address} for ${words}`, async ({ page }) => {
      await page.goto(`${stack.url}/about/`);
      await page.keyboard.press('/');
      await search(page, words);
      const link = found(page).locator(`> a[href$="${address}"]`);
      await expect(link.locator('b')).toHaveText(title);
      await link.click();
      await expect(page).toHaveURL(stack.url + address);
      const hash = new URL(page.url()).hash;
      if (hash) await expect(page.locator(hash)).toBeInViewport();
    });

  test('claims of 2013, each at its own place', async ({ page }) => {
    await page.goto(`${stack.url}/about/`);
    await page.keyboard.press('/');
    await search(page, 'AIX');
    const claim = found(page)
      .filter({ hasText: /2013, claim \d+/ })
      .first();
    await expect(claim.getByRole('link').first()).toHaveAttribute('href', /\/2013\/#[a-z0-9-]+$/);
  });

  test('nothing, and says so', async ({ page }) => {
    await page.goto(`${stack.url}/about/`);
    await page.keyboard.press('/');
    await search(page, 'жжж');
    await expect(dialog(page).getByRole('status')).toHaveText('Nothing for “жжж”.');
    await expect(found(page)).toHaveCount(0);
  });
});

test('where something is typed, / is only a letter', async ({ page }) => {
  await page.goto(`${stack.url}/matrix/`);
  await page.keyboard.press('/');
  await field(page).press('/');
  await expect(field(page)).toHaveValue('/');
});

test('it works from a folder of files, without a server of ours', async ({ page }) => {
  const site = await servePlainly();
  try {
    await page.goto(`${site.url}/glossary/`);
    await page.keyboard.press('/');
    await search(page, 'seccomp');
    expect(await found(page).count()).toBeGreaterThan(1);
  } finally {
    site.close();
  }
});

test('without script the same link lists every page', async ({ browser }) => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(`${stack.url}/about/`);
  await page.getByRole('link', { name: 'Search', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('All pages');
  expect(await page.locator('.page-list a').count()).toBeGreaterThan(30);
  await context.close();
});
