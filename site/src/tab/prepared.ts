// What containers in the tab are made with, and those that the image has ready: each with a shell at its prompt, so that the
// first click takes it instead of waiting for an emulated processor to make one. The image build makes them with this.

const MIB = 2 ** 20;

/** A container's share of a machine of 192 MiB. */
export const containerLimits = {
  memory_bytes: 64 * MIB,
  pids: 128,
  cpu_millis: 1_000,
  disk_bytes: 32 * MIB,
};

/** Their ids, by profile. */
export const prepared = { hardened: 'ready-hardened', nested: 'ready-nested' } as const;
/** What each calls itself: the name that most machines of the site's pages have. */
export const PREPARED_NAME = 'box';
/** Until the first viewer says its own. */
export const PREPARED_TERMINAL = { columns: 80, rows: 24 };
