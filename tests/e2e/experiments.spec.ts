// Experiments in reading pages: a command that is clicked is typed in a machine that was started for it, a host without VMs says
// so, and where there is no server a recording plays.
import { rmSync } from 'node:fs';
import { expect, test } from '@playwright/test';
import { containerImages, type Stack, startStack } from '../integration/stack.ts';
import { patiently } from '../patience.ts';
import { axeViolations } from './page-checks.ts';
import { DIST, servePlainly } from './plain-site.ts';
import { TerminalPage } from './terminal-page.ts';

test.describe('on a host that has containers only', () => {
  let stack: Stack;
  let images: string;
  test.beforeAll(async () => {
    images = containerImages();
    stack = await startStack({ site: DIST, images });
  });
  test.afterAll(async () => {
    await stack.stop();
    rmSync(images, { recursive: true });
  });

  test('a claim is tried where it stands, and the shell goes along to the next one', async ({ page }) => {
    await page.goto(`${stack.url}/2013/`);
    const shell = new TerminalPage(page, 'terminal-box');
    const claim = (number: number) => page.locator(`#c${number}`);
    await expect(shell.root).toHaveCount(0);
    await claim(31).locator('summary').first().click();
    await claim(31)
      .getByRole('button', { name: /^Run strace/ })
      .click();
    await expect(claim(31).getByTestId('terminal-box')).toBeVisible();
    await expect
      .poll(() => shell.screen(), { timeout: patiently(30_000) })
      .toMatch(/sethostname\("boxed", 5\)\s+= 0/);

    await claim(42).locator('summary').first().click();
    await claim(42)
      .getByRole('button', { name: /^Run time/ })
      .click();
    await expect(claim(42).getByTestId('terminal-box')).toBeVisible();
    await expect(shell.root).toHaveCount(1);
    // The same shell, with all that it had printed, and one command more.
    await expect.poll(() => shell.screen(), { timeout: patiently(30_000) }).toMatch(/sethostname[\s\S]*real/);
    await claim(42).getByRole('button', { name: 'End it' }).click();
  });

  test('"show me" of the matrix opens the experiment, and says why half of it cannot be', async ({
    page,
  }) => {
    await page.goto(`${stack.url}/matrix/`);
    await page.getByRole('link', { name: /^Show me: a kernel of its own/ }).click();
    const shown = page.locator('#show-own-kernel');
    await shown.getByRole('button', { name: /^Run uname/ }).click();
    await expect(shown.getByText('This host cannot run a virtual machine')).toBeVisible();
    const shell = new TerminalPage(page, 'terminal-box');
    await expect.poll(() => shell.screen(), { timeout: patiently(30_000) }).toMatch(/^Linux \d/m);
    await shown.getByRole('button', { name: 'End it' }).click();
  });

  test('figures get the bars of this machine', async ({ page }) => {
    await page.goto(`${stack.url}/figures/`);
    await page.getByRole('button', { name: 'Measure this machine' }).click();
    await expect(page.getByRole('button', { name: 'Measure again' })).toBeVisible({
      timeout: patiently(60_000),
    });
    await expect(page.getByTestId('own-container-start')).toContainText(/\d ms/);
    await expect(page.getByTestId('own-vm-start')).toHaveCount(0);
    await expect(page.locator('#memory-empty-container .own')).toContainText('a container, here');
    const widths = await page
      .locator('#start-here rect')
      .evaluateAll((bars) => bars.map((bar) => Number.parseFloat(bar.getAttribute('width') ?? '')));
    expect(Math.max(...widths)).toBe(100);
    expect(await axeViolations(page)).toEqual([]);
  });
});

test('a recording plays without a server, can be gone through by keys, and is there as text', async ({
  page,
}) => {
  const site = await servePlainly();
  await page.goto(`${site.url}/recordings/`);
  const panic = page.locator('#panic');
  await panic.getByText('Watch a recording').click();
  await expect(panic.getByText(/Recorded on .* emulated|Recorded on .* KVM/)).toBeVisible();
  await expect(panic.locator('.xterm')).toHaveCount(0);
  await panic.getByRole('button', { name: 'Play it' }).click();
  const position = panic.getByRole('slider', { name: 'Position' });
  await expect(panic.getByRole('button', { name: 'Pause' })).toBeVisible();
  await position.focus();
  await page.keyboard.press('End');
  await expect(panic.getByRole('button', { name: 'Play again' })).toBeVisible();
  await expect(panic.locator('.xterm-rows')).toContainText('nothing happened here');
  await page.keyboard.press('Home');
  await expect(position).toHaveAttribute('aria-valuetext', /^0 s of/);
  await panic.getByText('Read it as text').click();
  await expect(panic.getByRole('region', { name: /, as text$/ })).toContainText('Kernel panic');
  expect(await axeViolations(page)).toEqual([]);
  site.close();
});
