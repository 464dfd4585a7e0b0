import { readFileSync } from 'node:fs';
import { chromium } from '@playwright/test';
import { CHROMIUM } from './browser.ts';
import { TerminalPage } from './terminal-page.ts';

const url = readFileSync('/tmp/F/stack.log', 'utf8').match(/http\S+/)![0];
const [, , width = '1440', scheme = 'light', begin = 'boot', inside = '2'] = process.argv;
const browser = await chromium.launch(CHROMIUM);
const page = await browser.newPage({
  viewport: { width: Number(width), height: 900 },
  colorScheme: scheme as 'light',
});
page.on('console', (m) => m.type() === 'error' && console.log('console:', m.text()));
page.on('pageerror', (e) => console.log('pageerror:', e.message));
let n = 0;
const shot = async (y?: string) => {
  if (y)
    await page
      .locator(y)
      .first()
      .evaluate((e) => e.scrollIntoView({ block: 'start' }));
  await page.waitForTimeout(900);
  await page.screenshot({ path: `/tmp/F/c-${width}-${scheme}-${n++}.png` });
};
await page.goto(url + '/compare/', { waitUntil: 'networkidle' });
await page.getByTestId('start-' + begin).check();
await page.getByTestId('inside-' + inside).check();
await page.getByLabel('10 times as long').check();
await page.getByTestId('start-both').click();
try {
  await new TerminalPage(page, 'terminal-vm').waitForPrompt('vm');
  await page.waitForTimeout(4000);
  await shot('.compare');
  await shot('.panels');
  await page.getByTestId('bench-snapshots').click();
  await page.getByTestId('snapshot-save').click();
  await page.getByText(/^Saved as/).waitFor({ timeout: 60000 });
  await shot('.bench [role=tablist]');
  await page.getByTestId('bench-inside').click();
  await page
    .getByRole('tab', { name: 'inner-1' })
    .click()
    .catch(() => {});
  await page.waitForTimeout(1500);
  await shot('.panels');
  await shot('#cost-heading');
  await page.waitForTimeout(6000);
  await shot('#cost-heading');
  await page.getByLabel('by powers of ten').check();
  await shot('#launch-heading');
  await page.getByTestId('bench-panic').click();
  await page.getByTestId('panic').click();
  await page.getByTestId('machine-vm').getByRole('alert').waitFor({ timeout: 60000 });
  await shot('.panels');
} catch (e) {
  console.log(String(e));
  await page.screenshot({ path: '/tmp/F/c-error.png', fullPage: true });
}
await page.getByTestId('end-both').click();
await page.waitForTimeout(1500);
await browser.close();
