// The device that the Linux in the tab is on: a small one with a low battery and a bad connection, and one whose reader looks elsewhere.
import { type BrowserContext, expect, type Page, test } from '@playwright/test';
import { type PlainSite, servePlainly } from '../e2e/plain-site.ts';
import { TerminalPage } from '../e2e/terminal-page.ts';
import { PATIENCE, pretend } from './device.ts';
import { emulatorOf, instructionsOf } from './instructions.ts';
import { TAB_IMAGE } from './place.ts';
import { openWindow } from './window.ts';

let site: PlainSite;
test.beforeAll(async () => {
  site = await servePlainly(TAB_IMAGE);
});
test.afterAll(() => site.close());

type WithBattery = { battery: EventTarget & { charging: boolean; level: number } };

/** Gives pages a battery that is low. No browser that is driven has one; it is asked as a real one is. */
const giveBattery = (context: BrowserContext): Promise<unknown> =>
  context.addInitScript(() => {
    const battery = Object.assign(new EventTarget(), { charging: false, level: 0.1 });
    Object.assign(globalThis, { battery });
    Object.defineProperty(navigator, 'getBattery', { value: async () => battery });
  });

const charge = (page: Page): Promise<void> =>
  page.evaluate(() => {
    const { battery } = globalThis as unknown as WithBattery;
    battery.charging = true;
    battery.dispatchEvent(new Event('chargingchange'));
  });

/** Leaves machines in the browser as another build of this site would have; its image is not this one's. */
const leaveOlder = (page: Page): Promise<void> =>
  page.evaluate(
    () =>
      new Promise<void>((resolve, reject) => {
        const opening = indexedDB.open('bulkhead-tab', 1);
        opening.onupgradeneeded = () => opening.result.createObjectStore('saved');
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const database = opening.result;
          const content = '0'.repeat(16);
          const store = database.transaction('saved', 'readwrite').objectStore('saved');
          store.put({ content, savedAt: 1, state: new ArrayBuffer(4_096) }, 'first');
          const id = 'a'.repeat(20);
          store.put({ content, sandboxes: [{ id, createdAt: 1, lab: null, machines: [] }] }, 'sandboxes');
          store.transaction.oncomplete = () => {
            database.close();
            resolve();
          };
        };
      }),
  );

test('a small device with a low battery is asked first, has one machine, and goes on with a download that was cut', async ({
  page,
  context,
}) => {
  await giveBattery(context);
  await pretend(context, { deviceMemory: 2 });
  const asked: string[] = [];
  page.on('request', (request) => {
    if (request.url().endsWith('.bin')) asked.push(new URL(request.url()).pathname);
  });
  await page.goto(`${site.url}/404.html`);
  await leaveOlder(page);
  await page.evaluate(() => localStorage.setItem('bulkhead-tab', 'yes'));

  // Its reader agreed once; now that costs more than it did.
  await page.goto(`${site.url}/compare/`);
  const offer = page.getByRole('status').filter({ has: page.getByTestId('use-tab') });
  await expect(offer).toContainText('The battery of this device is low');
  await expect(offer).toContainText('There is no virtual machine beside it: this device has 2 GiB of memory');
  expect(asked).toEqual([]);

  const part = '**/state/06.bin';
  await page.route(part, (route) => route.abort());
  await page.getByTestId('use-tab').click();
  const alert = page.getByRole('alert');
  await expect(alert).toContainText(/The download was cut off at \d+\.\d of \d+\.\d MB/, {
    timeout: PATIENCE,
  });
  const before = asked.filter((path) => !path.endsWith('/06.bin'));
  await page.unroute(part);
  asked.length = 0;
  await alert.getByRole('button', { name: 'Try again' }).click();
  const box = new TerminalPage(page, 'terminal-box');
  await box.waitForPrompt('box', PATIENCE);
  expect(before.length).toBeGreaterThan(3);
  expect(asked.filter((path) => before.includes(path))).toEqual([]);
  await expect(page.getByTestId('machine-vm')).toHaveCount(0);

  const here = page.getByTestId('in-this-tab');
  await expect(here).toContainText('belongs to a machine that this site no longer has: it begins anew');
  await expect(here).toContainText('the machine rests as long as it works');
  await charge(page);
  await expect(here).not.toContainText('the machine rests as long as it works');
});

test('sleeps while another tab is in front, instruction for instruction, and loses nothing by it', async () => {
  const { context, close } = await openWindow();
  try {
    const page = await context.newPage();
    await page.goto(`${site.url}/`);
    await page.getByTestId('use-tab').click();
    const box = new TerminalPage(page, 'terminal-box');
    await box.waitForPrompt('box', PATIENCE);
    // Left to itself, this never rests.
    await box.run('while :; do :; done & echo begun', /^begun$/m, PATIENCE);
    await box.type('kill %1 && echo be');
    await expect.poll(() => box.screen(), { timeout: PATIENCE }).toContain('echo be');

    const emulator = emulatorOf(page);
    /** How far the guest gets while the page's clock ticks as often as would measure it twice. */
    const progress = async (): Promise<number> => {
      const before = await instructionsOf(emulator);
      await page.evaluate(async () => {
        for (let tick = 0; tick < 3; tick++) await new Promise((next) => setTimeout(next, 500));
      });
      return ((await instructionsOf(emulator)) - before) >>> 0;
    };
    expect(await progress()).toBeGreaterThan(0);
    await (await context.newPage()).bringToFront();
    await expect.poll(() => page.evaluate(() => document.visibilityState)).toBe('hidden');
    await expect.poll(progress, { timeout: PATIENCE }).toBe(0);
    await page.bringToFront();
    await expect.poll(progress, { timeout: PATIENCE }).toBeGreaterThan(0);
    // The loop is there to be ended, and the line that was begun to be finished.
    await box.type('fore\n');
    await expect.poll(() => box.screen(), { timeout: PATIENCE }).toMatch(/^before$/m);
  } finally {
    await close();
  }
});
