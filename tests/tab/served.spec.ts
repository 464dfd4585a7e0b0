// The Linux in the tab from sandbox-server: under its policy, and before its image has been built.
import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import pino from 'pino';
import { parseOptions } from '../../sandbox-server/src/options.ts';
import { type RunningServer, startServer } from '../../sandbox-server/src/server.ts';
import { complaints } from '../e2e/page-checks.ts';
import { DIST } from '../e2e/plain-site.ts';
import { TerminalPage } from '../e2e/terminal-page.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { PATIENCE } from './device.ts';
import { TAB_IMAGE } from './place.ts';

let state: string;
let server: RunningServer;
test.beforeAll(async () => {
  state = temporaryFolder('served');
  const places = ['--state', join(state, 'server'), '--site', DIST, '--linux', join(state, 'tab')];
  // No broker: what runs here runs in the tab.
  const args = ['--port', '0', '--preview-port', 'off', '--broker', join(state, 'none'), ...places];
  server = await startServer(parseOptions(args, {}), pino({ level: 'silent' }));
});
test.afterAll(async () => {
  await server.close();
  rmSync(state, { recursive: true, force: true });
});

test('says that the machine is not built yet; once it is, it runs under the policy of the server', async ({
  page,
}) => {
  await page.goto(`${server.url}/tab/`);
  await expect(page.getByTestId('no-tab')).toContainText('not built yet', { timeout: PATIENCE });

  symlinkSync(TAB_IMAGE, join(state, 'tab'));
  const complained = complaints(page);
  await page.getByRole('button', { name: 'Look again' }).click();
  await page.getByTestId('use-tab').click();
  await new TerminalPage(page, 'terminal-box').waitForPrompt('box', PATIENCE);
  expect(complained).toEqual([]);
  await page.goto(`${server.url}/licences/`);
  await expect(page.getByTestId('image-made')).toContainText(/Linux 6\.1\.\S+, an image made on/, {
    timeout: PATIENCE,
  });
  await expect(page.getByRole('row', { name: /^bash / })).toContainText('GPL-3+');
});
