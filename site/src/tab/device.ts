// What a browser tells of the device it is on, as far as an emulator should mind. Firefox and Safari tell none of it, and then
// nothing stands in the way.
import { say } from './words.ts';

interface Battery extends EventTarget {
  charging: boolean;
  level: number;
}
interface Told {
  /** GiB, rounded to a power of two. */
  deviceMemory?: number;
  connection?: { saveData?: boolean };
  getBattery?: () => Promise<Battery>;
}
const told = (): Told => navigator as Told;

/** Emulator, machine, and what their code is translated into. */
const LEAST_GIB = 1;
/** A browser ends a page that takes half of a small device. */
const SECOND_GIB = 4;
const LOW_BATTERY = 0.2;

/** Why there can be no machine here, in a sentence; null where there can. */
export function whyUnable(): string | null {
  if (typeof WebAssembly !== 'object') return say('unable.noWasm');
  if (typeof DecompressionStream !== 'function' || typeof Worker !== 'function') return say('unable.old');
  const { deviceMemory } = told();
  if (deviceMemory !== undefined && deviceMemory < LEAST_GIB)
    return say('unable.memory', { mib: Math.round(deviceMemory * 1_024), least: (LEAST_GIB * 1_024) / 2 });
  return null;
}

/** Why there can be no second one beside it, as the end of a sentence; null where there can. */
export function whyNoSecond(): string | null {
  const { deviceMemory } = told();
  return deviceMemory !== undefined && deviceMemory < SECOND_GIB
    ? say('unable.second', { gib: deviceMemory })
    : null;
}

/** Why nothing should be fetched that was not asked for just now, in a sentence; null where nothing is against it. */
export async function whyCareful(): Promise<string | null> {
  if (told().connection?.saveData || matchMedia('(prefers-reduced-data: reduce)').matches)
    return say('careful.data');
  const battery = await batteryHere();
  return battery && isLow(battery) ? say('careful.battery') : null;
}

/** Tells, now and later, whether the battery is low and nothing charges it. */
export async function onLowBattery(listener: (low: boolean) => void): Promise<void> {
  const battery = await batteryHere();
  if (!battery) return;
  let known = false;
  const look = () => {
    const low = isLow(battery);
    if (low !== known) listener(low);
    known = low;
  };
  battery.addEventListener('levelchange', look);
  battery.addEventListener('chargingchange', look);
  look();
}

const isLow = ({ charging, level }: Battery): boolean => !charging && level < LOW_BATTERY;

async function batteryHere(): Promise<Battery | undefined> {
  return await told()
    .getBattery?.call(navigator)
    .catch(() => undefined);
}
