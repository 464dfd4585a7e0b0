// The editor on a lab's machine: what is typed reaches the machine, what the terminal writes is never overwritten, and nothing
// that was typed is lost. One sandbox for all, because the lab's machine may need a VM of its own.
import { type BrowserContext, expect as impatient, type Locator, type Page, test } from '@playwright/test';
import { type Stack, startStack } from '../integration/stack.ts';
import { patiently } from '../patience.ts';
import { axe, complaints, overflowing, WCAG, weigh } from './page-checks.ts';
import { TerminalPage } from './terminal-page.ts';

const LAB = '/labs/build-a-container/';
const KIB = 1_024;
/** A megabyte of editor is parsed, and a compiler run in an emulated machine, by a computer that may do other things too. */
const expect = impatient.configure({ timeout: patiently(60_000) });

test.describe.configure({ mode: 'serial', timeout: patiently(240_000) });

let stack: Stack;
let context: BrowserContext;
let page: Page;
let shell: TerminalPage;

const editorOf = (where: Page) => where.getByTestId('editor');
const state = (where: Page) => where.getByTestId('editor-state');
const monaco = (where: Page): Locator => where.getByTestId('monaco').locator('.view-lines');

/** What axe finds in the editor; the page around it is looked at with all others. */
async function violations(where: Page): Promise<string[]> {
  const found = await axe(where).include('[data-testid="editor"]').withTags(WCAG).analyze();
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(', ')}`);
}

/** Opens the step at which the C file is first edited, and the file. */
async function openFile(where: Page): Promise<void> {
  await where.goto(`${stack.url}${LAB}#program`);
  await where.locator('[data-step="program"]').getByRole('button', { name: 'Open it in the editor' }).click();
  await expect(where.getByTestId('editor-path')).toHaveText('/root/box.c');
}

/** Goes to the end of the text: Monaco draws no line that is out of sight. */
async function goToEnd(where: Page): Promise<void> {
  // In what is in sight of it: the lines reach beyond.
  await where.getByTestId('monaco').locator('.monaco-editor').first().click();
  await where.keyboard.press('Control+End');
}

async function typeAtEnd(where: Page, line: string): Promise<void> {
  await goToEnd(where);
  await where.keyboard.type(line);
}

const inMachine = async (path: string): Promise<string> => {
  const { sandboxes } = (await (await page.request.get(`${stack.url}/api/sandboxes`)).json()) as {
    sandboxes: { id: string }[];
  };
  const file = await page.request.get(
    `${stack.url}/api/sandboxes/${sandboxes[0]?.id}/machines/box/files?path=${path}`,
  );
  return Buffer.from(((await file.json()) as { content: string }).content, 'base64').toString();
};

test.beforeAll(async ({ browser }) => {
  test.setTimeout(patiently(300_000));
  stack = await startStack(process.env.BULKHEAD_SITE ? { site: process.env.BULKHEAD_SITE } : {});
  context = await browser.newContext();
  page = await context.newPage();
  shell = new TerminalPage(page, 'terminal-box');
});
test.afterAll(async () => {
  await context.close();
  await stack.stop();
});

test('a page is light until its editor is opened, and Monaco comes from this origin under its policy', async () => {
  test.setTimeout(patiently(300_000));
  const heard = complaints(page);
  const weight = weigh(page);
  await page.goto(stack.url + LAB);
  await page.getByTestId('start-lab').click();
  await shell.waitForPrompt('box', patiently(240_000));
  const before = (await weight()).script;
  expect(before).toBeLessThanOrEqual(160 * KIB);
  await openFile(page);
  await expect(monaco(page)).toContainText('runs a program in a container');
  // A directive has a colour of its own once C's grammar has come.
  await expect(
    monaco(page)
      .locator('span', { hasText: /^#include$/ })
      .first(),
  ).toBeVisible();
  const { script } = await weight();
  test
    .info()
    .annotations.push({ type: 'JavaScript', description: `${before} before, ${script} with the editor` });
  console.log(
    `JavaScript of a lab, compressed: ${before} bytes before the editor is opened, ${script} with it`,
  );
  expect(script - before).toBeLessThanOrEqual(1_005_000);
  expect(heard).toEqual([]);
});

test('what is typed is saved into the machine and run in its terminal', async () => {
  await typeAtEnd(page, '// by hand');
  await expect(state(page)).toHaveText('Not saved');
  await page.keyboard.press('Control+s');
  await expect(state(page)).toContainText('Saved at');
  expect(await inMachine('/root/box.c')).toMatch(/\/\/ by hand$/);
  await editorOf(page).getByRole('button', { name: /^Run/ }).click();
  await expect.poll(() => shell.screen()).toMatch(/^uid=0\(root\)/m);
});

test('the keyboard gets out of it: by F6, and by Tab once Ctrl+M says so', async () => {
  await monaco(page).click();
  const within = () => page.evaluate(() => document.activeElement?.closest('.monaco-editor') !== null);
  expect(await within()).toBe(true);
  await page.keyboard.press('F6');
  expect(await within()).toBe(false);
  await monaco(page).click();
  await page.keyboard.press('Control+m');
  await expect(editorOf(page)).toContainText('leaves it too');
  await page.keyboard.press('Tab');
  expect(await within()).toBe(false);
  await monaco(page).click();
  await page.keyboard.press('Control+m');
  await expect(editorOf(page)).toContainText('Tab indents');
});

test('what the terminal changed meanwhile is shown beside, and both are kept when that is chosen', async () => {
  await typeAtEnd(page, '\n// mine');
  await shell.type('\x03');
  await shell.run('echo "// theirs" >> /root/box.c; echo written', /written/);
  const conflict = page.getByRole('alert', { name: 'Two versions of /root/box.c' });
  await expect(conflict).toContainText('// theirs');
  await expect(conflict).toContainText('// mine');
  expect(await violations(page)).toEqual([]);
  // Saving does not get past it.
  await editorOf(page).getByRole('button', { name: 'Save', exact: true }).click();
  await expect(conflict).toBeVisible();
  await conflict.getByRole('button', { name: /Keep both/ }).click();
  await expect(conflict).toBeHidden();
  await goToEnd(page);
  await expect(monaco(page)).toContainText('// theirs');
  expect(await inMachine('/root/box.c')).toMatch(/\/\/ theirs\n$/);
  expect(await inMachine('/root/box.c.mine')).toMatch(/\/\/ mine$/);
});

test('text that was not saved is there again after a reload', async () => {
  await typeAtEnd(page, '// not yet');
  await expect(state(page)).toHaveText('Not saved');
  await page.reload();
  await openFile(page);
  await expect(editorOf(page)).toContainText('the text that you had not saved');
  await goToEnd(page);
  await expect(monaco(page)).toContainText('// not yet');
  expect(await inMachine('/root/box.c')).not.toContain('not yet');
  await page.keyboard.press('Control+s');
  await expect(state(page)).toContainText('Saved at');
  expect(await inMachine('/root/box.c')).toContain('not yet');
});

test('binary, large and protected files are told as what they are', async () => {
  await shell.run(
    'cd /root; head -c 9 /bin/ls > blob; seq 90000 > long; echo x > fixed; chmod 444 fixed; echo done',
    /done/,
  );
  const files = page.getByRole('navigation', { name: /Files of/ });
  for (const [name, words] of [
    ['blob', 'It is no text in UTF-8.'],
    ['long', 'and the editor takes 256'],
    ['fixed', 'Its mode lets nobody write to it.'],
  ] as const) {
    await files.getByRole('button', { name, exact: true }).click();
    await expect(editorOf(page)).toContainText(words);
  }
});

test('without Monaco, and under a finger, there is a plain text area that does the same', async ({
  browser,
}) => {
  const phone = await browser.newContext({
    storageState: await context.storageState(),
    viewport: { width: 360, height: 740 },
    hasTouch: true,
    isMobile: true,
  });
  const touched = await phone.newPage();
  const fetched: string[] = [];
  touched.on('request', (request) => fetched.push(request.url()));
  await openFile(touched);
  const area = editorOf(touched).getByRole('textbox', { name: 'Text of /root/box.c' });
  await expect(area).toHaveValue(/runs a program in a container/);
  await area.fill('// by a finger\n');
  await editorOf(touched).getByRole('button', { name: 'Save', exact: true }).click();
  await expect(state(touched)).toContainText('Saved at');
  expect(await inMachine('/root/box.c')).toBe('// by a finger\n');
  expect(fetched.filter((url) => /Monaco.*[.]js/.test(url))).toEqual([]);
  expect(await overflowing(touched)).toEqual([]);
  expect(await violations(touched)).toEqual([]);
  await phone.close();

  const without = await context.newPage();
  await without.route(/MonacoArea/, (route) =>
    route.request().resourceType() === 'script' ? route.abort() : route.continue(),
  );
  await openFile(without);
  await expect(editorOf(without)).toContainText('The large editor could not be loaded');
  await expect(editorOf(without).getByRole('textbox', { name: 'Text of /root/box.c' })).toHaveValue(
    '// by a finger\n',
  );
  await without.close();
});
