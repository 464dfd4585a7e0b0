// A browser as a reader has it: its tabs share one window, and all but the one in front are hidden. Playwright keeps every page
// of a browser that it starts itself in sight.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type Browser, type BrowserContext, chromium } from '@playwright/test';
import { CHROMIUM } from '../e2e/browser.ts';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';

export interface Window {
  context: BrowserContext;
  close: () => Promise<void>;
}

/** A page that opens by itself is not waited for, and would be in the way of who looks at the browser's pages meanwhile. */
const OWN = ['--headless', '--remote-debugging-port=0', '--no-startup-window'];

export async function openWindow(): Promise<Window> {
  const folder = temporaryFolder('window');
  const args = [...OWN, `--user-data-dir=${folder}`, ...CHROMIUM.args];
  const child = spawn(CHROMIUM.executablePath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const gone = once(child, 'exit');
  const end = () => child.kill('SIGKILL'); // nothing of it is to be kept, and it takes its time over being asked
  process.once('exit', end);
  let browser: Browser | undefined;
  const close = async () => {
    await browser?.close();
    end();
    await gone;
    process.off('exit', end);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const address = await addressOf(child);
    browser = await chromium.connectOverCDP(address, { noDefaults: true, timeout: patiently(30_000) });
    const [context] = browser.contexts();
    if (!context) throw new Error('Chromium was started without a profile');
    return { context, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Where it listens, from what it says at its start; what else it says is heard, so that it is never held up. */
function addressOf({ stderr }: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    if (!stderr) return reject(new Error('nobody hears what Chromium says'));
    const said: string[] = [];
    createInterface({ input: stderr })
      .on('line', (line) => {
        const address = /^DevTools listening on (ws:\S+)$/.exec(line)?.[1];
        if (address) resolve(address);
        said.push(line);
      })
      .once('close', () => reject(new Error(`Chromium did not start: ${said.join('\n')}`)));
  });
}
