// A lab on its page with nothing but files behind it: what is said before anything is fetched, and what stays done.
import { expect, test } from '@playwright/test';
import { LabPage } from '../e2e/lab-page.ts';
import { type PlainSite, servePlainly } from '../e2e/plain-site.ts';
import { PATIENCE, pretend } from './device.ts';
import { TAB_IMAGE } from './place.ts';

let site: PlainSite;
test.beforeAll(async () => {
  site = await servePlainly(TAB_IMAGE);
});
test.afterAll(() => site.close());

test('a step that turned green in the tab is green when the page is loaded again', async ({ page }) => {
  test.slow(); // the first check of a machine that was just restored takes an emulated processor long
  await page.goto(`${site.url}/labs/eight-namespaces/`);
  const use = page.getByTestId('use-tab');
  await expect(use).toHaveText(/Run it in this tab \(\d+ MB\)/);
  await use.click();
  await expect(page.getByTestId('lab-bench')).toBeVisible({ timeout: PATIENCE });

  const lab = new LabPage(page);
  const foot = page.getByTestId('foot-name');
  await (await lab.terminal('box')).waitForPrompt('box', PATIENCE);
  await expect(foot).toHaveAttribute('data-state', 'missing', { timeout: PATIENCE });
  await lab.run('unshare --uts bash');
  await expect(foot).toHaveAttribute('data-state', 'done', { timeout: PATIENCE });

  await page.reload();
  await expect(foot).toHaveAttribute('data-state', 'done', { timeout: PATIENCE });
});

test('a lab with a virtual machine says what it takes of the device, before it is fetched', async ({
  page,
}) => {
  await page.goto(`${site.url}/labs/one-kernel-or-two/`);
  const notice = page.getByRole('status').filter({ has: page.getByTestId('use-tab') });
  await expect(notice).toContainText(
    'the 2 containers and the virtual machine of this lab are as real in it',
  );
});

test('a lab whose virtual machine has no place on the device is not offered', async ({ page, context }) => {
  await pretend(context, { deviceMemory: 1 });
  await page.goto(`${site.url}/labs/one-kernel-or-two/`);
  await expect(page.getByTestId('no-tab')).toContainText(
    'There is no virtual machine in this tab: this device has 1 GiB',
  );
  await expect(page.getByTestId('use-tab')).toHaveCount(0);
});
