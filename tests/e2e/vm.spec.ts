// What only a VM can do, with a learner's own hands: moved while its terminal prints, saved and returned to, with a
// container inside, crashed and begun again. One sandbox for all of it.
import { expect, type Page, test } from '@playwright/test';
import { type Stack, startStack } from '../integration/stack.ts';
import { patiently } from '../patience.ts';
import { axeViolations, contrastViolations } from './page-checks.ts';
import { OutputRecorder, TerminalPage } from './terminal-page.ts';

/** For states that an emulated processor on a busy host takes long to reach. */
const PATIENCE_MS = patiently(60_000);

let stack: Stack;
let page: Page;
let recorder: OutputRecorder;
let box: TerminalPage;
let vm: TerminalPage;

test.describe.configure({ mode: 'serial', timeout: patiently(240_000) });

test.beforeAll(async ({ browser }) => {
  stack = await startStack();
  // Of a context of its own, as axe wants it, that lasts for all tests.
  page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  recorder = new OutputRecorder(page);
  box = new TerminalPage(page, 'terminal-box');
  vm = new TerminalPage(page, 'terminal-vm');
  await page.goto(`${stack.url}/compare/`);
  await page.getByTestId('start-template').check();
  await page.getByTestId('inside-1').check();
  await page.getByTestId('start-both').click();
  await box.waitForPrompt('box');
  await vm.waitForPrompt('vm', patiently(120_000));
});
// biome-ignore lint/correctness/noEmptyPattern: Playwright wants the first argument written this way.
test.afterEach(({}, info) => {
  if (info.status !== info.expectedStatus) console.log(stack.report());
});
test.afterAll(async () => {
  await page.context().close();
  await stack.stop();
});

const panel = () => page.getByTestId('machine-vm');
const bench = (name: 'move' | 'snapshots' | 'panic' | 'inside') => page.getByTestId(`bench-${name}`).click();
const hostPid = () => page.getByTestId('measure-hostpid-vm').innerText();

/** Ends what runs in the VM's shell, and waits for the prompt: what is typed before it is back is thrown away. A shell
 * that is just starting a program may swallow the interrupt, so it is pressed again, as a person would. */
async function interrupt(): Promise<void> {
  await vm.root.locator('.xterm-helper-textarea').focus();
  await expect(async () => {
    await page.keyboard.press('Control+C');
    await expect.poll(() => vm.screen(), { timeout: 4_000 }).toMatch(/vm:~# *\s*$/);
  }).toPass({ timeout: PATIENCE_MS });
}

/** Resolves once colours have stopped changing: half way from one scheme to the other they have no contrast. */
const settled = () =>
  page.evaluate(async () => {
    for (let frames = 0; frames < 2; frames++) await new Promise((next) => requestAnimationFrame(next));
    const changes = document.getAnimations().filter((animation) => animation instanceof CSSTransition);
    await Promise.allSettled(changes.map(({ finished }) => finished));
  });

/** What is wrong by day, and by night the only thing that may differ: contrast. */
async function violations(): Promise<string[]> {
  const found: string[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await settled();
    const wrong = await (colorScheme === 'light' ? axeViolations(page) : contrastViolations(page));
    found.push(...wrong.map((violation) => `${colorScheme}: ${violation}`));
  }
  return found;
}

test('a copy shows how it was made, and a container inside it that it is in a VM, and why', async () => {
  await expect(page.getByTestId('phases-vm')).toContainText(/restore/);
  await panel().getByRole('tab', { name: 'inner-1' }).click();
  const inner = new TerminalPage(page, 'terminal-inner-1');
  await inner.waitForPrompt('inner-1', PATIENCE_MS);
  await expect(page.getByTestId('measure-where-vm')).toHaveText('in a VM on the server');
  await bench('inside');
  await expect(page.getByTestId('inner-inner-1')).toContainText(
    /in a VM on the server\. It was asked to run in vm/,
  );
  // It stands on the VM's kernel, and not on the host's.
  const [, kernel = ''] = await inner.run('uname -r', /^(\S+)$/m);
  await panel().getByRole('tab', { name: 'shell' }).click();
  await vm.waitForPrompt('vm', PATIENCE_MS);
  expect((await vm.run('uname -r', /^(\S+)$/m))[1]).toBe(kernel);
  expect((await box.run('uname -r', /^(\S+)$/m))[1]).not.toBe(kernel);
});

test('it moves to another QEMU while its terminal counts: nothing is missing, nothing is there twice', async () => {
  await bench('move');
  const before = await hostPid();
  await vm.type('for i in $(seq 1000); do echo tick-$i; sleep 0.05; done\n');
  await expect.poll(() => vm.screen(), { timeout: PATIENCE_MS }).toContain('tick-5');
  await page.getByTestId('move').click();
  await expect(page.getByTestId('move-said')).toHaveText(/It moved in .+ and stood still for \d/, {
    timeout: PATIENCE_MS,
  });
  await expect(page.getByTestId('move-rounds')).toHaveText(/^\d+$/);
  expect(await hostPid()).not.toBe(before);
  const last = () => {
    const ticks = [
      ...recorder
        .bytes('vm')
        .toString('latin1')
        .matchAll(/^tick-(\d+)\r?$/gm),
    ];
    return ticks.map(([, number]) => Number(number));
  };
  const atMove = last().length;
  await expect.poll(() => last().length, { timeout: PATIENCE_MS }).toBeGreaterThan(atMove + 5);
  expect(last()).toEqual(last().map((_, index) => index + 1));
  expect(recorder.faults).toEqual([]);
  await interrupt();
});

test('a move that is called off leaves it where it was', async () => {
  // What is written faster than it is sent is never all sent: the move goes on until it is called off.
  await vm.type('while :; do head -c 60000000 /dev/zero > /dev/shm/fill; done\n');
  const before = await hostPid();
  await page.getByTestId('move').click();
  await page.getByTestId('move-cancel').click();
  await expect(page.getByTestId('move-said')).toHaveText('You called it off. It never left.', {
    timeout: PATIENCE_MS,
  });
  expect(await hostPid()).toBe(before);
  await interrupt();
});

test('a saved moment comes back, screen and all: what was made after it is gone', async () => {
  await bench('snapshots');
  await vm.type('clear\n');
  await vm.run('rm -f /dev/shm/fill; echo early > note; cat note', /^early$/m);
  await page.getByTestId('snapshot-name').fill('Before it');
  await page.getByTestId('snapshot-save').click();
  await expect(page.getByTestId('snapshot-said')).toHaveText(
    /^Saved as before-it: \d+ MiB; it stood still for/,
    {
      timeout: PATIENCE_MS,
    },
  );
  await expect(page.getByTestId('snapshot-before-it')).toContainText(/\d+:\d\d.*, \d+ MiB/);

  await vm.run('echo late > note; touch later; cat note', /^late$/m);
  await page.getByRole('button', { name: 'Return to before-it' }).click();
  await expect(page.getByTestId('snapshot-said')).toHaveText(/^Back at .+ has not happened/, {
    timeout: PATIENCE_MS,
  });
  // The screen of before has both words until the saved one is drawn.
  const words = async () => (await vm.screen()).match(/\b(early|late)\b/g) ?? [];
  await expect.poll(words, { timeout: PATIENCE_MS }).not.toContain('late');
  await expect.poll(words, { timeout: PATIENCE_MS }).toContain('early');
  await vm.run('cat note; test -e later || echo gone-$((40+2))', /^early\ngone-42$/m, PATIENCE_MS);
});

test('a name that is taken, and one too many, are refused in a sentence, and deleting makes room', async () => {
  const said = page.getByTestId('snapshot-said');
  await page.getByTestId('snapshot-name').fill('before-it');
  await page.getByTestId('snapshot-save').click();
  await expect(said).toHaveText(/There is a snapshot before-it already; delete it first\./);
  await page.getByTestId('snapshot-name').fill('–');
  await page.getByTestId('snapshot-save').click();
  await expect(said).toHaveText('A name needs at least one letter from a to z, or a digit.');
  for (const name of ['second', 'third', 'fourth', 'fifth']) {
    await page.getByTestId('snapshot-name').fill(name);
    await page.getByTestId('snapshot-save').click();
    await expect(said).toHaveText(
      name === 'fifth' ? /at most 4 snapshots; delete one first/ : new RegExp(`^Saved as ${name}`),
      {
        timeout: PATIENCE_MS,
      },
    );
  }
  await page.getByRole('button', { name: 'Delete before-it' }).click();
  await expect(page.getByTestId('snapshot-before-it')).toHaveCount(0);
});

test('everything of it can be used by everybody, in both themes', async () => {
  for (const one of ['move', 'snapshots', 'panic', 'inside'] as const) {
    await bench(one);
    if (one === 'move') expect.soft(await violations(), one).toEqual([]);
  }
  // Arrow keys choose among the experiments.
  await page.getByTestId('bench-inside').press('ArrowRight');
  await expect(page.getByTestId('bench-move')).toBeFocused();
  await expect(page.getByTestId('bench-move')).toHaveAttribute('aria-selected', 'true');
});

test('its kernel panics: what went with it is said, the container beside it answers, and one click begins it again', async () => {
  await bench('panic');
  await expect(page.getByText('echo c > /proc/sysrq-trigger')).toBeVisible();
  await page.getByTestId('panic').click();
  const end = panel().getByRole('alert');
  await expect(end).toContainText('Kernel panicked, 1 container went with it', { timeout: PATIENCE_MS });
  await expect(end).toContainText('The container beside it did not notice.');
  await expect(page.getByTestId('console-vm')).toContainText(/Kernel panic - not syncing/);
  await box.run('echo alive-$((40+2))', /^alive-42$/m);
  expect.soft(await violations()).toEqual([]);
  await end.getByRole('button', { name: 'Begin as a copy' }).click();
  await vm.waitForPrompt('vm', patiently(120_000));
  await vm.run('echo again-$((40+2))', /^again-42$/m);
  await expect(page.getByTestId('measure-prompt-vm')).toHaveText(/\d/);
});

test('a machine that died while the server was gone is begun again once that is back', async () => {
  await bench('panic');
  await page.getByTestId('panic').click();
  const end = panel().getByRole('alert');
  await expect(end).toContainText('Kernel panicked', { timeout: PATIENCE_MS });
  await stack.killServer();
  await end.getByRole('button', { name: 'Begin as a copy' }).click();
  await expect(page.getByText(/The server does not answer/).first()).toBeVisible({ timeout: PATIENCE_MS });
  await stack.startServer();
  await expect(page.getByText(/The server does not answer/)).toHaveCount(0, { timeout: PATIENCE_MS });
  await end.getByRole('button', { name: 'Begin as a copy' }).click();
  await vm.waitForPrompt('vm', patiently(120_000));
});
