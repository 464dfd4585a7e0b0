// Works through a lab on its page the way a learner does: clicks what is to be run, types the rest, and waits for green.
import { join } from 'node:path';
import { expect, type Locator, type Page } from '@playwright/test';
import { patiently } from '../patience.ts';
import { TerminalPage } from './terminal-page.ts';

/** How long a check may take to see what was done, on a machine that is busy with other things. */
const CHECK_MS = patiently(30_000);

/** A folder for a picture of each step when it is done; none are taken unless it is named. */
const PICTURES = process.env.BULKHEAD_LAB_PICTURES;

export class LabPage {
  readonly page: Page;
  #slug = '';
  #pictures = 0;

  constructor(page: Page) {
    this.page = page;
  }

  /** Opens the lab and starts its machines, each with a prompt. */
  async begin(url: string, slug: string): Promise<void> {
    this.#slug = slug;
    await this.page.goto(`${url}/labs/${slug}/`);
    const start = this.page.getByTestId('start-lab');
    await expect(start).toBeEnabled();
    await this.#picture('start');
    await start.click();
    await expect(this.page.getByTestId('lab-bench')).toBeVisible({ timeout: patiently(60_000) });
  }

  /** A terminal by the name of its tab: box, or "box 2". */
  async terminal(name: string): Promise<TerminalPage> {
    await this.page.getByRole('tab', { name, exact: true }).click();
    return new TerminalPage(this.page, `terminal-${name.replace(' ', '-')}`);
  }

  /** What can be seen of the open part. */
  get open(): Locator {
    return this.page.locator('.lab-part:visible');
  }

  /** Clicks the commands that have this in them, and waits until they were typed. */
  async run(words: string, which = 0): Promise<void> {
    const block = this.open.locator('.lab-run').filter({ hasText: words }).nth(which);
    await block.getByRole('button').click();
    await expect(block, `${words} is typed`).toHaveClass(/ran/, { timeout: CHECK_MS });
  }

  /** Types a line into a terminal that shows a prompt. */
  async type(name: string, line: string): Promise<void> {
    const terminal = await this.terminal(name);
    await expect.poll(() => terminal.screen(), { timeout: CHECK_MS }).toMatch(/[#$]\s*$/);
    await terminal.type(`${line}\n`);
  }

  /** Waits until the terminal shows something; returns the match. */
  async see(name: string, pattern: RegExp): Promise<RegExpMatchArray> {
    const terminal = await this.terminal(name);
    let found: RegExpMatchArray | null = null;
    const look = async () => {
      found = (await terminal.screen()).match(pattern);
      return found !== null;
    };
    await expect.poll(look, { message: `${pattern} in ${name}`, timeout: CHECK_MS }).toBe(true);
    return found as unknown as RegExpMatchArray;
  }

  /** Waits until the open step turns green, and goes on. */
  async done(step: string): Promise<void> {
    const foot = this.page.getByTestId(`foot-${step}`);
    await expect(foot, `${step} is done`).toHaveAttribute('data-state', 'done', { timeout: CHECK_MS });
    await this.#picture(step);
    await foot.getByRole('button', { name: /^(Next step|Finish)$/ }).click();
    await expect(foot).toBeHidden();
  }

  /** The last page, with every step done. */
  async finished(): Promise<void> {
    await expect(this.page.getByTestId('lab-end')).toContainText('Every step is done');
    await this.#picture('finish');
  }

  async #picture(of: string): Promise<void> {
    if (PICTURES === undefined) return;
    await this.page.screenshot({ path: join(PICTURES, `${this.#slug}-${this.#pictures++}-${of}.png`) });
  }
}
