// What a page and the worker with the emulator say to each other.

export type ToWorker =
  | { type: 'start'; base: string }
  | { type: 'bytes'; bytes: Uint8Array }
  | { type: 'keep' }
  | { type: 'sleep' }
  | { type: 'wake' };

export type FromWorker =
  | { type: 'progress'; bytes: number; of: number }
  | { type: 'restoring' }
  | { type: 'running'; release: string; memoryBytes: number; wholeBytes: number }
  | { type: 'bytes'; bytes: Uint8Array }
  /** The guest has ended its machine: a panic, a power-off, a restart. */
  | { type: 'ended'; console: readonly string[] }
  /** Packed bytes of the whole machine that this browser has by now; `kept` ends it. */
  | { type: 'keeping'; bytes: number; of: number }
  | { type: 'kept'; whole: boolean }
  /** Something that the reader should know, though the machine goes on. */
  | { type: 'notice'; message: string }
  | { type: 'failed'; message: string };
