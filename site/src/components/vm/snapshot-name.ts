// Names of snapshots: what somebody typed, made into one that the server takes, and one to begin with.

/** 1 to 27 of a-z, 0-9 and -, no - first (protocol/api.ts, snapshotNameSchema); '' when nothing of the text can be used. */
export function snapshotNameOf(text: string): string {
  return text
    .toLowerCase()
    .normalize('NFKD')
    .replace(/\p{Mark}+/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, 27)
    .replace(/-+$/, '');
}

/** The first of moment-1, moment-2, … that is not taken. */
export function freeSnapshotName(taken: readonly string[]): string {
  for (let number = 1; ; number++) {
    const name = `moment-${number}`;
    if (!taken.includes(name)) return name;
  }
}
