// The site as a folder on a plain web host, and then without one: what was fetched once is all that a reader needs.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, type Page, test } from '@playwright/test';
import { filesIn, type PlainHost, serveFiles } from '../../scripts/static/server.ts';
import { writeStaticSite } from '../../scripts/static/site.ts';
import { LabPage } from '../e2e/lab-page.ts';
import { DIST } from '../e2e/plain-site.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { PATIENCE } from './device.ts';
import { TAB_IMAGE } from './place.ts';

/** The site must not know where it is. */
const UNDER = '/people/ada/walls/';

test.use({ serviceWorkers: 'allow' });

let made: string;
let host: PlainHost;
test.beforeAll(async () => {
  made = temporaryFolder('static');
  const out = join(made, 'site');
  writeStaticSite({ dist: DIST, linux: TAB_IMAGE, out });
  host = await serveFiles({ fileAt: filesIn(out), under: UNDER });
});
test.afterAll(() => {
  host.close();
  rmSync(made, { recursive: true, force: true });
});

/** Everything that was asked for and is not below the site's own folder. */
const strays = (page: Page): string[] => {
  const seen: string[] = [];
  page.on('request', (request) => {
    const url = request.url();
    if (url.startsWith('http') && !url.startsWith(`${host.url}/`)) seen.push(url);
  });
  return seen;
};

test('a site in a folder asks for nothing outside it, and every link stays in it', async ({ page }) => {
  const asked = strays(page);
  for (const path of ['/', '/compare/', '/concepts/namespaces/', '/history/', '/tab/']) {
    await page.goto(host.url + path, { waitUntil: 'networkidle' });
    await expect(page.locator('h1')).toBeVisible();
    const links = await page
      .locator('a[href]')
      .evaluateAll((all) =>
        all.map((link) => new URL(link.getAttribute('href') ?? '', document.baseURI).href),
      );
    const { origin } = new URL(host.url);
    expect(
      links.filter((href) => href.startsWith(origin) && !href.startsWith(`${host.url}/`)),
      path,
    ).toEqual([]);
  }
  expect(asked).toEqual([]);
});

test('with the network cut after the first visit, a lab is begun in the tab, its limits hold, and a check turns green', async ({
  page,
  context,
}) => {
  await page.goto(`${host.url}/tab/`);
  await page.getByTestId('use-tab').click();
  await page.getByRole('button', { name: /Keep all of it/ }).click({ timeout: PATIENCE });
  await expect(page.getByTestId('kept')).toBeVisible({ timeout: PATIENCE });

  // Not only is the browser told that it is offline: nobody listens any more.
  await context.setOffline(true);
  host.close();

  // A page that was never visited; the reader has agreed to the tab.
  await page.goto(`${host.url}/labs/eight-namespaces/`);
  await page.getByTestId('start-lab').click();
  await expect(page.getByTestId('lab-bench')).toBeVisible({ timeout: PATIENCE });
  const terminal = await new LabPage(page).terminal('box');
  await terminal.waitForPrompt('box', PATIENCE);
  const memory = 'python3 -c "b = b\'x\' * (96 << 20)"; echo "status $?"';
  await terminal.run(memory, /^Killed[\s\S]*^status 137$/m, PATIENCE);

  const step = page.getByTestId('foot-name');
  await expect(step).not.toHaveAttribute('data-state', 'done');
  await terminal.type('unshare --uts bash\n');
  await terminal.run('hostname elsewhere; hostname', /^elsewhere$/m, PATIENCE);
  await expect(step).toHaveAttribute('data-state', 'done', { timeout: PATIENCE });
});
