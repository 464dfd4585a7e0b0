// What the reading pages let their readers do: walk, filter and zoom the timeline, sort the matrix, look words up. Each
// also without script, or without a mouse.
import { expect, type Page, test } from '@playwright/test';
import { type PlainSite, servePlainly } from './plain-site.ts';

let site: PlainSite;
test.beforeAll(async () => {
  site = await servePlainly();
});
test.afterAll(() => site.close());

const chosen = (page: Page) => page.locator('.chart .entry.chosen');
const told = (page: Page) => page.locator('.told h3');
const listed = (page: Page) => page.locator('.era-part .entry-card:visible');

test('the timeline opens at the entry that a link names, and arrow keys walk on from there', async ({
  page,
}) => {
  await page.goto(`${site.url}/history/#openvz`);
  await expect(chosen(page)).toHaveAttribute('data-entry', 'openvz');
  await expect(page.locator('#openvz')).toBeInViewport();

  // One stop of the Tab key leads into the chart, whichever entry is chosen.
  await expect(page.locator('.chart .entry[tabindex="0"]')).toHaveCount(1);
  await chosen(page).focus();
  await page.keyboard.press('ArrowLeft');
  await expect(chosen(page)).not.toHaveAttribute('data-entry', 'openvz');
  await expect(told(page)).toBeVisible();
  const before = await chosen(page).getAttribute('data-entry');
  expect(new URL(page.url()).hash).toBe(`#${before}`);
  await page.keyboard.press('ArrowRight');
  await expect(told(page)).toHaveText('OpenVZ, and containers that move');
  await page.keyboard.press('Home');
  await expect(told(page)).toHaveText('Time sharing is proposed');
  await page.keyboard.press('End');
  await expect(told(page)).toHaveText('Containers without root');
  await page.keyboard.press('ArrowUp');
  await expect(told(page)).not.toHaveText('Containers without root');
  await expect(chosen(page)).toBeFocused();
});

test('the timeline zooms, and writes more labels the nearer it is', async ({ page }) => {
  await page.goto(`${site.url}/history/`);
  const labels = page.locator('.chart .entry.named');
  const far = await labels.count();
  const width = async () => (await page.locator('.chart').boundingBox())?.width ?? 0;
  const narrow = await width();
  await expect(page.getByRole('button', { name: 'Zoom out' })).toBeDisabled();
  for (let step = 0; step < 5; step++) await page.getByRole('button', { name: 'Zoom in' }).click();
  await expect(page.getByRole('button', { name: 'Zoom in' })).toBeDisabled();
  expect(await width()).toBeGreaterThan(narrow * 7);
  expect(await labels.count()).toBeGreaterThan(far);
  await page.locator('.chart .entry[tabindex="0"]').focus();
  await page.keyboard.press('0');
  expect(await width()).toBe(narrow);
});

test('the timeline shows one kind, follows one wall, and says how many are left', async ({ page }) => {
  await page.goto(`${site.url}/history/`);
  const all = await listed(page).count();
  expect(all).toBeGreaterThanOrEqual(60);
  await page.getByLabel('hardware', { exact: true }).uncheck();
  const left = await listed(page).count();
  expect(left).toBeLessThan(all);
  await expect(page.getByText(`${left} of ${all} entries`)).toBeVisible();
  await expect(page.locator('.chart .entry:visible')).toHaveCount(left);

  await page.getByRole('button', { name: 'Show all' }).click();
  await page.getByLabel('faults', { exact: true }).check();
  await expect(page.locator('.thread.followed')).toHaveAttribute('data-thread', 'faults');
  await expect(page.locator('#chroot')).toBeHidden();
  await expect(page.locator('#kvm')).toBeVisible();
});

test.describe('without script', () => {
  test.use({ javaScriptEnabled: false });

  test('the timeline is a list, and every glyph of the chart leads into it', async ({ page }) => {
    await page.goto(`${site.url}/history/`);
    const entries = await listed(page).count();
    await expect(page.locator('.chart .entry')).toHaveCount(entries);
    await expect(page.getByLabel('hardware', { exact: true })).toBeHidden();
    await page.locator('.chart .entry[data-entry="chroot"]').click();
    await expect(page.locator('#chroot')).toBeInViewport();
    await expect(page.locator('#chroot')).toContainText('The date is disputed');
  });

  test('claims are filtered by verdict', async ({ page }) => {
    await page.goto(`${site.url}/2013/`);
    const claims = page.locator('.claim:visible');
    await expect(claims).toHaveCount(48);
    await page.getByLabel(/^wrong/).check();
    await expect(claims).toHaveCount(1);
    await expect(claims).toContainText('AIX');
    await expect(page.locator('.part:visible')).toHaveCount(1);
    await page.getByLabel(/^all/).check();
    await expect(claims).toHaveCount(48);
  });
});

test('the matrix sorts by a column, hides one, and shows a note with its source', async ({ page }) => {
  await page.goto(`${site.url}/matrix/`);
  const firstRow = page.locator('tbody tr').first();
  await expect(firstRow).toHaveAttribute('id', 'own-kernel');
  await page.getByRole('columnheader', { name: 'jail' }).getByRole('button').click();
  await expect(page.getByRole('columnheader', { name: 'jail' })).toHaveAttribute('aria-sort', 'ascending');
  await expect(firstRow).toHaveAttribute('id', 'file-tree');
  await page.getByRole('columnheader', { name: 'jail' }).getByRole('button').click();
  await expect(firstRow).toHaveAttribute('id', 'own-kernel');

  await page.getByLabel('WPAR', { exact: true }).uncheck();
  await expect(page.getByRole('columnheader', { name: 'WPAR' })).toHaveCount(0);

  await page.locator('#own-kernel').getByRole('button', { name: 'Note 1' }).click();
  await expect(page.locator('#note-1')).toContainText('kernel in user space');
  await expect(page.locator('#note-1').getByRole('link')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.locator('#note-1')).toBeHidden();
});

test('on a phone the matrix begins with three columns, and the rest is one touch away', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 800 });
  await page.goto(`${site.url}/matrix/`);
  await expect(page.locator('thead [data-column]:visible')).toHaveCount(3);
  await page.getByLabel('gVisor', { exact: true }).check();
  await expect(page.locator('thead [data-column]:visible')).toHaveCount(4);
});

test('a word shows its meaning on focus, Escape sends that away, and the link leads to the glossary', async ({
  page,
}) => {
  await page.goto(`${site.url}/history/bazaar/`);
  const word = page.getByRole('link', { name: 'jail', exact: true });
  const meaning = page.locator('#says-jail');
  await expect(meaning).toBeHidden();
  await word.focus();
  await expect(meaning).toBeVisible();
  await expect(word).toHaveAccessibleDescription(/FreeBSD's container/);
  await page.keyboard.press('Escape');
  await expect(meaning).toBeHidden();
  await word.hover();
  await expect(meaning).toBeVisible();
  await word.click();
  await expect(page).toHaveURL(/\/glossary\/#jail$/);
});

test('a guess shows what is so, and which answer it was, without script', async ({ browser }) => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(`${site.url}/concepts/process/`);
  const why = page.getByText('makes no new process');
  await expect(why).toBeHidden();
  await page.getByLabel('One more than the first').check();
  await expect(why).toBeVisible();
  await context.close();
});

test('the walk through a launch shows the source of a step where it is asked for', async ({ page }) => {
  await page.goto(`${site.url}/made/`);
  const source = page.getByLabel('clone_process, source');
  await expect(source).toBeHidden();
  await page.getByText('clone_process', { exact: true }).first().click();
  await expect(source).toContainText('clone3');
  await page.getByRole('button', { name: 'Make one now' }).click();
  await expect(page.getByRole('status')).toContainText('No server answers here');
});

test.describe('by touch', () => {
  test.use({ hasTouch: true, viewport: { width: 360, height: 800 } });

  test('a first tap shows what a word means, a second one follows the link', async ({ page }) => {
    await page.goto(`${site.url}/history/bazaar/`);
    const word = page.getByRole('link', { name: 'zones', exact: true });
    await word.tap();
    await expect(page.locator('#says-zone')).toBeInViewport();
    await expect(page).toHaveURL(/\/bazaar\/$/);
    await word.tap();
    await expect(page).toHaveURL(/\/glossary\/#zone$/);
  });
});
