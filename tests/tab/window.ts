// A browser as a reader has it: its tabs share one window, and all but the one in front are hidden. Playwright keeps every page
// of a browser that it starts itself in sight.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type BrowserContext, chromium } from '@playwright/test';
import { CHROMIUM } from '../e2e/browser.ts';
import { temporaryFolder } from '../temporary-folder.ts';

export interface Window {
  context: BrowserContext;
  close: () => Promise<void>;
}

export async function openWindow(): Promise<Window> {
  const folder = temporaryFolder('window');
  const args = ['--headless', '--remote-debugging-port=0', `--user-data-dir=${folder}`, ...CHROMIUM.args];
  const child = spawn(CHROMIUM.executablePath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const gone = once(child, 'exit');
  const browser = await chromium.connectOverCDP(await addressOf(child), { noDefaults: true });
  const [context] = browser.contexts();
  if (!context) throw new Error('Chromium was started without a window');
  const close = async () => {
    await browser.close();
    child.kill();
    await gone;
    rmSync(folder, { recursive: true, force: true });
  };
  return { context, close };
}

/** Where it listens, from what it says at its start. */
async function addressOf({ stderr }: ChildProcess): Promise<string> {
  if (!stderr) throw new Error('nobody hears what Chromium says');
  const said: string[] = [];
  for await (const line of createInterface({ input: stderr })) {
    const address = /^DevTools listening on (ws:\S+)$/.exec(line)?.[1];
    if (address) return address;
    said.push(line);
  }
  throw new Error(`Chromium did not start: ${said.join('\n')}`);
}
