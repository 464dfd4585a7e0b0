// What a page and the worker with the emulator say to each other.

export type ToWorker =
  | { type: 'start'; base: string }
  | { type: 'bytes'; bytes: Uint8Array }
  | { type: 'sleep' }
  | { type: 'wake' };

export type FromWorker =
  | { type: 'progress'; bytes: number; of: number }
  | { type: 'restoring' }
  | { type: 'running'; release: string; memoryBytes: number }
  | { type: 'bytes'; bytes: Uint8Array }
  /** The guest has ended its machine: a panic, a power-off, a restart. */
  | { type: 'ended'; console: readonly string[] }
  | { type: 'failed'; message: string };
