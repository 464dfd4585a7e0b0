// The pages of the site with nothing but files behind them: their machines run in the tab, as the reader was asked.
import { expect, type Page, test } from '@playwright/test';
import { complaints } from '../e2e/page-checks.ts';
import { type PlainSite, servePlainly } from '../e2e/plain-site.ts';
import { TerminalPage } from '../e2e/terminal-page.ts';
import { PATIENCE, pretend } from './device.ts';
import { TAB_IMAGE } from './place.ts';

let site: PlainSite;
test.beforeAll(async () => {
  site = await servePlainly(TAB_IMAGE);
});
test.afterAll(() => site.close());

/** When what is in the tab's first machine was saved last; 0 while nothing was. */
const savedAt = (page: Page): Promise<number> =>
  page.evaluate(
    () =>
      new Promise<number>((resolve, reject) => {
        const opening = indexedDB.open('bulkhead-tab');
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const database = opening.result;
          if (!database.objectStoreNames.contains('saved')) return resolve(0);
          const store = database.transaction('saved').objectStore('saved');
          const [list, first] = [store.get('sandboxes'), store.get('first')];
          store.transaction.oncomplete = () => {
            database.close();
            resolve(list.result && first.result ? first.result.savedAt : 0);
          };
        };
      }),
  );

test('/compare/ has a container beside a second kernel: one panics, the other lives', async ({ page }) => {
  await page.goto(`${site.url}/compare/`);
  const use = page.getByTestId('use-tab');
  await expect(use).toHaveText(/Run it in this tab \(\d+ MB\)/);
  await use.click();
  const box = new TerminalPage(page, 'terminal-box');
  const vm = new TerminalPage(page, 'terminal-vm');
  await box.waitForPrompt('box', PATIENCE);
  await vm.waitForPrompt('vm', PATIENCE);
  await expect(page.getByTestId('measure-where-box')).toHaveText('in this tab');
  await expect(page.getByTestId('measure-where-vm')).toHaveText('in this tab');
  await box.run('cat /proc/1/comm', /^catatonit$/m, PATIENCE);
  await vm.run('cat /proc/1/comm', /^bulkheadd$/m, PATIENCE);
  await expect(page.getByTestId('bench-panic')).toBeVisible();
  await expect(page.getByTestId('bench-move')).toHaveCount(0);

  await page.getByRole('button', { name: 'Panic this kernel' }).click();
  await expect(page.getByTestId('machine-vm')).toHaveAttribute('data-state', 'ended', { timeout: PATIENCE });
  await expect(page.getByTestId('machine-vm')).toContainText('Kernel panic - not syncing');
  await box.run('echo alive', /^alive$/m, PATIENCE);
});

test('a container goes on where it was when the page is loaded again, until the reader has it forgotten', async ({
  page,
}) => {
  await page.goto(`${site.url}/`);
  await page.getByTestId('use-tab').click();
  const box = new TerminalPage(page, 'terminal-box');
  await box.waitForPrompt('box', PATIENCE);
  await box.run('echo kept >/root/mark; echo done', /^done$/m, PATIENCE);
  const typedAt = Date.now();
  await expect.poll(() => savedAt(page), { timeout: PATIENCE }).toBeGreaterThan(typedAt);

  await page.reload();
  await expect.poll(() => box.screen(), { timeout: PATIENCE }).toContain('echo kept');
  await box.run('cat /root/mark', /^kept$/m, PATIENCE);

  await page.getByTestId('in-this-tab').getByRole('button', { name: 'Forget it' }).click();
  await expect(page.getByTestId('use-tab')).toHaveText(/Run it in this tab/);
  expect(await savedAt(page)).toBe(0);
  await page.reload();
  await expect(page.getByTestId('use-tab')).toHaveText(/Run it in this tab/);
});

test('says at once that a browser is too old for it, and the page reads on', async ({ page, context }) => {
  await context.addInitScript(() => Reflect.deleteProperty(globalThis, 'WebAssembly'));
  const complained = complaints(page);
  await page.goto(`${site.url}/`);
  await expect(page.getByTestId('no-tab')).toContainText('This browser has no WebAssembly');
  await expect(page.getByTestId('use-tab')).toHaveCount(0);
  await page.getByRole('link', { name: 'Compare', exact: true }).first().click();
  await expect(page.getByRole('heading', { level: 1 })).toContainText('side by side');
  await expect(page.getByTestId('no-tab')).toContainText('This browser has no WebAssembly');
  expect(complained).toEqual([]);
});

test('says at once that a device is too small for it', async ({ page, context }) => {
  await pretend(context, { deviceMemory: 0.5 });
  await page.goto(`${site.url}/`);
  await expect(page.getByTestId('no-tab')).toContainText('This device has 512 MiB of memory');
});

test('fetches nothing for readers who save data, though they agreed before', async ({ page, context }) => {
  await context.addInitScript(() => localStorage.setItem('bulkhead-tab', 'yes'));
  const browser = await context.newCDPSession(page);
  await browser.send('Emulation.setDataSaverOverride', { dataSaverEnabled: true });
  const fetched: string[] = [];
  page.on('request', (request) => fetched.push(request.url()));
  await page.goto(`${site.url}/`);
  await expect(page.getByTestId('use-tab')).toBeVisible();
  await expect(page.getByText('Your browser asks to save data.')).toBeVisible();
  expect(fetched.filter((url) => url.endsWith('.bin'))).toEqual([]);
});

test('gives a download up when the reader says so, and says when there is nothing to download', async ({
  page,
}) => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route('**/state/*.bin', async (route) => {
    await held;
    await route.abort().catch(() => {}); // the page may have given it up, which is what it is tested for
  });
  await page.goto(`${site.url}/`);
  await page.getByTestId('use-tab').click();
  await page.getByTestId('tab-progress').getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByTestId('start-container')).toBeEnabled();
  release();
  await page.route('**/linux/image.json', (route) => route.fulfill({ status: 404 }));
  await page.evaluate(() => localStorage.clear());
  await page.reload();
  await expect(page.getByTestId('no-tab')).toContainText('This site has no machine for the tab.');
});
