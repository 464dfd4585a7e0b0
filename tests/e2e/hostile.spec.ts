// What machines say is text, wherever a page shows it; and a page that a machine serves can do nothing with the site. In a real
// browser, with programs that try.
import { chmodSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BrowserContext, expect, type Page, test } from '@playwright/test';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import type { Preview, Sandbox } from '../../sandbox-server/src/protocol/api.ts';
import { type Stack, startStack } from '../integration/stack.ts';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { open } from './page-checks.ts';
import { DIST } from './plain-site.ts';
import { TerminalPage } from './terminal-page.ts';

/** For what a busy host takes long to do. */
const patient = { timeout: patiently(30_000) };
const ROOT = join(import.meta.dirname, '../..');
/** Markup that would run a script, were it markup. */
const MARKUP = '<img src=x onerror=owned=1>';
const LAB = 'build-a-container';

test.describe.configure({ mode: 'serial' });

let stack: Stack;
let labs: string;
let context: BrowserContext;
let page: Page;
/** The site by the name below which browsers find previews. */
let site: string;
/** Windows of dialogs, and addresses that nobody but a script of the machine's would ask for. */
let strange: string[];

test.beforeAll(async ({ browser }) => {
  labs = hostileLab();
  stack = await startStack({ site: DIST, server: ['--preview-port', '0', '--labs', labs] });
  site = stack.url.replace('127.0.0.1', 'localhost');
  context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
});
test.beforeEach(async () => {
  page = await context.newPage();
  strange = [];
  page.on('dialog', (dialog) => {
    strange.push(dialog.message());
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(site) || new URL(request.url()).pathname.endsWith('/x'))
      strange.push(request.url());
  });
});
test.afterEach(async () => {
  for (const { id } of await mine()) await ask('DELETE', apiPaths.sandbox(id));
  await page.close();
});
test.afterAll(async () => {
  await context.close();
  await stack.stop();
  rmSync(labs, { recursive: true });
});

/** The lab with the editor, for a container on this host, whose first check prints what a hostile machine might. */
function hostileLab(): string {
  const directory = temporaryFolder('labs');
  cpSync(join(ROOT, 'labs', LAB), join(directory, LAB), { recursive: true });
  const text = join(directory, LAB, 'lab.mdx');
  const matter = readFileSync(text, 'utf8')
    .replace(/^needs: .*\n/m, '')
    .replace(/^ +profile: nested\n/m, '');
  writeFileSync(text, matter);
  const says = `${MARKUP} \\033]0;owned\\007\\342\\200\\256desrever`;
  writeFileSync(join(directory, LAB, 'steps/root/check'), `#!/bin/sh\nprintf '${says}\\n'\nexit 1\n`);
  chmodSync(directory, 0o755);
  return directory;
}

/** Asks the server as a page would, with this browser's cookie. */
async function ask<T>(method: string, path: string, data?: unknown): Promise<T> {
  const options = { method, headers: { origin: site }, ...(data === undefined ? {} : { data }) };
  const answer = await context.request.fetch(site + path, options);
  expect(answer.ok(), `${method} ${path}: ${answer.status()}`).toBe(true);
  return (answer.status() === 204 ? undefined : await answer.json()) as T;
}
const mine = async () => (await ask<{ sandboxes: Sandbox[] }>('GET', apiPaths.sandboxes)).sandboxes;

/** Nothing of what a machine said has become a part of the page. */
async function isInert(): Promise<void> {
  expect(await page.evaluate(() => 'owned' in globalThis)).toBe(false);
  expect(await page.title()).not.toContain('owned');
  await expect(page.locator('img[src="x"], [onerror]')).toHaveCount(0);
  expect(strange).toEqual([]);
}

test('programs, hosts and terminals may call themselves what they like', async () => {
  await open(page, site, '/concepts/process/');
  await page.getByRole('button', { name: 'Run ps -ef' }).click();
  const shell = new TerminalPage(page, 'terminal-box');
  await shell.waitForPrompt('box');
  const view = page.getByTestId('host-view-box');
  await shell.type(`(exec -a '${MARKUP}' sleep 4711) &\n`);
  await expect(view.getByRole('button', { name: MARKUP })).toBeVisible(patient);
  await shell.type("(exec -a $'photo\\u202egpj.exe' sleep 4712) &\n");
  await expect(view.getByRole('button', { name: 'photo⟨U+202E⟩gpj.exe' })).toBeVisible(patient);
  await view.getByRole('button', { name: MARKUP }).click();

  // A title, an answer that would be typed, a link that is a script.
  const says = [
    '\\033]0;owned\\007',
    '\\033]2;owned\\007',
    '\\033]8;;javascript:owned=1\\033\\\\press\\033]8;;\\033\\\\',
  ];
  await shell.type(`clear; printf '${says.join('')}${MARKUP}\\n'\n`);
  await expect.poll(() => shell.screen(), patient).toContain(`press${MARKUP}`);
  const line = page
    .getByTestId('terminal-box')
    .locator('.xterm-rows > div', { hasText: `press${MARKUP}` })
    .last();
  // xterm.js takes the pointer on a layer of its own above the lines.
  const at = await line.boundingBox();
  await page.mouse.move((at?.x ?? 0) + 12, (at?.y ?? 0) + 8);
  await page.mouse.click((at?.x ?? 0) + 12, (at?.y ?? 0) + 8);
  await isInert();
});

test('the name of a host is text too', async () => {
  await open(page, site, '/concepts/namespaces/');
  await page.getByRole('button', { name: /^Run unshare -u sh/ }).click();
  const shell = new TerminalPage(page, 'terminal-box');
  await shell.waitForPrompt('box');
  // hostname(1) has an opinion on names; the kernel has none.
  await shell.type(`python3 -c 'import socket; socket.sethostname("${MARKUP}")'; exec bash -l\n`);
  await expect.poll(() => shell.screen(), patient).toContain(`${MARKUP}:`);
  await isInert();
});

test('the words of a check are text, and nothing of them turns what stands beside it', async () => {
  await open(page, site, `/labs/${LAB}/`);
  await page.getByTestId('start-lab').click();
  await expect(page.getByTestId('foot-root')).toContainText(MARKUP, patient);
  // The server takes out what would turn the rest of the line, and sequences for terminals with what they carry.
  await expect(page.getByTestId('foot-root')).toContainText(`${MARKUP} desrever`);
  await isInert();
});

test('names of files are shown as they are, or spelt out', async () => {
  await open(page, site, `/labs/${LAB}/#program`);
  await page.getByTestId('start-lab').click();
  await new TerminalPage(page, 'terminal-box').waitForPrompt('box');

  const [sandbox] = await mine();
  if (!sandbox) throw new Error('no sandbox');
  const names = [`/root/${MARKUP}`, '/root/photo\u202egpj.exe', '/root/a\u001b]0;owned\u0007b'];
  for (const path of names)
    await ask('PUT', apiPaths.files(sandbox.id, 'box'), {
      path,
      content: Buffer.from(MARKUP).toString('base64'),
    });
  await page.locator('.lab-edit button').filter({ visible: true }).click();
  for (const name of [MARKUP, 'photo⟨U+202E⟩gpj.exe', 'a␛]0;owned␇b'])
    await expect(page.getByRole('button', { name, exact: true })).toBeVisible(patient);
  await page.getByRole('button', { name: MARKUP, exact: true }).click();
  await isInert();
});

/** What a hostile page tries, each with what came of it. `SITE`, `HOST` and `ID` are put in by the test. */
const ATTEMPTS = `
const said = {};
const settle = (promise) => promise.then((value) => value, (error) => error.name);
said.cookies = document.cookie;
document.cookie = 'bulkhead=theirs; path=/; domain=localhost';
document.cookie = 'bulkhead=theirs; path=/; domain=preview.localhost';
said.opener = String(window.opener);
said.read = await settle(fetch('SITE/api/sandboxes', { credentials: 'include' }).then((answer) => answer.status));
said.end = await settle(fetch('SITE/api/sandboxes/ID', { method: 'DELETE', credentials: 'include' }).then((answer) => answer.status));
said.freeze = await settle(fetch('SITE/api/sandboxes/ID/machines/box/freeze', { method: 'POST', mode: 'no-cors', credentials: 'include' }).then((answer) => answer.type));
said.own = await settle(fetch('/api/status').then((answer) => answer.text()));
said.events = await new Promise((resolve) => {
  const events = new EventSource('SITE/api/sandboxes/ID/events', { withCredentials: true });
  events.onopen = () => resolve('open');
  events.onerror = () => resolve('error');
});
said.socket = await new Promise((resolve) => {
  const socket = new WebSocket('ws://HOST/api/sandboxes/ID/machines/box/terminals/TERMINAL/attach');
  socket.onopen = () => resolve('open');
  socket.onerror = () => resolve('error');
});
const frame = document.createElement('iframe');
frame.src = 'SITE/yours/';
document.body.append(frame);
await new Promise((resolve) => (frame.onload = resolve));
try { said.frame = frame.contentDocument ? 'read' : 'closed'; } catch (error) { said.frame = error.name; }
document.querySelector('output').textContent = JSON.stringify(said);
`;

test("a page that a machine serves has none of the site's cookies, and no way to its API", async () => {
  await open(page, site, '/yours/');
  const made = await ask<Sandbox>('POST', apiPaths.sandboxes, {
    machines: [{ name: 'box', kind: 'container', columns: 80, rows: 24 }],
  });
  const terminal = made.machines[0]?.terminals[0]?.terminal ?? '';
  expect(terminal).not.toBe('');
  const script = ATTEMPTS.replaceAll('SITE', site)
    .replaceAll('HOST', new URL(site).host)
    .replaceAll('ID', made.id)
    .replaceAll('TERMINAL', terminal);
  const html = `<!doctype html><title>${MARKUP}</title><output></output><script type=module>${script}</script>`;
  await ask('PUT', apiPaths.files(made.id, 'box'), {
    path: '/srv/index.html',
    content: Buffer.from(html).toString('base64'),
  });
  await ask('POST', apiPaths.exec(made.id, 'box'), {
    command: ['busybox', 'httpd', '-p', '8000', '-h', '/srv'],
  });
  const { url } = await ask<Preview>('POST', apiPaths.previews(made.id, 'box'), { port: 8000 });

  // As a learner opens it: from the site, in a window of its own.
  const [preview] = await Promise.all([
    context.waitForEvent('page'),
    page.evaluate((address) => void window.open(address, '_blank', 'noopener'), url),
  ]);
  const output = preview.locator('output');
  await expect(output).not.toBeEmpty(patient);
  const said: Record<string, unknown> = JSON.parse(await output.innerText());
  expect(said).toMatchObject({
    ...{ cookies: '', opener: 'null', read: 'TypeError', end: 'TypeError', freeze: 'TypeError' },
    ...{ events: 'error', socket: 'error' },
  });
  expect(said.own).not.toContain('startedAt'); // its own origin has no API: what answers there is the machine
  expect(['closed', 'SecurityError']).toContain(said.frame);
  await expect(preview.locator('iframe').contentFrame().getByText('What is yours here')).toHaveCount(0);

  // The learner is who they were, and nothing was done in their name.
  const [still] = await mine();
  expect(still).toMatchObject({ id: made.id, machines: [{ name: 'box', state: 'running' }] });
  await page.reload();
  await expect(page.getByTestId('yours-box')).toHaveAttribute('data-state', 'running', patient);
  await isInert();
  await preview.close();
});
