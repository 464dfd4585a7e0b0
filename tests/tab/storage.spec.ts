// A browser that has no room for what the Linux in the tab would keep, and one that keeps nothing for anybody: the machine runs all
// the same, and its reader is told what that means.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, expect, type Page, test } from '@playwright/test';
import { CHROMIUM } from '../e2e/browser.ts';
import { complaints } from '../e2e/page-checks.ts';
import { type PlainSite, servePlainly } from '../e2e/plain-site.ts';
import { TerminalPage } from '../e2e/terminal-page.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { PATIENCE } from './device.ts';
import { TAB_IMAGE } from './place.ts';
import { openWindow } from './window.ts';

let site: PlainSite;
test.beforeAll(async () => {
  site = await servePlainly(TAB_IMAGE);
});
test.afterAll(() => site.close());

async function begin(page: Page): Promise<TerminalPage> {
  await page.goto(`${site.url}/`);
  await page.getByTestId('use-tab').click();
  const box = new TerminalPage(page, 'terminal-box');
  await box.waitForPrompt('box', PATIENCE);
  return box;
}

test('where storage is full the machine runs and says what is not kept, until there is room', async () => {
  const { context, close } = await openWindow();
  try {
    const page = await context.newPage();
    const browser = await context.newCDPSession(page);
    const origin = site.url;
    await browser.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 32_768 });
    const box = await begin(page);
    const here = page.getByTestId('in-this-tab');
    await expect(here).toContainText('the machine works, and is fetched again the next time');
    await expect(here).toContainText('is gone when the page is loaded again', { timeout: PATIENCE });
    await box.run('echo alive', /^alive$/m, PATIENCE);
    await expect(page.getByTestId('tab-progress')).toHaveCount(0);

    // There is room again, and the page is left: what has happened is kept after all.
    await browser.send('Storage.overrideQuotaForOrigin', { origin });
    await (await context.newPage()).bringToFront();
    await expect(here).not.toContainText('is gone when the page is loaded again', { timeout: PATIENCE });
  } finally {
    await close();
  }
});

test('where a browser keeps nothing for a site the machine runs, and says so', async () => {
  const folder = temporaryFolder('profile');
  mkdirSync(join(folder, 'Default'));
  // What a reader has who chose in Chromium's settings that no site may save data.
  const blocked = { profile: { default_content_setting_values: { cookies: 2 } } };
  writeFileSync(join(folder, 'Default/Preferences'), JSON.stringify(blocked));
  const context = await chromium.launchPersistentContext(folder, CHROMIUM);
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    const complained = complaints(page);
    const box = await begin(page);
    await expect(page.getByTestId('in-this-tab')).toContainText('This browser saves nothing for this site');
    await box.run('echo alive', /^alive$/m, PATIENCE);
    expect(complained).toEqual([]);
  } finally {
    await context.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
