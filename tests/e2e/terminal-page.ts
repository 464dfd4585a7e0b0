// Reads and types in the terminals of a page the way a person does, and listens to their WebSockets as the browser sees them.
import { expect, type Locator, type Page } from '@playwright/test';
import { decodeFrame } from '../../sandbox-server/src/protocol/frames.ts';
import { patiently } from '../patience.ts';

/** A terminal on a page, found by its `data-testid`. */
export class TerminalPage {
  readonly root: Locator;

  constructor(page: Page, testId: string) {
    this.root = page.getByTestId(testId);
  }

  /** The screen as text, rows separated by newlines. xterm's DOM renderer draws a row as a `div`. */
  async screen(): Promise<string> {
    const rows = await this.root.locator('.xterm-rows > div').allInnerTexts();
    return rows.map((row) => row.replaceAll('\u00a0', ' ').trimEnd()).join('\n');
  }

  async type(text: string): Promise<void> {
    await this.root.locator('.xterm-helper-textarea').focus();
    await this.root.page().keyboard.type(text);
  }

  /** Types a command and waits for what it prints to match; the command line itself does not count as output. */
  async run(command: string, output: RegExp, timeout = patiently(20_000)): Promise<RegExpMatchArray> {
    const mark = `m${Math.random().toString(36).slice(2, 8)}`;
    // The mark is printed in two halves, so that it stands whole only in the output.
    await this.type(`echo ${mark.slice(0, 3)}""${mark.slice(3)}; ${command}\n`);
    let found: RegExpMatchArray | null = null;
    await expect
      .poll(
        async () => {
          const after = (await this.screen()).split(`\n${mark}\n`)[1];
          found = after?.match(output) ?? null;
          return found !== null;
        },
        { message: `${command} prints ${output}`, timeout },
      )
      .toBe(true);
    return found as unknown as RegExpMatchArray;
  }

  /** An emulator that is out of sight draws nothing. The terminal may be exchanged for another one meanwhile. */
  async #screenInSight(): Promise<string> {
    await this.root.scrollIntoViewIfNeeded({ timeout: 1_000 }).catch(() => {});
    return this.screen();
  }

  async waitForPrompt(host: string, timeout = patiently(60_000)): Promise<void> {
    await expect
      .poll(() => this.#screenInSight(), { timeout, message: `a prompt of ${host}` })
      .toMatch(new RegExp(`^${host}:.*#\\s*$`, 'm'));
  }
}

/** Every OUTPUT byte that a page was sent on its attach WebSockets, by terminal address, in order of offset. */
export class OutputRecorder {
  readonly #streams = new Map<string, Buffer[]>();
  readonly #next = new Map<string, number>();
  /** What was wrong with the order of frames; stays empty. */
  readonly faults: string[] = [];

  constructor(page: Page) {
    page.on('websocket', (socket) => {
      if (!socket.url().includes('/attach')) return;
      const address = new URL(socket.url()).pathname;
      socket.on('framereceived', ({ payload }) => {
        if (typeof payload === 'string') return;
        const frame = decodeFrame(new Uint8Array(payload));
        if (frame.type === 'welcome') this.#next.set(address, frame.start);
        if (frame.type !== 'output') return;
        const expected = this.#next.get(address) ?? 0;
        if (frame.offset !== expected)
          this.faults.push(`${address}: offset ${frame.offset} after ${expected}`);
        this.#next.set(address, frame.offset + frame.bytes.length);
        const chunks = this.#streams.get(address) ?? [];
        chunks.push(Buffer.from(frame.bytes));
        this.#streams.set(address, chunks);
      });
    });
  }

  /** All bytes of the terminals whose address matches. */
  bytes(machine: string): Buffer {
    const chunks = [...this.#streams].filter(([address]) => address.includes(`/machines/${machine}/`));
    return Buffer.concat(chunks.flatMap(([, buffers]) => buffers));
  }
}

/** Opens the page at `url`, starts its container and waits for the prompt. */
export async function startBox(page: Page, url: string): Promise<TerminalPage> {
  await page.goto(url);
  await page.getByTestId('start-container').click();
  const box = new TerminalPage(page, 'terminal-box');
  await box.waitForPrompt('box');
  return box;
}
