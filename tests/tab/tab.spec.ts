// The Linux in the tab, as a reader of a static page has it: no server, only files.
import { expect, type Page, test } from '@playwright/test';
import { type PlainSite, servePlainly } from '../e2e/plain-site.ts';
import { TerminalPage } from '../e2e/terminal-page.ts';
import { PATIENCE } from './device.ts';
import { TAB_IMAGE } from './place.ts';

let site: PlainSite;
test.beforeAll(async () => {
  site = await servePlainly(TAB_IMAGE);
});
test.afterAll(() => site.close());

/** Agrees to what it takes. */
const begin = async (page: Page): Promise<void> => {
  await page.goto(`${site.url}/tab/`);
  await page.getByTestId('use-tab').click();
};

test('gives a container with a shell, without a server', async ({ page }) => {
  await begin(page);
  const terminal = new TerminalPage(page, 'terminal-box');
  await terminal.waitForPrompt('box', PATIENCE);
  await expect(page.getByText(/s from the click to a prompt/)).toBeVisible();
  await terminal.run('uname -srm', /^Linux 6\.1\.\S+ i686$/m, PATIENCE);
  // A container's own processes and no others; no capabilities; a filter.
  await terminal.run('cat /proc/1/comm', /^catatonit$/m, PATIENCE);
  await terminal.run(
    'grep -E "^(CapBnd|Seccomp):" /proc/self/status',
    /CapBnd:\t?\s*0+\nSeccomp:\s*2/,
    PATIENCE,
  );
  // What is ended leaves no emulator behind.
  await page.getByRole('button', { name: 'End it' }).click();
  await expect(page.locator('.tab-linux')).toHaveAttribute('data-phase', 'off', { timeout: PATIENCE });
  await page.getByRole('button', { name: 'Start again' }).click();
  await terminal.waitForPrompt('box', PATIENCE);
});

test('stops a download when the reader says so', async ({ page }) => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route('**/linux/*/state/03.bin', async (route) => {
    await held;
    await route.abort().catch(() => {}); // the page may have given the request up, which is what it is tested for
  });
  await begin(page);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.locator('.tab-linux')).toHaveAttribute('data-phase', 'off');
  release();
});

test('says what is wrong when the download is cut, and when there is nothing to download', async ({
  page,
}) => {
  await page.route('**/linux/*/state/03.bin', (route) => route.abort());
  await begin(page);
  await expect(page.getByRole('alert')).toContainText(/The download was cut off at \d+\.\d of \d+\.\d MB/, {
    timeout: PATIENCE,
  });
  await page.unroute('**/linux/*/state/03.bin');
  await page.route('**/linux/*/state/03.bin', (route) => route.fulfill({ body: Buffer.from('no machine') }));
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByRole('alert')).toContainText(
    /something between this page and its web host changed it/,
  );
  await page.unroute('**/linux/*/state/03.bin');
  await page.route('**/linux/image.json', (route) => route.fulfill({ status: 404 }));
  await page.reload();
  await expect(page.getByTestId('no-tab')).toContainText('This site has no machine for the tab', {
    timeout: PATIENCE,
  });
});
