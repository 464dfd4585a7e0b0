// The page of what is the learner's own: machines are frozen, begun again, looked into and ended from it, and another browser
// goes on with a code.
import { type BrowserContext, expect, type Page, test } from '@playwright/test';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import type { Sandbox } from '../../sandbox-server/src/protocol/api.ts';
import { arriveAsInstructor, openWorkshop } from '../integration/instructor.ts';
import { type Stack, startStack } from '../integration/stack.ts';
import { patiently } from '../patience.ts';
import { axeViolations, complaints, open, overflowing } from './page-checks.ts';
import { DIST } from './plain-site.ts';

/** For what a busy host takes long to do. */
const patient = { timeout: patiently(30_000) };

test.describe.configure({ mode: 'serial' });

let stack: Stack;
let context: BrowserContext;
let page: Page;
let heard: string[];
test.beforeAll(async ({ browser }) => {
  stack = await startStack({ site: DIST, server: ['--preview-port', '0'] });
  context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  page = await context.newPage();
  heard = complaints(page);
});
test.afterAll(async () => {
  await context.close();
  await stack.stop();
});

/** Asks the server as the page would. */
async function ask<T>(method: string, path: string, data?: unknown): Promise<T> {
  const options = { method, headers: { origin: stack.url }, ...(data === undefined ? {} : { data }) };
  const answer = await page.request.fetch(stack.url + path, options);
  expect(answer.ok(), `${method} ${path}: ${answer.status()}`).toBe(true);
  return (answer.status() === 204 ? undefined : await answer.json()) as T;
}
const mine = async () => (await ask<{ sandboxes: Sandbox[] }>('GET', apiPaths.sandboxes)).sandboxes[0];
const box = () => page.getByTestId('yours-box');

test('who has nothing is told how to begin', async () => {
  await open(page, stack.url, '/yours/');
  await expect(page.getByText('Nothing of yours runs.')).toBeVisible();
  await expect(page.getByRole('link', { name: 'Start a container', exact: true })).toBeVisible();
});

test('a machine stands still and goes on, begins again, and shows its gauges, without a mouse', async () => {
  await ask('POST', apiPaths.sandboxes, { machines: [{ name: 'box', kind: 'container' }] });
  const before = await mine();
  await open(page, stack.url, '/yours/');
  await expect(box()).toHaveAttribute('data-state', 'running', patient);
  await expect(page.getByTestId('time-left')).toContainText(/\d+ (min|s|h).* left/);

  await page.getByRole('button', { name: 'Freeze box' }).press('Enter');
  await expect(box()).toHaveAttribute('data-state', 'frozen', patient);
  await page.getByRole('button', { name: 'Thaw box' }).press('Enter');
  await expect(box()).toHaveAttribute('data-state', 'running', patient);

  // What cannot be taken back asks once more, and No leaves the focus where it was.
  await page.getByRole('button', { name: 'Begin again box' }).press('Enter');
  await expect(page.getByRole('button', { name: 'Begin it again' })).toBeFocused();
  await page.getByRole('button', { name: 'No', exact: true }).press('Enter');
  await expect(page.getByRole('button', { name: 'Begin again box' })).toBeFocused();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Enter');
  await expect
    .poll(async () => (await mine())?.machines[0]?.hostPid, patient)
    .not.toBe(before?.machines[0]?.hostPid);
  await expect(box()).toHaveAttribute('data-state', 'running', patient);

  await page.getByRole('button', { name: 'Gauges of box' }).press('Enter');
  await expect(page.getByTestId('gauge-memory-box')).toHaveText(/MiB of \d+ MiB/, patient);
  await page.getByRole('button', { name: 'Extend' }).press('Enter');
  await expect
    .poll(async () => (await mine())?.expiresAt, patient)
    .toBeGreaterThanOrEqual(before?.expiresAt ?? 0);
  expect(await axeViolations(page)).toEqual([]);
  await page.setViewportSize({ width: 360, height: 800 });
  await expect.poll(() => overflowing(page)).toEqual([]);
  await page.setViewportSize({ width: 1440, height: 900 });
});

test('what a machine serves opens in a window of its own; a wrong port and a silent one say what is the matter', async () => {
  const sandbox = await mine();
  if (!sandbox) throw new Error('no sandbox');
  const serve = 'mkdir /root/w; echo "it is served" > /root/w/index.html; busybox httpd -p 8000 -h /root/w';
  await ask('POST', apiPaths.exec(sandbox.id, 'box'), { command: ['/bin/sh', '-c', serve] });
  const port = box().getByLabel('What it serves at port');
  const openIt = () => box().getByRole('button', { name: 'Open the preview of box' }).click();

  await port.fill('http');
  await openIt();
  await expect(box().getByRole('alert')).toHaveText('A port is a number from 1 to 65535.');
  await port.fill('8000');
  // The program may still be starting: a preview says so, and is opened again.
  await expect(async () => {
    const [preview] = await Promise.all([context.waitForEvent('page'), openIt()]);
    await preview.waitForLoadState();
    expect(new URL(preview.url()).host).toMatch(/^8000-[a-z0-9-]+\.preview\.localhost:\d+$/);
    const text = await preview.locator('body').innerText();
    await preview.close();
    expect(text).toBe('it is served');
  }).toPass(patient);
  await port.fill('9');
  const [silent] = await Promise.all([context.waitForEvent('page'), openIt()]);
  await expect(silent.locator('body')).toContainText(/[Nn]othing listens/, patient);
  await silent.close();
});

test('another browser goes on with the code, and what runs comes along', async ({ browser }) => {
  await page.getByRole('button', { name: 'Make a code' }).click();
  const code = await page.getByTestId('recovery-code').innerText();
  expect(code).toMatch(/^(\w{5}-){3}\w{5}$/);
  const elsewhere = await browser.newContext();
  const other = await elsewhere.newPage();
  await open(other, stack.url, '/yours/');
  await expect(other.getByText('Nothing of yours runs.')).toBeVisible();
  const field = other.getByLabel('Four groups of five');
  await field.fill('no such code');
  await field.press('Enter');
  await expect(other.getByRole('alert')).toContainText('no recovery code');
  await field.fill(code.toLowerCase().replaceAll('-', ' '));
  await field.press('Enter');
  await expect(other.getByText('This browser goes on as that learner.')).toBeVisible(patient);
  await expect(other.getByTestId('yours-box')).toHaveAttribute('data-state', 'running', patient);
  await elsewhere.close();
});

test('a learner joins a room by the code on its wall, sees that it is in it, and leaves', async () => {
  const code = await openWorkshop(await arriveAsInstructor(stack, 'grace'));
  await page.getByLabel('Code', { exact: true }).fill('AAAAAA');
  await page.getByLabel('What you want to be called').fill('Ada');
  await page.getByRole('button', { name: 'Join' }).click();
  await expect(page.getByRole('alert')).not.toBeEmpty();
  await page.getByLabel('Code', { exact: true }).fill(code.toLowerCase());
  await page.getByRole('button', { name: 'Join' }).click();
  await expect(page.getByText('there you are Ada')).toBeVisible(patient);
  await page.getByRole('button', { name: /^Leave/ }).click();
  await expect(page.getByText('You are in no workshop.')).toBeVisible(patient);
});

test('an end is an end, here and on the page that the sandbox belongs to', async () => {
  await page.getByRole('button', { name: 'End this sandbox' }).click();
  await page.getByRole('button', { name: 'End it' }).click();
  await expect(page.getByTestId('sandbox')).toContainText('It has ended.', patient);
  expect(await mine()).toBeUndefined();
  await page.reload();
  await expect(page.getByText('Nothing of yours runs.')).toBeVisible();
  expect(heard).toEqual([]);
});

test('what ran in a tab of this browser is listed with the page on which it goes on, and deleted when asked', async () => {
  const box = { name: 'box', kind: 'container' };
  const saved = [
    { id: 'a', createdAt: 1_000, lab: null, machines: [{ id: 'b', view: box }] },
    { id: 'c', createdAt: 2_000, lab: 'kill-it', machines: [{ id: 'd', view: box }] },
  ];
  /** Writes what is saved, unless it is null, and resolves to what is there then. */
  const inStorage = (sandboxes: typeof saved | null) =>
    page.evaluate(
      (list) =>
        new Promise<unknown>((resolve, reject) => {
          const opening = indexedDB.open('bulkhead-tab', 1);
          opening.onupgradeneeded = () => opening.result.createObjectStore('saved');
          opening.onerror = () => reject(opening.error);
          opening.onsuccess = () => {
            const store = opening.result.transaction('saved', 'readwrite').objectStore('saved');
            if (list) store.put({ sandboxes: list }, 'sandboxes');
            const read = store.get('sandboxes');
            store.transaction.oncomplete = () => {
              opening.result.close();
              resolve(read.result);
            };
          };
        }),
      sandboxes,
    );
  const section = page.getByTestId('in-this-browser');
  await expect(section).toHaveCount(0);
  await inStorage(saved);
  await open(page, stack.url, '/yours/');
  await expect(section.getByRole('link', { name: 'box' })).toHaveAttribute('href', '/');
  await expect(section.getByRole('link', { name: 'The lab kill-it' })).toHaveAttribute(
    'href',
    '/labs/kill-it/',
  );
  expect(await axeViolations(page)).toEqual([]);

  await section.getByRole('button', { name: /^Forget them/ }).press('Enter');
  await section.getByRole('button', { name: 'Delete them' }).press('Enter');
  await expect(section.getByRole('status')).toContainText('It is forgotten');
  await expect(section.getByRole('link')).toHaveCount(0);
  expect(await inStorage(null)).toBeUndefined();
  expect(heard).toEqual([]);
});
