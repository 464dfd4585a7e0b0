// The page that starts a container, as those meet it who see with their ears and click with their keys.
import { expect, test } from '@playwright/test';
import { type Stack, startStack } from '../integration/stack.ts';
import { patiently } from '../patience.ts';
import { axeViolations, complaints, open } from './page-checks.ts';
import { DIST } from './plain-site.ts';
import { TerminalPage } from './terminal-page.ts';

let stack: Stack;
test.beforeAll(async () => {
  stack = await startStack({ site: DIST });
});
test.afterAll(() => stack.stop());

test('a page with a running shell has no barrier either', async ({ page }) => {
  const heard = complaints(page);
  await open(page, stack.url, '/');
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
  await open(page, stack.url, '/');
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

test('the walk through a launch says what each step took of one that was made for the reader', async ({
  page,
}) => {
  const heard = complaints(page);
  await open(page, stack.url, '/made/');
  await page.getByRole('button', { name: 'Make one now' }).click();
  await expect(page.getByRole('status')).toContainText(/Your container was made in [\d.]+ ms/, {
    timeout: patiently(30_000),
  });
  for (const step of ['clone3', 'root', 'pivot_root', 'exec']) {
    await expect(page.locator(`[data-trace="${step}"] .yours`)).toContainText(/ms|µs/);
  }
  await expect(page.locator('[data-trace="hook"] .yours')).toHaveText('not in yours');
  expect(await axeViolations(page)).toEqual([]);
  expect(heard).toEqual([]);
});
