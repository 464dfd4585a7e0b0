// How far the guest of an emulator has come, told from outside: the instructions that its processor has carried out.
import type { Page, Worker } from '@playwright/test';

/** Where v86 counts them in its memory, modulo 2^32. */
const COUNTER = 664;

/** The worker of a page's only emulator. */
export function emulatorOf(page: Page): Worker {
  const found = page.workers().filter((worker) => /\/assets\/worker\b/.test(worker.url()));
  if (!found[0] || found.length > 1) throw new Error(`there are ${found.length} emulators on ${page.url()}`);
  return found[0];
}

export const instructionsOf = (emulator: Worker): Promise<number> =>
  emulator.evaluate((at) => {
    // Asked what it takes, it looks at its memory: in that moment one can see which that is.
    const { prototype } = WebAssembly.Memory;
    const buffer = Object.getOwnPropertyDescriptor(prototype, 'buffer') as PropertyDescriptor;
    let counter = 0;
    Object.defineProperty(prototype, 'buffer', {
      configurable: true,
      get() {
        const bytes = buffer.get?.call(this) as ArrayBuffer;
        counter = new Uint32Array(bytes, at, 1)[0] ?? 0;
        return bytes;
      },
    });
    const { onmessage } = globalThis as unknown as { onmessage(event: object): void };
    try {
      onmessage({ data: { type: 'use' } });
    } finally {
      Object.defineProperty(prototype, 'buffer', buffer);
    }
    return counter;
  }, COUNTER);
