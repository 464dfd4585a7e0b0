import { snapshotNameSchema } from '@bulkhead/sandbox-server/protocol';
import { describe, expect, it } from 'vitest';
import { freeSnapshotName, snapshotNameOf } from './snapshot-name.ts';

describe("a snapshot's name", () => {
  it.each([
    ['Before rm -rf', 'before-rm-rf'],
    ['  été 2 ', 'ete-2'],
    ['moment-1', 'moment-1'],
    ['a'.repeat(40), 'a'.repeat(27)],
    [`${'b'.repeat(26)} c`, 'b'.repeat(26)],
  ])('%j is saved as %s, which the server takes', (text, name) => {
    expect(snapshotNameOf(text)).toBe(name);
    expect(snapshotNameSchema.safeParse(name).success).toBe(true);
  });

  it.each(['', ' - ', '日本語'])('%j leaves nothing that could be a name', (text) =>
    expect(snapshotNameOf(text)).toBe(''),
  );

  it('is offered, and not twice', () => {
    expect(freeSnapshotName([])).toBe('moment-1');
    expect(freeSnapshotName(['moment-1', 'before', 'moment-3'])).toBe('moment-2');
  });
});
