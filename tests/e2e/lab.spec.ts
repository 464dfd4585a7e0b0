// The player of labs against a real server: what it says, what it remembers, and that it can be used by everybody.
import { join } from 'node:path';
import { expect, type Page, test } from '@playwright/test';
import { type Stack, startStack } from '../integration/stack.ts';
import { patiently } from '../patience.ts';
import { LabPage } from './lab-page.ts';
import { axeViolations, complaints, contrastViolations, overflowing } from './page-checks.ts';
import { DIST } from './plain-site.ts';

const LABS = join(import.meta.dirname, '../../labs');
const LAB = 'only-a-process';
let stack: Stack;
test.beforeAll(async () => {
  stack = await startStack({ server: ['--labs', LABS], site: DIST });
});
test.afterAll(() => stack.stop());
test.beforeEach(() => test.setTimeout(patiently(120_000)));

const foot = (page: Page, step: string) => page.getByTestId(`foot-${step}`);
const begun = async (page: Page) => {
  const lab = new LabPage(page);
  await lab.begin(stack.url, LAB);
  return lab;
};

test('a step says what is missing, helps in stages, is solved, begun again, and remembered', async ({
  page,
}) => {
  const lab = await begun(page);
  await expect(foot(page, 'number')).toContainText('Not yet.');

  // Hints come when they are asked for, and one by itself when the check says what it names.
  const hint = lab.open.locator('.lab-hint:not(.live)');
  const live = lab.open.locator('.lab-hint.live');
  await expect(hint).toBeHidden();
  await foot(page, 'number')
    .getByRole('button', { name: /A hint/ })
    .click();
  await expect(hint).toContainText('second column');
  await expect(live).toBeHidden();
  await lab.type('box', 'sleep 4711 & echo 99999 > /root/number');
  await expect(live).toBeVisible({ timeout: patiently(30_000) });

  // The solution is shown after a second question, and applied where it can be seen.
  await foot(page, 'number').getByRole('button', { name: 'The solution' }).click();
  await foot(page, 'number').getByRole('button', { name: 'Yes, show it' }).click();
  await expect(foot(page, 'number').locator('pre').first()).toContainText('/root/number');
  await foot(page, 'number')
    .getByRole('button', { name: /^Apply it/ })
    .click();
  await expect(foot(page, 'number')).toHaveAttribute('data-state', 'done', { timeout: patiently(30_000) });

  // What was done and where one was is there after a reload, with the same machines.
  await page.goto(`${stack.url}/labs/${LAB}/#environment`);
  await page.reload();
  await expect(page.getByTestId('lab-bar').getByRole('link', { name: /^Step 1: .*, done$/ })).toBeVisible();
  await expect(foot(page, 'environment')).toBeVisible();
  await lab.see('box', /sleep 4711/);

  // Begun again, the machine is new and has the solutions of the steps before, and nothing of this one.
  await lab.type('box', 'touch /root/mine');
  await foot(page, 'environment').getByRole('button', { name: 'Begin this step again' }).click();
  await expect(page.getByTestId('lab-bar')).toContainText('Beginning');
  await expect(page.getByTestId('lab-bar')).not.toContainText('Beginning', { timeout: patiently(60_000) });
  await lab.type('box', 'ls /root; pgrep -fc "^sleep 4711"');
  await lab.see('box', /number[\s\S]*\n1\n/);
  expect((await (await lab.terminal('box')).screen()).includes('mine')).toBe(false);
});

test('another browser goes on where this one was, with a recovery code', async ({ page, browser }) => {
  const lab = await begun(page);
  await lab.run('sleep 4711');
  await lab.type('box', 'pgrep -fx "sleep 4711" > /root/number');
  await lab.done('number');
  await expect(foot(page, 'environment')).toBeVisible();
  const code = await page.evaluate(async () => {
    const answer = await fetch('/api/recovery-code', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    return ((await answer.json()) as { code: string }).code;
  });
  const elsewhere = await (await browser.newContext()).newPage();
  await elsewhere.goto(stack.url);
  await elsewhere.evaluate(async (code) => {
    await fetch('/api/status');
    await fetch('/api/recover', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ code }),
    });
  }, code);
  await elsewhere.goto(`${stack.url}/labs/${LAB}/`);
  await expect(foot(elsewhere, 'environment')).toBeVisible();
  await expect(elsewhere.getByTestId('lab-bar').getByRole('link', { name: /, done$/ })).toHaveCount(1);
  await elsewhere.context().close();
});

test('everything is done with keys alone, and the terminal lets go', async ({ page }) => {
  await page.goto(`${stack.url}/labs/${LAB}/`);
  const start = page.getByTestId('start-lab');
  await expect(start).toBeEnabled();
  await start.focus();
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('lab-bench')).toBeVisible({ timeout: patiently(60_000) });
  await expect(foot(page, 'number')).toBeVisible();

  // r types the step's commands, and the terminal has the keys until F6.
  await page.keyboard.press('r');
  const lab = new LabPage(page);
  const input = page.locator('.xterm-helper-textarea').first();
  await expect(input).toBeFocused({ timeout: patiently(30_000) });
  await page.keyboard.type('?n echo typed\n');
  await lab.see('box', /\?n/);
  await input.focus();
  await page.keyboard.press('F6');
  await expect(input).not.toBeFocused();

  // The line between text and machines.
  const line = page.getByRole('separator', { name: 'Width of the text' });
  const before = Number(await line.getAttribute('aria-valuenow'));
  await line.focus();
  await page.keyboard.press('ArrowRight');
  expect(Number(await line.getAttribute('aria-valuenow'))).toBe(before + 4);

  // Keys are listed under ?, and can be switched off.
  await page.keyboard.press('?');
  const help = page.getByRole('dialog');
  await expect(help).toContainText('out of the terminal');
  await help.getByLabel(/Single keys/).uncheck();
  await page.keyboard.press('Escape');
  await line.focus();
  await page.keyboard.press('n');
  await expect(foot(page, 'number')).toBeVisible();

  // Search in what was printed.
  await input.focus();
  await page.keyboard.press('Control+Shift+F');
  await expect(page.getByPlaceholder('Search', { exact: true })).toBeFocused();
  await page.keyboard.type('no such words');
  await page.keyboard.press('Enter');
  await expect(page.getByText('Not found', { exact: true })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(input).toBeFocused();
});

test('it can be used on a phone and by everybody, in both themes', async ({ page }) => {
  const heard = complaints(page);
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.setViewportSize({ width: 360, height: 740 });
  const lab = await begun(page);
  await lab.see('box', /box.*#/);
  expect.soft(await overflowing(page)).toEqual([]);
  expect.soft(await axeViolations(page)).toEqual([]);
  await page.getByRole('button', { name: 'Fold the machines' }).click();
  await expect(page.getByTestId('terminal-box')).toBeHidden();
  // A click on commands brings the terminal back.
  await lab.run('sleep 4711');
  await expect(page.getByTestId('terminal-box')).toBeVisible();
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.getByRole('button', { name: 'Instruments' }).click();
  await expect(page.getByTestId('lab-instrument')).toBeVisible();
  expect.soft(await axeViolations(page)).toEqual([]);
  await page.emulateMedia({ colorScheme: 'dark' });
  expect.soft(await contrastViolations(page)).toEqual([]);
  expect(heard).toEqual([]);
});

test('a learner who breaks everything gets a clear word, a new machine, and no green step', async ({
  page,
}) => {
  const lab = await begun(page);
  await lab.type('box', 'rm -rf /bin/* /usr/bin/* 2>/dev/null; echo gone');
  await lab.see('box', /\ngone/);
  await foot(page, 'number').getByRole('button', { name: 'Check now' }).click();
  await expect(foot(page, 'number')).toContainText('Not yet.');
  await page.getByText('Begin again').click();
  await page.getByRole('button', { name: /^box/ }).click();
  await expect(page.getByTestId('lab-bar')).not.toContainText('Beginning', { timeout: patiently(60_000) });
  await lab.type('box', 'ls /bin/ls');
  await lab.see('box', /\n\/bin\/ls/);
  await expect(foot(page, 'number')).not.toHaveAttribute('data-state', 'done');
});
