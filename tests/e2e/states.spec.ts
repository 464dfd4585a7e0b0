// Every state of the pages that is not the happy one: each says what is the matter and what to do, and each wait ends.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, type Page, test } from '@playwright/test';
import type { Sandbox, Status, Ticket } from '../../sandbox-server/src/protocol/api.ts';
import { containerImages, IMAGES, type Stack, startStack } from '../integration/stack.ts';
import { patiently } from '../patience.ts';
import { servePlainly } from './plain-site.ts';
import { startBox, TerminalPage } from './terminal-page.ts';

/** A directory of images with the user land for containers and a VM whose initrd ends after `initrd` bytes. */
function brokenImages(initrd: number): string {
  const directory = containerImages();
  mkdirSync(join(directory, 'vm'));
  for (const file of ['image.json', 'vmlinux', 'disk.img']) {
    copyFileSync(join(IMAGES, 'vm', file), join(directory, 'vm', file)); // QEMU sees these files and nothing around them
  }
  writeFileSync(
    join(directory, 'vm/initrd.img'),
    readFileSync(join(IMAGES, 'vm/initrd.img')).subarray(0, initrd),
  );
  return directory;
}

/** The page's sandboxes as its server tells them. */
async function sandboxes(page: Page): Promise<Sandbox[]> {
  const answer = await page.request.get(new URL('/api/sandboxes', page.url()).href);
  return ((await answer.json()) as { sandboxes: Sandbox[] }).sandboxes;
}

/** The page's places in the queue as its server tells them. */
async function waiting(page: Page): Promise<Ticket[]> {
  const answer = await page.request.get(new URL('/api/status', page.url()).href).catch(() => null);
  return answer ? ((await answer.json()) as Status).you.waiting : [];
}

async function endBox(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'End it' }).click();
  await expect(page.getByText('You ended it. Nothing of it is left on the host.')).toBeVisible();
}

test('only the pages are served: they say that no server answers, and read on', async ({ page }) => {
  const plain = await servePlainly();
  for (const path of ['/', '/compare/']) {
    await page.goto(plain.url + path);
    await expect(page.getByText('No server answers here')).toBeVisible();
    await expect(page.getByText('npm start').first()).toBeVisible();
    await expect(page.getByRole('button', { name: /^Start/ })).toBeDisabled();
  }
  await page.goto(`${plain.url}/concepts/what-is-divided/`);
  await expect(page.locator('h1')).toBeVisible();
  plain.close();
});

test.describe('a host without VMs, one sandbox a learner', () => {
  let stack: Stack;
  let images: string;
  test.beforeAll(async () => {
    images = containerImages();
    stack = await startStack({ server: ['--sandboxes', '1'], broker: ['--images', images] });
  });
  test.afterAll(async () => {
    await stack.stop();
    rmSync(images, { recursive: true });
  });

  test('no VM is possible: /compare says why and starts the container alone', async ({ page }) => {
    await page.goto(`${stack.url}/compare/`);
    await expect(page.getByText(/This host cannot run a virtual machine: .*image\.json/)).toBeVisible();
    await page.getByRole('button', { name: 'Start the container' }).click();
    await new TerminalPage(page, 'terminal-box').waitForPrompt('box');
    await expect(page.getByTestId('machine-vm')).toHaveCount(0);
    await page.getByTestId('end-both').click();
    await expect(page.getByTestId('start-both')).toBeEnabled();
  });

  test('a learner who has a sandbox already may go to it or end it', async ({ page, context }) => {
    await startBox(page, stack.url);
    const other = await context.newPage();
    await other.goto(`${stack.url}/compare/`);
    await expect(other.getByText('You have a sandbox already')).toBeVisible();
    await other.getByRole('link', { name: 'Go to it' }).click();
    await new TerminalPage(other, 'terminal-box').waitForPrompt('box');
    await other.goBack();
    await other.getByRole('button', { name: 'End it' }).click();
    await expect(other.getByText('You have a sandbox already')).toHaveCount(0);
    await expect(other.getByTestId('start-both')).toBeEnabled();
    await expect(page.getByText('The sandbox has ended')).toBeVisible();
  });

  test('the server stops after the page was loaded: a click says so, and the page comes back', async ({
    page,
  }) => {
    await page.goto(stack.url);
    await expect(page.getByTestId('start-container')).toBeEnabled();
    await stack.killServer();
    // The page may have noticed by itself by now, and taken the button away: a click then changes nothing.
    await page.getByTestId('start-container').click({ force: true });
    await expect(page.getByText('No server answers here')).toBeVisible();
    await stack.startServer();
    await page.getByRole('button', { name: 'Look again' }).click();
    await expect(page.getByText('No server answers here')).toHaveCount(0);
    await startBox(page, stack.url);
    await endBox(page);
  });

  test('no broker: the page says which program is missing, and starts machines once it is back', async ({
    page,
  }) => {
    await stack.killBroker();
    await page.goto(stack.url);
    await expect(page.getByText('The server is up, its broker is not')).toBeVisible();
    await expect(page.getByTestId('start-container')).toBeDisabled();
    await stack.startBroker();
    await expect(async () => {
      await page.getByRole('button', { name: 'Look again' }).click({ timeout: patiently(1_000) });
      await expect(page.getByTestId('start-container')).toBeEnabled({ timeout: patiently(1_000) });
    }).toPass({ timeout: patiently(20_000) });
    const box = await startBox(page, stack.url);

    await stack.killBroker();
    await expect(page.getByText(/its broker is not: nothing can be measured/)).toBeVisible({
      timeout: patiently(20_000),
    });
    await box.run('echo on-$((40+2))', /^on-42$/m);
    await stack.startBroker();
    await expect(page.getByText(/its broker is not/)).toHaveCount(0, { timeout: patiently(20_000) });
    await endBox(page);
  });

  test('a shell that was left is said to have ended, and another one opens', async ({ page }) => {
    const box = await startBox(page, stack.url);
    await box.type('exit 3\n');
    await expect(page.getByText('The shell ended with status 3.')).toBeVisible();
    await page.getByRole('button', { name: 'Open another' }).click();
    await box.waitForPrompt('box');
    await endBox(page);
  });

  test('the container dies: the page says so, and starts another', async ({ page }) => {
    const box = await startBox(page, stack.url);
    const pid = (await sandboxes(page))[0]?.machines[0]?.hostPid;
    expect(pid).toBeGreaterThan(1);
    process.kill(pid ?? 0, 'SIGKILL');
    await expect(page.getByText(/Your container is gone\..+signal 9/)).toBeVisible({
      timeout: patiently(10_000),
    });
    await page.getByRole('button', { name: 'Start another' }).click();
    await box.waitForPrompt('box');
    await endBox(page);
  });

  test('the connection is lost: the terminal counts down, comes back, and has lost nothing', async ({
    page,
  }) => {
    const box = await startBox(page, stack.url);
    await box.type('for i in $(seq 100); do echo tick-$i; sleep 0.02; done\n');
    // What is typed in the moment of death is lost with it, so the line has to have got there.
    await expect.poll(() => box.screen()).toContain('tick-1');
    await stack.killServer();
    await expect(page.getByText(/Connection lost .* Trying again (in \d+ s|now)/)).toBeVisible();
    await expect(page.getByText(/The server does not answer; the numbers stand still/)).toBeVisible({
      timeout: patiently(10_000),
    });
    await stack.startServer();
    // It may have come back by itself before anybody could press this.
    await page
      .getByRole('button', { name: 'Try now' })
      .click({ timeout: 5_000 })
      .catch(() => {});
    await expect.poll(() => box.screen(), { timeout: patiently(20_000) }).toContain('tick-100');
    await expect(page.getByText(/Connection lost/)).toHaveCount(0);
    await expect(page.getByText(/The server does not answer/)).toHaveCount(0, { timeout: patiently(20_000) });
    await endBox(page);
  });
});

test('the host is full: a place in the queue, kept over a reload and a server that dies, and let in without a click', async ({
  page,
  browser,
}) => {
  const stack = await startStack({ broker: ['--max-machines', '1'] });
  try {
    await startBox(page, stack.url);
    const [next, last] = await Promise.all([browser.newPage(), browser.newPage()]);
    await next.goto(stack.url);
    await expect(next.getByText('The host is full now')).toBeVisible();
    await next.getByTestId('start-container').click();
    const heading = (of: Page) => of.getByTestId('waiting-room').getByRole('status');
    await expect(heading(next)).toHaveText('The host is full: you are next');
    await expect(next.getByText('All 1 machines of this host are in use.')).toBeVisible();
    await expect(next.getByTestId('waiting-expected')).toContainText('not known yet');
    await expect(next).toHaveTitle('1. in the queue · Bulkhead');

    await last.goto(stack.url);
    await last.getByTestId('start-container').click();
    await expect(heading(last)).toHaveText('The host is full: you are number 2 of 2 in the queue');
    await next.reload();
    await expect(heading(next)).toHaveText('The host is full: you are next, of 2 in the queue');
    await last.getByRole('button', { name: 'Leave the queue' }).click();
    await expect(last.getByTestId('start-container')).toBeEnabled();
    await expect(heading(next)).toHaveText('The host is full: you are next');

    // This page knows what it asked for; the one that was loaded again would have to be clicked again.
    await last.getByTestId('start-container').click();
    await expect(heading(last)).toHaveText('The host is full: you are number 2 of 2 in the queue');
    await next.getByRole('button', { name: 'Leave the queue' }).click();
    await expect(heading(last)).toHaveText('The host is full: you are next');
    await stack.killServer();
    await stack.startServer();
    await expect.poll(async () => (await waiting(last)).length, { timeout: patiently(20_000) }).toBe(1);
    await expect(heading(last)).toHaveText('The host is full: you are next');
    await endBox(page);
    await new TerminalPage(last, 'terminal-box').waitForPrompt('box');
    await endBox(last);
    for (const other of [next, last]) await other.context().close();
  } finally {
    await stack.stop();
  }
});

test('what the host never has room for is refused at once, with the reason', async ({ page }) => {
  const stack = await startStack({ broker: ['--max-machines', '1'] });
  try {
    await page.goto(`${stack.url}/compare/`);
    await page.getByTestId('start-both').click();
    await expect(page.getByText('It could not be started')).toBeVisible();
    await expect(page.getByText(/never has room for it: 2 machines, where 1 may run/)).toBeVisible();
  } finally {
    await stack.stop();
  }
});

test('nobody types: the page warns, can keep it, and at last says that the time was up', async ({ page }) => {
  const stack = await startStack({ server: ['--idle', '0.15'] });
  try {
    await startBox(page, stack.url);
    const end = async () => (await sandboxes(page))[0]?.expiresAt ?? 0;
    await expect(page.getByText('Are you still there?')).toBeVisible();
    const before = await end();
    await page.getByRole('button', { name: 'Keep it' }).click();
    await expect.poll(end).toBeGreaterThan(before);
    await expect(page.getByText('Its time was up.')).toBeVisible({ timeout: patiently(20_000) });
    await page.getByRole('button', { name: 'Start again' }).click();
    await new TerminalPage(page, 'terminal-box').waitForPrompt('box');
    await endBox(page);
  } finally {
    await stack.stop();
  }
});

test('a VM that does not boot is ended and tried once more; then the page says why, beside a container that runs', async ({
  page,
}) => {
  test.setTimeout(patiently(150_000));
  const images = brokenImages(1_000_000);
  const stack = await startStack({ broker: ['--images', images] });
  try {
    await page.goto(`${stack.url}/compare/`);
    await page.getByTestId('start-both').click();
    const box = new TerminalPage(page, 'terminal-box');
    await box.waitForPrompt('box');
    const vm = page.getByTestId('machine-vm');
    await expect(vm.getByText(/being started once more/)).toBeVisible({ timeout: patiently(60_000) });
    await expect(vm.getByText('The virtual machine never ran')).toBeVisible({ timeout: patiently(60_000) });
    await expect(vm.getByText(/The VM did not start: /)).toBeVisible();
    await box.run('echo alive-$((40+2))', /^alive-42$/m);
    await page.getByTestId('end-both').click();
    await expect(page.getByTestId('start-both')).toBeEnabled({ timeout: patiently(30_000) });
  } finally {
    await stack.stop();
    rmSync(images, { recursive: true });
  }
});
