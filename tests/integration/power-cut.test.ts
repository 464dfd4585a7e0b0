// "Saved" means saved: whatever the server acknowledged is there after a power cut, at whichever moment it comes. Every
// write and sync of a real run is recorded, and the disk is put together as it may have been after each of them: what was
// synced is there; of what was not, nothing, everything, or some of it, the last write torn at a sector.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const SECTOR = 512;
const here = join(import.meta.dirname, 'power-cut');
let directory: string;

beforeAll(() => {
  directory = temporaryFolder('power');
  const flags = ['-std=gnu17', '-O1', '-shared', '-fPIC', '-Wall', '-Wextra', '-Werror'];
  execFileSync('gcc', [...flags, '-o', join(directory, 'record.so'), join(here, 'record.c'), '-ldl']);
});
afterAll(() => rmSync(directory, { recursive: true }));

interface Entry {
  what: 'write' | 'truncate' | 'sync' | 'remove';
  /** Its name; that of the directory is empty. */
  file: string;
  offset: number;
  length: number;
  data: Buffer;
}

function record(survives: string): Entry[] {
  const disk = join(directory, survives);
  mkdirSync(disk);
  execFileSync(process.execPath, [join(here, 'writer.ts'), disk, survives], {
    env: {
      ...process.env,
      LD_PRELOAD: join(directory, 'record.so'),
      RECORD: `${disk}.record`,
      RECORD_DIRECTORY: disk,
    },
  });
  return entriesOf(readFileSync(`${disk}.record`));
}

function entriesOf(bytes: Buffer): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at < bytes.length; ) {
    const what = (['', 'write', 'truncate', 'sync', 'remove'] as const)[bytes.readUInt32LE(at)];
    if (!what) throw new Error(`the record is broken at byte ${at}`);
    const nameLength = bytes.readUInt32LE(at + 4);
    const offset = Number(bytes.readBigUInt64LE(at + 8));
    const length = Number(bytes.readBigUInt64LE(at + 16));
    at += 24;
    const file = bytes.toString('utf8', at, at + nameLength);
    at += nameLength;
    const data = bytes.subarray(at, at + (what === 'write' ? length : 0));
    at += data.length;
    entries.push({ what, file, offset, length, data });
  }
  return entries;
}

/** A file as the disk has it. */
function apply(content: Buffer, { what, offset, length, data }: Entry): Buffer {
  if (what === 'sync') return content;
  const size = what === 'truncate' ? length : Math.max(content.length, offset + data.length);
  const next = Buffer.alloc(size);
  content.copy(next, 0, 0, Math.min(content.length, size));
  if (what === 'write') data.copy(next, offset);
  return next;
}

/** What the disk may do with writes that no sync has followed. */
type Fate = (entry: Entry, isLast: boolean) => Entry | null;

function diskAfter(entries: readonly Entry[], fate: Fate): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  let pending: Entry[] = [];
  const keep = (entry: Entry) => {
    if (entry.what === 'remove') files.delete(entry.file);
    else files.set(entry.file, apply(files.get(entry.file) ?? Buffer.alloc(0), entry));
  };
  for (const entry of entries) {
    pending.push(entry);
    if (entry.what !== 'sync') continue;
    // A file's sync keeps what was written to it; the directory's keeps which files there are.
    const isKept = ({ what, file }: Entry) =>
      entry.file === '' ? what === 'remove' : what !== 'remove' && file === entry.file;
    for (const one of pending.filter(isKept)) keep(one);
    pending = pending.filter((one) => !isKept(one));
  }
  const last = entries.at(-1);
  for (const entry of pending) {
    const survived = entry.what === 'sync' ? null : fate(entry, entry === last);
    if (survived) keep(survived);
  }
  return files;
}

/** mulberry32: the same cuts in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const chance = seeded(2013);
const torn = (entry: Entry): Entry => {
  if (entry.what !== 'write') return entry;
  const kept = SECTOR * Math.floor(chance() * (entry.data.length / SECTOR));
  return { ...entry, data: entry.data.subarray(0, kept), length: kept };
};
const fates: Record<string, Fate> = {
  nothing: () => null,
  everything: (entry) => entry,
  some: (entry) => (chance() < 0.5 ? entry : null),
  torn: (entry, isLast) => (isLast ? torn(entry) : chance() < 0.8 ? entry : null),
};

/** What was acknowledged when the power went, and what the database says after it came back. */
function cut(entries: readonly Entry[], fate: Fate): { said: number; found: number[] } {
  const said = entries.filter(({ file, what }) => file === 'said' && what === 'write').length;
  const disk = diskAfter(entries, fate);
  const place = mkdtempSync('/dev/shm/bh-cut-'); // thousands of small databases: in memory
  for (const [file, content] of disk)
    if (file.startsWith('people.db')) writeFileSync(join(place, file), content);
  const database = new DatabaseSync(join(place, 'people.db'));
  try {
    expect(database.prepare('PRAGMA integrity_check').get()?.integrity_check).toBe('ok');
    const exists = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'progress'").get();
    const rows = exists
      ? database.prepare('SELECT step FROM progress ORDER BY done_at, CAST(step AS INT)').all()
      : [];
    return { said, found: rows.map(({ step }) => Number(step)).sort((a, b) => a - b) };
  } finally {
    database.close();
    rmSync(place, { recursive: true });
  }
}

test(
  'whatever was acknowledged is there after a power cut at any moment',
  () => {
    const entries = record('power');
    const names = new Set(entries.map(({ file }) => file));
    expect([...names]).toEqual(expect.arrayContaining(['people.db', 'people.db-wal', 'said']));
    let cuts = 0;
    for (let moment = 1; moment <= entries.length; moment++) {
      for (const [name, fate] of Object.entries(fates)) {
        const { said, found } = cut(entries.slice(0, moment), fate);
        // Everything that was said, perhaps the one that was being saved, and no gap.
        expect(found, `${name} survives, after operation ${moment}`).toEqual(found.map((_, index) => index));
        expect(found.length, `${name} survives, after operation ${moment}`).toBeGreaterThanOrEqual(said);
        expect(found.length).toBeLessThanOrEqual(said + 1);
        cuts += 1;
      }
    }
    expect(cuts).toBeGreaterThan(500);
  },
  patiently(120_000),
);

test('the same cuts do take the last commits of a database that only has to survive its process', () => {
  const entries = record('process');
  const lost = entries.map((_, moment) => {
    const { said, found } = cut(entries.slice(0, moment + 1), fates.nothing as Fate);
    return said - found.length;
  });
  expect(Math.max(...lost)).toBeGreaterThan(0);
});
