// The instruments of the reading pages on a reader's own container: what they show is what the kernel says, they follow what is
// done in the shell above them, and nothing of them is there before it is asked for.
import { readFileSync, readlinkSync } from 'node:fs';
import { expect, type Page, test } from '@playwright/test';
import { type Stack, startStack } from '../integration/stack.ts';
import { patiently } from '../patience.ts';
import { axeViolations, complaints, open } from './page-checks.ts';
import { DIST } from './plain-site.ts';
import { TerminalPage } from './terminal-page.ts';

/** For what a busy host takes long to do. */
const PATIENCE_MS = patiently(30_000);

test.describe.configure({ mode: 'serial' });

let stack: Stack;
let page: Page;
let heard: string[];
test.beforeAll(async ({ browser }) => {
  stack = await startStack({ site: DIST });
  page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  heard = complaints(page);
});
test.afterAll(async () => {
  await page.context().close();
  await stack.stop();
});

const patient = { timeout: PATIENCE_MS };
/** Runs one of the page's commands, by the beginning of its text, as a reader does. */
const run = (command: string) => page.getByRole('button', { name: `Run ${command}` }).click();
const shell = () => new TerminalPage(page, 'terminal-box');

test('a process has two numbers, and both are true', async () => {
  await open(page, stack.url, '/concepts/process/');
  await run('ps -ef');
  const view = page.getByTestId('host-view-box');
  const rows = view.getByRole('table').getByRole('row');
  const first = rows.filter({ hasText: 'catatonit' });
  await expect(first).toBeVisible(patient);
  const [inside, outside] = await first.getByRole('cell').allInnerTexts();
  expect(inside).toBe('1');
  expect(readFileSync(`/proc/${outside}/comm`, 'utf8').trim()).toBe('catatonit');
  await expect(view).toContainText(`1 in box, ${outside} on the host`);
  await expect(view).toContainText('0 to 65,535 inside are');
  await expect(view).toContainText(`/${stack.cgroup}/`);

  // Another one, without a mouse.
  await shell().run('sleep 4711 &', /\[1\]/);
  const sleep = view.getByRole('button', { name: 'sleep 4711' });
  await sleep.focus(patient);
  await page.keyboard.press('Enter');
  await expect(sleep).toHaveAttribute('aria-pressed', 'true');
  await expect(view).toContainText('sleep, sleeps');
  // Numbers of things that have ended leave the list by themselves.
  await shell().run('kill %1; wait', /\S/);
  await expect(sleep).toHaveCount(0, patient);
  await expect(first.getByRole('button')).toHaveAttribute('aria-pressed', 'true');
  expect(await axeViolations(page)).toEqual([]);
});

test('a launch is drawn wherever its machine is looked at', async () => {
  await open(page, stack.url, '/concepts/density/');
  await page.getByRole('button', { name: 'Open a shell here' }).click();
  const launch = page.getByTestId('launch-box');
  await expect(launch.getByText('clone3', { exact: true })).toBeVisible(patient);
  await expect(launch.getByTestId('phases-box')).toContainText(/runtime [\d.]+ m?s/);
  await launch.getByText('pivot_root', { exact: true }).click();
  await expect(launch.getByText(/native\/runtime\/\w+\.c:\d+/).filter({ visible: true })).toBeVisible();
});

test('a limit that is met is counted, and said once until it is closed', async () => {
  await open(page, stack.url, '/concepts/limits/');
  await run('tail /dev/zero');
  const gauges = page.getByTestId('gauges-box');
  await expect(page.getByTestId('tally-oom-box')).toHaveText('1 process', patient);
  await expect(gauges.getByRole('meter', { name: 'memory of box' })).toHaveAttribute(
    'aria-valuetext',
    /MiB of \d+ MiB/,
  );
  await expect(page.getByTestId('gauge-pids-box')).toHaveText(/^\d+ of \d+$/);
  const notices = page.getByTestId('machine-notices');
  await expect(notices).toContainText('The kernel ended 1 process in box because memory was full', patient);
  expect(await axeViolations(page)).toEqual([]);
  await notices.getByRole('button', { name: 'Close the notice: Out of memory' }).click();
  await expect(notices).toHaveText('');

  // What is drawn follows what is done: a shell that is busy uses its processor.
  const cpu = gauges.getByRole('meter', { name: 'CPU of box' });
  await shell().type('while :; do :; done\n');
  await expect.poll(async () => Number(await cpu.getAttribute('aria-valuenow')), patient).toBeGreaterThan(10);
  await page.getByRole('button', { name: 'End it' }).click();
  await expect(page.getByText('The sandbox has ended')).toBeVisible(patient);
});

test('namespaces are told apart by their numbers, those of the host and those that were made inside', async () => {
  await open(page, stack.url, '/concepts/namespaces/');
  await run('unshare -un sleep 60 &');
  const map = page.getByTestId('namespaces-box');
  await expect(map).toContainText('Of its own 8, shared with the host 0.', patient);
  for (const [kind, link] of [
    ['pid', 'pid'],
    ['mount', 'mnt'],
    ['user', 'user'],
  ]) {
    const cells = await map.locator(`[data-namespace="${kind}"] td`).allInnerTexts();
    const [, own] = await shell().run(`readlink /proc/1/ns/${link}`, /\[(\d+)\]/);
    expect(cells).toEqual([own, /\d+/.exec(readlinkSync(`/proc/self/ns/${link}`))?.[0]]);
  }
  await expect(map.getByRole('listitem').filter({ hasText: 'sleep 60' })).toContainText(
    /network \d+, uts \d+/,
    patient,
  );
  expect(await axeViolations(page)).toEqual([]);
  await page.getByRole('button', { name: 'End it' }).click();
  await expect(page.getByText('The sandbox has ended')).toBeVisible(patient);
  await expect(map).toHaveCount(0);
  expect(heard).toEqual([]);
});
