// What a page and the worker with the emulator say to each other.

export type ToWorker =
  /** `keep`: under which name its memory is kept on this device, and looked for; null: nowhere. */
  | { type: 'start'; base: string; keep: string | null }
  | { type: 'bytes'; bytes: Uint8Array }
  | { type: 'sleep' }
  | { type: 'wake' }
  /** Write its memory down on this device. */
  | { type: 'keep' }
  | { type: 'use' };

export type FromWorker =
  | { type: 'progress'; bytes: number; of: number }
  | { type: 'restoring' }
  /** `resumed`: it goes on from what was kept here, and not from the image. */
  | { type: 'running'; release: string; memoryBytes: number; digest: string; resumed: boolean }
  | { type: 'bytes'; bytes: Uint8Array }
  /** `problem`: why it could not be written down. */
  | { type: 'kept'; bytes: number; problem: string | null }
  | { type: 'use'; use: Use }
  /** The guest has ended its machine: a panic, a power-off, a restart. */
  | { type: 'ended'; console: readonly string[] }
  | { type: 'failed'; message: string };

/** What an emulator costs the tab. */
export interface Use {
  /** Milliseconds in which it had its thread. */
  busyMs: number;
  /** Its WebAssembly memory: the guest's, and what it was translated into. */
  memoryBytes: number;
}
