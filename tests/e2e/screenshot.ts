// Makes docs/images/compare.png, the picture in the README, from a real run: `node tests/e2e/screenshot.ts` as root, after
// `npm start` or `npm test` has built everything. On a machine that does nothing else, or the numbers are not its best.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from '@playwright/test';
import { startStack } from '../integration/stack.ts';
import { CHROMIUM } from './browser.ts';
import { TerminalPage } from './terminal-page.ts';

const IMAGES = join(import.meta.dirname, '../../docs/images');

const stack = await startStack();
const browser = await chromium.launch(CHROMIUM);
try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 1140 }, colorScheme: 'light' });
  await page.goto(`${stack.url}/compare/`, { waitUntil: 'networkidle' });
  // The page builds its terminals while it has nothing else to do: a reader gives it that time.
  await page.locator('.xterm').nth(1).waitFor({ state: 'attached' });
  await page.getByLabel('10 times as long', { exact: true }).check();
  await page.getByTestId('start-both').click();
  const shells = [
    { shell: new TerminalPage(page, 'terminal-box'), prompt: /^box:.*#\s*$/m },
    { shell: new TerminalPage(page, 'terminal-vm'), prompt: /^vm:.*#\s*$/m },
  ];
  await shells[0]?.shell.waitForPrompt('box');
  await shells[1]?.shell.waitForPrompt('vm');
  for (const command of ['uname -r', 'head -1 /proc/meminfo', 'ps -e | wc -l']) {
    await page.getByTestId('command').fill(command);
    await page.getByTestId('run-in-both').click();
    for (const { shell, prompt } of shells) {
      // Done when the prompt after the command's output is the last line.
      const answered = async () => {
        const lines = (await shell.screen()).trimEnd().split('\n');
        const at = lines.findLastIndex((line) => line.includes(command));
        return at >= 0 && at < lines.length - 2 && prompt.test(lines.at(-1) ?? '');
      };
      while (!(await answered())) await page.waitForTimeout(50);
    }
  }
  // What it costs is measured while it is looked at.
  const cost = page.getByTestId('measure-memory-vm');
  await cost.scrollIntoViewIfNeeded();
  await cost.filter({ hasText: 'MiB' }).waitFor();
  await page.evaluate(() => scrollTo(0, 0));
  await page.mouse.move(0, 0);
  mkdirSync(IMAGES, { recursive: true });
  await page.screenshot({ path: join(IMAGES, 'compare.png') });
} finally {
  await browser.close();
  await stack.stop();
}
