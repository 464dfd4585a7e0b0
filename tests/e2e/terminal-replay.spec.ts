// What a terminal does with bytes that it should not trust: replayed queries, hostile sequences, a megabyte of paste.
import { createHash } from 'node:crypto';
import { expect, type Page, test } from '@playwright/test';
import { decodeFrame } from '../../sandbox-server/src/protocol/frames.ts';
import { type Stack, startStack } from '../integration/stack.ts';
import { patiently } from '../patience.ts';
import { startBox } from './terminal-page.ts';

let stack: Stack;
test.beforeAll(async () => {
  stack = await startStack();
});
test.afterAll(() => stack.stop());

/** What the page sends as INPUT, as text, from now on. */
function recordInput(page: Page): { text: string } {
  const sent = { text: '' };
  page.on('websocket', (socket) =>
    socket.on('framesent', ({ payload }) => {
      if (typeof payload === 'string') return;
      const frame = decodeFrame(new Uint8Array(payload));
      if (frame.type === 'input') sent.text += Buffer.from(frame.bytes).toString('latin1');
    }),
  );
  return sent;
}

test.afterEach(async ({ page }) => {
  await page.getByRole('button', { name: 'End it' }).click();
  await expect(page.getByTestId('start-container')).toBeVisible();
});

test('a query is answered when it is printed, and never again when it is replayed', async ({ page }) => {
  const sent = recordInput(page);
  const box = await startBox(page, stack.url);
  // Cursor position, device attributes (all three), mode, version, window size, colour, settings.
  const queries = '\\e[6n\\e[c\\e[>c\\e[=c\\e[?25$p\\e[>q\\e[18t\\e]10;?\\a\\eP$qm\\e\\\\';
  await box.type(`stty -echo; printf '${queries}'; sleep 0.5; stty echo; printf 'asked-%d\\n' 1\n`);
  await expect.poll(() => box.screen()).toContain('asked-1');
  const live = sent.text.replaceAll('\x1b', 'ESC');
  expect(live, 'the cursor report').toMatch(/ESC\[\d+;\d+R/);
  expect(live, 'the device attributes').toMatch(/ESC\[\?[\d;]+c/);

  await page.keyboard.press('Control+C'); // the shell has read the answers as if they had been typed
  await box.type('clear; printf "quiet-%d\\n" 1\n');
  await expect.poll(() => box.screen()).toMatch(/^quiet-1$/m);
  sent.text = '';
  await page.reload();
  await expect.poll(() => box.screen()).toMatch(/^quiet-1$/m);
  // Anything that the replay had caused stands before this in the order of what is sent.
  await box.run('echo still-$((40+2))', /^still-42$/m);
  expect(sent.text).toMatch(/^echo /);
  expect(sent.text).not.toContain('\x1b');
});

test('a pager that began long ago is there after a reload, and so is what lies under it', async ({
  page,
}) => {
  const box = await startBox(page, stack.url);
  await box.run('echo under-$((40+2))', /^under-42$/m);
  // Each character in a colour of its own: a screenful is some 30 kB.
  const colourful = `printf "\\033[38;2;%d;%d;%dm%d", $1 % 256, $1 % 128, $1 % 64, $1 % 10; if ($1 % 60 == 0) print ""`;
  await box.type(`seq 30000 | awk '{${colourful}}' > f; less -RM f\n`);
  await expect.poll(() => box.screen()).toMatch(/^f lines 1-/m);
  for (let pages = 0; pages < 24; pages++) await page.keyboard.press('Space');
  await expect.poll(() => box.screen()).toMatch(/^f lines [3-5]\d\d-/m);
  const before = await box.screen();
  const lost = new Promise<boolean>((resolve) => {
    page.on('websocket', (socket) =>
      socket.on('framereceived', ({ payload }) => {
        if (typeof payload === 'string' || !socket.url().includes('/attach')) return;
        const frame = decodeFrame(new Uint8Array(payload));
        if (frame.type === 'welcome') resolve(frame.lost);
      }),
    );
  });
  await page.reload();
  expect(await lost, 'what began the alternate screen has left the ring').toBe(true);
  await expect.poll(() => box.screen()).toBe(before);
  await box.type('q');
  await expect.poll(() => box.screen()).toMatch(/^under-42$/m);
  await box.run('echo still-$((40+2))', /^still-42$/m);
});

/** Pastes `bytes` letters into the terminal, as from the clipboard; returns them. */
const paste = (page: Page, bytes: number): Promise<string> =>
  page.evaluate(async (length) => {
    const text = Array.from({ length }, (_, index) => String.fromCharCode(97 + ((index * 7) % 26))).join('');
    const data = new DataTransfer();
    data.setData('text/plain', text);
    const place = document.querySelector('.xterm-helper-textarea');
    place?.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }));
    return text;
  }, bytes);

test('a megabyte that is pasted arrives whole, and between brackets where they are asked for', async ({
  page,
}) => {
  const box = await startBox(page, stack.url);
  const bytes = 1_000_000;
  // A word for each, so that the first one's is not taken for the second one's.
  for (const [word, asks, before, after] of [
    ['plain', '', '', ''],
    ['between', '\\e[?2004h', '\x1b[200~', '\x1b[201~'],
  ] as const) {
    const count = bytes + before.length + after.length;
    await box.type(
      `clear; stty raw -echo; printf '${asks}%s-ready' ${word}; head -c ${count} | md5sum; stty sane\n`,
    );
    await expect.poll(() => box.screen()).toContain(`${word}-ready`);
    const text = await paste(page, bytes);
    const sum = createHash('md5')
      .update(before + text + after)
      .digest('hex');
    await expect.poll(() => box.screen(), { timeout: patiently(30_000) }).toContain(sum);
  }
});

test('letters of all scripts and emoji are drawn as they are', async ({ page }) => {
  const box = await startBox(page, stack.url);
  const text = 'Grüße, Ελλάδα, 日本語, العربية, 🚢';
  await box.type("printf '%b\\n' '");
  for (const byte of Buffer.from(text)) await box.type(`\\x${byte.toString(16)}`);
  await box.type("'\n");
  await expect.poll(() => box.screen()).toContain(text);
  // The same a byte at a time, each written by itself.
  const codes = [...Buffer.from(text)].join(',');
  await box.type(
    `clear; for b in ${codes.replaceAll(',', ' ')}; do printf "\\\\x$(printf %x $b)"; done; echo\n`,
  );
  await expect.poll(() => box.screen()).toContain(text);
  // Typed, and cut anywhere on the way.
  await page.keyboard.insertText('echo "[naïve ✓ 🧱]" | tr "[]" "()"');
  await page.keyboard.press('Enter');
  await expect.poll(() => box.screen()).toContain('(naïve ✓ 🧱)');
});

test('a hostile program changes neither the title, nor the clipboard, nor where the page is', async ({
  page,
  context,
}) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const box = await startBox(page, stack.url);
  const title = await page.title();
  const address = page.url();
  await page.evaluate(() => navigator.clipboard.writeText('mine'));
  const opened: string[] = [];
  context.on('page', (other) => opened.push(other.url()));
  const hostile = [
    '\\e]0;owned\\a', // window title
    '\\e]2;owned\\a',
    '\\e]52;c;b3duZWQ=\\a', // clipboard
    '\\e]8;;javascript:document.title=1\\atouch me\\e]8;;\\a', // link
    '\\e]7;file:///etc/passwd\\a',
    '\\eP+q544e\\e\\\\',
    '\\e[3;0;0t\\e[9;1t', // move, maximise the window
    '\\x9b31m<img src=x onerror=document.title=2>',
  ];
  await box.type(`printf '${hostile.join('')}\\n'; printf 'after-%d\\n' 1\n`);
  await expect.poll(() => box.screen()).toMatch(/^after-1$/m);
  const link = box.root.locator('.xterm-rows > div', { hasText: /^touch\sme/ });
  page.on('dialog', (dialog) => dialog.dismiss());
  const place = await link.boundingBox();
  await page.mouse.click((place?.x ?? 0) + 20, (place?.y ?? 0) + 8);
  expect(await page.title()).toBe(title);
  expect(page.url()).toBe(address);
  expect(opened).toEqual([]);
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('mine');
  expect(await box.root.locator('img').count()).toBe(0);
});
