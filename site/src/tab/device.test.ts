// A device is minded as far as its browser tells of it: too small a one is refused in a sentence, nothing is fetched unasked where
// data or battery are short, and a low battery is told when it becomes low.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { onLowBattery, whyCareful, whyNoSecond, whyUnable } from './device.ts';

class Battery extends EventTarget {
  charging = false;
  level = 0.5;
  become(level: number, charging: boolean): void {
    Object.assign(this, { level, charging });
    this.dispatchEvent(new Event('levelchange'));
  }
}
const on = (device: object, media = false): void => {
  vi.stubGlobal('navigator', device);
  vi.stubGlobal('matchMedia', () => ({ matches: media }));
};

beforeEach(() => {
  vi.stubGlobal('Worker', class {});
  on({});
});
afterEach(() => {
  vi.unstubAllGlobals();
});

test('a browser that tells nothing is let in', async () => {
  expect([whyUnable(), whyNoSecond(), await whyCareful()]).toEqual([null, null, null]);
});

test('without WebAssembly, or with too little memory, there is a sentence and no machine', () => {
  on({ deviceMemory: 0.5 });
  expect(whyUnable()).toMatch(/^This device has 512 MiB of memory; the emulator takes about \d+ MiB\.$/);
  vi.stubGlobal('WebAssembly', undefined);
  expect(whyUnable()).toContain('no WebAssembly');
});

test('a small device has one emulator and no second', () => {
  on({ deviceMemory: 2 });
  expect(whyUnable()).toBeNull();
  expect(whyNoSecond()).toContain('this device has 2 GiB of memory');
  on({ deviceMemory: 4 });
  expect(whyNoSecond()).toBeNull();
});

test('nothing is fetched unasked for who saves data, by a switch or by a preference, or has a low battery', async () => {
  on({ connection: { saveData: true } });
  expect(await whyCareful()).toBe('Your browser asks to save data.');
  on({}, true);
  expect(await whyCareful()).toBe('Your browser asks to save data.');
  const battery = new Battery();
  on({ getBattery: async () => battery });
  expect(await whyCareful()).toBeNull();
  battery.become(0.1, false);
  expect(await whyCareful()).toContain('battery of this device is low');
});

test('a battery that becomes low is told once, and that it is charged', async () => {
  const battery = new Battery();
  on({ getBattery: async () => battery });
  const told: boolean[] = [];
  await onLowBattery((low) => told.push(low));
  battery.become(0.15, false);
  battery.become(0.14, false);
  battery.become(0.14, true);
  expect(told).toEqual([true, false]);
});
