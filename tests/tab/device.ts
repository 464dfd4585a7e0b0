// The device on which a page believes to be.
import type { BrowserContext } from '@playwright/test';
import { patiently } from '../patience.ts';

/** How long an emulated processor may take, on a machine that may be three times slower than this one (milliseconds). */
export const PATIENCE = patiently(120_000);

/** Has `navigator` claim these properties on every page that is opened from now on. */
export const pretend = (context: BrowserContext, device: object): Promise<unknown> =>
  context.addInitScript((claims) => {
    for (const [name, value] of Object.entries(claims))
      Object.defineProperty(navigator, name, { get: () => value });
  }, device);
