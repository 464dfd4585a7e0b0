import { readFileSync } from 'node:fs';
import { chromium } from '@playwright/test';
import { CHROMIUM } from './browser.ts';
import { TerminalPage } from './terminal-page.ts';

const url = readFileSync('/tmp/F/stack.log', 'utf8').match(/http\S+/)![0];
const what = process.argv[2] ?? 'all';
const scheme = (process.argv[3] ?? 'light') as 'light' | 'dark';
const browser = await chromium.launch(CHROMIUM);
const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, colorScheme: scheme });
page.on('console', (m) => m.type() === 'error' && console.log('console:', m.text()));
page.on('pageerror', (e) => console.log('pageerror:', e.message));
const shot = async (name: string, full = false) => {
  await page.screenshot({ path: `/tmp/F/s-${name}.png`, fullPage: full });
};
await page.goto(url + '/compare/', { waitUntil: 'networkidle' });
if (what === 'before') {
  for (const w of [1440, 768, 360]) {
    await page.setViewportSize({ width: w, height: 800 });
    await page.waitForTimeout(300);
    await shot(`before-${w}`, true);
  }
  await browser.close();
  process.exit(0);
}
await page.getByTestId('start-template').check();
await page.getByLabel('10 times as long').check();
await page.getByTestId('inside-2').check();
await page.getByTestId('start-both').click();
const vm = new TerminalPage(page, 'terminal-vm');
try {
  await vm.waitForPrompt('vm');
  await page.waitForTimeout(2500);
  await shot('running', true);
  if (what === 'widths') {
    for (const w of [768, 360]) {
      await page.setViewportSize({ width: w, height: 800 });
      await page.waitForTimeout(800);
      await shot(`running-${w}`, true);
    }
  }
  if (what === 'all' || what === 'move') {
    await page.getByRole('button', { name: 'Let it print' }).click();
    await page.waitForTimeout(1500);
    await page.getByTestId('move').click();
    for (let i = 0; i < 5; i++) {
      await page.waitForTimeout(120);
      await shot(`move-${i}`);
    }
    await page.getByText(/It moved in/).waitFor({ timeout: 60000 });
    await page.waitForTimeout(1500);
    await page.locator('.bench').last().scrollIntoViewIfNeeded();
    await shot('moved', true);
  }
  if (what === 'all' || what === 'snap') {
    await page.getByTestId('bench-snapshots').click();
    await page.locator('[data-testid=terminal-vm] textarea').focus();
    await page.keyboard.press('Control+C');
    await page.waitForTimeout(1500);
    await vm.run('echo early > note; cat note', /^early$/m);
    await page.getByTestId('snapshot-save').click();
    await page.getByText(/^Saved as/).waitFor({ timeout: 60000 });
    await vm.run('echo late > note; cat note', /^late$/m);
    await page.getByRole('button', { name: 'Return to moment-1' }).click();
    await page.getByText(/Back at/).waitFor({ timeout: 60000 });
    await page.waitForTimeout(1500);
    await shot('snap', true);
  }
  if (what === 'all' || what === 'panic') {
    await page.getByTestId('bench-panic').click();
    await page.waitForTimeout(300);
    await shot('panic-before', true);
    await page.getByTestId('panic').click();
    await page.getByTestId('machine-vm').getByRole('alert').waitFor({ timeout: 60000 });
    await page.waitForTimeout(500);
    await shot('panic', true);
  }
  if (what === 'inside') {
    await page.getByTestId('bench-inside').click();
    await page.waitForTimeout(500);
    await shot('inside', true);
  }
} finally {
  await shot('last', true);
  await page.getByTestId('end-both').click();
  await page.waitForTimeout(1500);
  await browser.close();
}
