// The way into the Linux in this tab, for a page that has no server: whether device and site can, what it costs, whether the
// reader has agreed, and then the place itself, one for all components of a page.

import type { TabPlace } from '../components/sandbox/place.ts';
import { siteAddress } from '../site-address.ts';
import { TabError } from './download.ts';
import { TAB_PATH } from './image.ts';
import type { SavedPage } from './place.ts';
import { forgetSaved, saved } from './saved.ts';
import { forgetMachines } from './shelf.ts';

export type { TabState } from './tab-machine.ts';

/** What the tab has to offer, told before anything of it is fetched. */
export type TabOffer =
  | {
      able: true;
      /** To be fetched before the first prompt, unless this browser has it already. */
      bytes: number;
      /** What the machine takes of the device's memory. */
      memoryBytes: number;
      /** The reader agreed before, and nothing says that it should be asked again. */
      agreed: boolean;
      /** Why the reader is asked again all the same, one sentence; null where it is not. */
      careful: string | null;
      /** Machines were left here that can go on. */
      left: boolean;
      /** Why there is no second emulator here; null where there may be one. */
      noSecond: string | null;
    }
  | { able: false; reason: string };

const AGREED = 'bulkhead-tab';
/** Emulator, machine, and what their code is translated into. */
const LEAST_GIB = 1;
const SECOND_GIB = 2;
const LOW_BATTERY = 0.2;

/** What a browser may tell of its device. Firefox and Safari tell none of it. */
interface Device {
  deviceMemory?: number;
  connection?: { saveData?: boolean };
  getBattery?: () => Promise<{ charging: boolean; level: number }>;
}
const device = (): Device => navigator as Device;

export async function offer(): Promise<TabOffer> {
  const reason = whyUnable();
  if (reason) return { able: false, reason };
  try {
    const [image, careful, left] = await Promise.all([
      imageHere(),
      whyCareful(),
      saved<SavedPage>('sandboxes'),
    ]);
    return {
      able: true,
      bytes: image.state.packedBytes,
      memoryBytes: image.memoryBytes,
      agreed: hasAgreed() && careful === null,
      careful,
      left: (left?.sandboxes.length ?? 0) > 0,
      noSecond: whyNoSecond(),
    };
  } catch (error) {
    if (error instanceof TabError) return { able: false, reason: error.message };
    throw error;
  }
}

export function agree(): void {
  try {
    localStorage.setItem(AGREED, 'yes');
  } catch {
    // Storage is blocked: the reader is asked again on the next page.
  }
}

export async function forget(): Promise<void> {
  try {
    localStorage.removeItem(AGREED);
  } catch {
    // There is nothing to forget.
  }
  (await place)?.forget();
  await Promise.all([forgetSaved(), forgetMachines()]);
}

let place: Promise<TabPlace & { forget(): void }> | undefined;

/** One for the whole page. */
export function open(): Promise<TabPlace> {
  place ??= Promise.all([import('./place.ts'), imageHere()]).then(([{ openPlace }, image]) =>
    openPlace({ base: base(), image, noSecond: whyNoSecond() }),
  );
  place.catch(() => {
    place = undefined;
  });
  return place;
}

const base = (): string => new URL(siteAddress(TAB_PATH), location.href).href;

async function imageHere() {
  const [{ fetchImage }, v86] = await Promise.all([import('./download.ts'), import('v86/package.json')]);
  return await fetchImage(base(), v86.default.version);
}

function hasAgreed(): boolean {
  try {
    return localStorage.getItem(AGREED) === 'yes';
  } catch {
    return false;
  }
}

function whyUnable(): string | null {
  if (typeof WebAssembly !== 'object')
    return 'This browser has no WebAssembly, which the emulator is made of.';
  if (typeof DecompressionStream !== 'function' || typeof Worker !== 'function')
    return 'This browser is too old for the emulator: it cannot unpack what it fetches.';
  const { deviceMemory } = device();
  if (deviceMemory !== undefined && deviceMemory < LEAST_GIB)
    return `This device has ${Math.round(deviceMemory * 1_024)} MiB of memory; the emulator takes about ${(LEAST_GIB * 1_024) / 2} MiB.`;
  return null;
}

function whyNoSecond(): string | null {
  const { deviceMemory } = device();
  return deviceMemory !== undefined && deviceMemory < SECOND_GIB
    ? `this device has ${deviceMemory} GiB of memory, too little for a second emulator beside the first`
    : null;
}

async function whyCareful(): Promise<string | null> {
  const { connection, getBattery } = device();
  if (connection?.saveData) return 'Your browser asks to save data.';
  const battery = await getBattery?.call(navigator).catch(() => undefined);
  if (battery && !battery.charging && battery.level < LOW_BATTERY)
    return 'The battery of this device is low, and an emulated processor draws on it.';
  return null;
}
