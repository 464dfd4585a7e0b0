// What a page and the worker with the emulator say to each other.

export type ToWorker =
  /** `name`: under which what is in its memory is saved on this device, and looked for; null: nowhere. */
  | { type: 'start'; base: string; name: string | null }
  | { type: 'bytes'; bytes: Uint8Array }
  | { type: 'keep' }
  /** Save what is in its memory, so that a page that is loaded again goes on there. */
  | { type: 'save' }
  | { type: 'use' }
  | { type: 'sleep' }
  | { type: 'wake' }
  /** Whether it is to rest as long as it works: the battery is low. */
  | { type: 'spare'; sparing: boolean };

export type FromWorker =
  | { type: 'progress'; bytes: number; of: number }
  | { type: 'restoring' }
  /** `resumed`: it goes on from what was saved here, and not from the image. */
  | {
      type: 'running';
      release: string;
      memoryBytes: number;
      wholeBytes: number;
      resumed: boolean;
    }
  | { type: 'bytes'; bytes: Uint8Array }
  /** The guest has ended its machine: a panic, a power-off, a restart. */
  | { type: 'ended'; console: readonly string[] }
  /** Packed bytes of the whole machine that this browser has by now; `kept` ends it. */
  | { type: 'keeping'; bytes: number; of: number }
  | { type: 'kept'; whole: boolean }
  | ({ type: 'saved' } & Saved)
  | { type: 'use'; use: Use }
  /** Something that the reader should know, though the machine goes on. */
  | { type: 'notice'; message: string }
  | { type: 'failed'; message: string };

/** How saving went. */
export interface Saved {
  done: boolean;
  /** Why this device does not keep it, in a sentence; null where it does, or where the moment was wrong. */
  why: string | null;
}

/** What an emulator costs the tab. */
export interface Use {
  /** Milliseconds in which it had its thread. */
  busyMs: number;
  /** Its WebAssembly memory: the guest's, and what its code was translated into. */
  memoryBytes: number;
}
