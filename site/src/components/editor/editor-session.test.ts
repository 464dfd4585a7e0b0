import type { FilePart, WriteFile } from '@bulkhead/sandbox-server/protocol';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { RequestFailed } from '../sandbox/api.ts';
import { type DraftStorage, Drafts } from './drafts.ts';
import { EditorSession, isUnsaved } from './editor-session.ts';
import type { MachineFiles } from './machine-files.ts';

/** A machine with files in memory, which a terminal may change meanwhile. */
class Machine implements MachineFiles {
  readonly bytes = new Map<string, Buffer>();
  mode = 0o644;
  broken = '';
  /** What a terminal does in the last moment. */
  beforeWrite = () => {};
  #look = () => {};

  put(path: string, text: string | Uint8Array): void {
    this.bytes.set(path, Buffer.from(text as string));
  }

  text(path: string): string | undefined {
    return this.bytes.get(path)?.toString();
  }

  stir(): void {
    this.#look();
  }

  async list() {
    return { entries: [], more: false };
  }

  async read(path: string): Promise<FilePart> {
    if (this.broken) throw new RequestFailed({ code: 'unreachable', message: this.broken, retryAt: null });
    const bytes = this.bytes.get(path);
    if (!bytes) throw new RequestFailed({ code: 'not_found', message: `No ${path}.`, retryAt: null });
    const part = bytes.subarray(0, 262_144);
    const more = part.length < bytes.length;
    return { size: bytes.length, mode: this.mode, modifiedAt: 0, content: part.toString('base64'), more };
  }

  async write({ path, content, was }: WriteFile): Promise<void> {
    if (this.broken) throw new RequestFailed({ code: 'unreachable', message: this.broken, retryAt: null });
    this.beforeWrite();
    const there = this.bytes.get(path)?.toString('base64') ?? null;
    if (was !== undefined && was !== there)
      throw new RequestFailed({ code: 'conflict', message: `${path} has changed.`, retryAt: null });
    this.bytes.set(path, Buffer.from(content, 'base64'));
  }

  watch(look: () => void): () => void {
    this.#look = look;
    return () => {
      this.#look = () => {};
    };
  }
}

class Memory implements DraftStorage {
  readonly #items = new Map<string, string>();
  full = false;
  get length() {
    return this.#items.size;
  }
  key = (index: number) => [...this.#items.keys()][index] ?? null;
  getItem = (key: string) => this.#items.get(key) ?? null;
  removeItem = (key: string) => void this.#items.delete(key);
  setItem(key: string, value: string): void {
    if (this.full) throw new Error('QuotaExceededError');
    this.#items.set(key, value);
  }
}

const path = '/root/box.c';
let machine: Machine;
let storage: Memory;
let session: EditorSession;
const openSession = () => new EditorSession(machine, new Drafts('lab/box', () => storage));
const shown = () => {
  if (!session.shown) throw new Error('no file is shown');
  return session.shown;
};

beforeEach(async () => {
  machine = new Machine();
  storage = new Memory();
  machine.put(path, 'one\ntwo\n');
  session = openSession();
  await session.open(path);
});

describe('a file in the editor', () => {
  it('is as in the machine, and goes there when it is saved', async () => {
    expect(shown()).toMatchObject({ phase: 'open', text: 'one\ntwo\n', conflict: null });
    session.edit(path, 'one\n2\n');
    expect(isUnsaved(shown())).toBe(true);
    expect(await session.save(path)).toBe(true);
    expect(machine.text(path)).toBe('one\n2\n');
    expect(isUnsaved(shown())).toBe(false);
  });

  it('that is not there yet is made by saving', async () => {
    await session.open('/root/new.c');
    expect(shown()).toMatchObject({ text: '', saved: null, notice: expect.stringContaining('no such file') });
    session.edit('/root/new.c', 'x');
    expect(await session.save('/root/new.c')).toBe(true);
    expect(machine.text('/root/new.c')).toBe('x');
  });

  it('that comes after it was opened is shown as it came', async () => {
    vi.useFakeTimers();
    await session.open('/root/late.c');
    expect(isUnsaved(shown())).toBe(false);
    machine.put('/root/late.c', 'of the lab\n');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(shown()).toMatchObject({
      text: 'of the lab\n',
      saved: 'of the lab\n',
      conflict: null,
      notice: null,
    });
    vi.useRealTimers();
  });

  it('keeps its ends of lines', async () => {
    machine.put('/crlf', 'a\r\nb\r\n');
    await session.open('/crlf');
    expect(shown().text).toBe('a\nb\n');
    session.edit('/crlf', 'a\nb\nc\n');
    await session.save('/crlf');
    expect(machine.text('/crlf')).toBe('a\r\nb\r\nc\r\n');
  });

  it.each([
    ['binary', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0xff]), /no text in UTF-8/],
    ['with zero bytes', 'a\0b', /no text in UTF-8/],
    ['too large', 'x'.repeat(300_000), /293 KiB, and the editor takes 256/],
  ])('that is %s is not shown, and said to be so', async (_, content, words) => {
    machine.put('/odd', content);
    await session.open('/odd');
    expect(shown()).toMatchObject({ phase: 'refused', problem: expect.stringMatching(words) });
  });

  it.each([
    ['whose mode lets nobody write', 'a\n', 0o444, /lets nobody write/],
    ['with several ends of lines', 'a\r\nb\n', 0o644, /end in several ways/],
  ])('%s is read only', async (_, content, mode, words) => {
    machine.put('/odd', content);
    machine.mode = mode;
    await session.open('/odd');
    expect(shown().readOnly).toMatch(words);
    session.edit('/odd', 'changed');
    expect(shown().text).toBe(content);
  });

  it('says what is wrong when the machine does not answer, and keeps the text', async () => {
    session.edit(path, 'mine');
    machine.broken = 'No sandbox server answers at this address.';
    expect(await session.save(path)).toBe(false);
    expect(shown()).toMatchObject({ phase: 'open', text: 'mine', problem: machine.broken });
  });
});

describe('a change in the terminal', () => {
  it('is shown at once where nothing was typed here', async () => {
    machine.put(path, 'three\n');
    await session.look();
    expect(shown()).toMatchObject({
      text: 'three\n',
      conflict: null,
      notice: expect.stringContaining('changed in the machine'),
    });
  });

  it('is never overwritten by saving', async () => {
    session.edit(path, 'mine\n');
    machine.put(path, 'theirs\n');
    expect(await session.save(path)).toBe(false);
    expect(machine.text(path)).toBe('theirs\n');
    expect(shown()).toMatchObject({ text: 'mine\n', conflict: { theirs: 'theirs\n' } });
  });

  it('is not overwritten even when it comes in the moment of saving', async () => {
    session.edit(path, 'mine\n');
    machine.beforeWrite = () => machine.put(path, 'in between\n');
    expect(await session.save(path)).toBe(false);
    expect(machine.text(path)).toBe('in between\n');
    expect(shown()).toMatchObject({ text: 'mine\n', conflict: { theirs: 'in between\n' } });
  });

  it('that made the file meanwhile is not overwritten by one that was not there', async () => {
    await session.open('/root/new.c');
    session.edit('/root/new.c', 'mine');
    machine.put('/root/new.c', 'theirs');
    expect(await session.save('/root/new.c')).toBe(false);
    expect(shown()).toMatchObject({ text: 'mine', conflict: { theirs: 'theirs' } });
  });

  it('that is only of its ends of lines is kept by saving', async () => {
    session.edit(path, 'one\n2\n');
    machine.put(path, 'one\r\ntwo\r\n');
    expect(await session.save(path)).toBe(true);
    expect(machine.text(path)).toBe('one\r\n2\r\n');
  });

  it('may be overwritten when the learner says so, and only what was shown', async () => {
    session.edit(path, 'mine\n');
    machine.put(path, 'theirs\n');
    await session.look();
    machine.put(path, 'theirs again\n');
    await session.resolve(path, 'mine');
    expect(machine.text(path)).toBe('theirs again\n');
    expect(shown().conflict).toEqual({ theirs: 'theirs again\n' });
    await session.resolve(path, 'mine');
    expect(machine.text(path)).toBe('mine\n');
    expect(isUnsaved(shown())).toBe(false);
  });

  it('may be taken', async () => {
    session.edit(path, 'mine\n');
    machine.put(path, 'theirs\n');
    await session.look();
    await session.resolve(path, 'theirs');
    expect(shown()).toMatchObject({ text: 'theirs\n', saved: 'theirs\n', conflict: null });
  });

  it('may be kept beside, over no other file', async () => {
    machine.put(`${path}.mine`, 'of last time\n');
    session.edit(path, 'mine\n');
    machine.put(path, 'theirs\n');
    await session.look();
    await session.resolve(path, 'both');
    expect(machine.text(path)).toBe('theirs\n');
    expect(machine.text(`${path}.mine`)).toBe('of last time\n');
    expect(machine.text(`${path}.mine-2`)).toBe('mine\n');
    expect(shown()).toMatchObject({ text: 'theirs\n', notice: expect.stringContaining('.mine-2') });
  });

  it('that comes to the same text is no conflict', async () => {
    session.edit(path, 'same\n');
    machine.put(path, 'same\n');
    await session.look();
    expect(shown()).toMatchObject({ conflict: null, saved: 'same\n' });
  });

  it('that removes the file leaves its text here', async () => {
    machine.bytes.delete(path);
    await session.look();
    expect(shown()).toMatchObject({
      text: 'one\ntwo\n',
      saved: null,
      notice: expect.stringContaining('gone'),
    });
    expect(await session.save(path)).toBe(true);
    expect(machine.text(path)).toBe('one\ntwo\n');
  });
});

describe('text that was not saved', () => {
  const reload = async () => {
    session.dispose();
    session = openSession();
    await session.open(path);
  };

  it('survives a reload', async () => {
    session.edit(path, 'mine\n');
    await reload();
    expect(shown()).toMatchObject({
      text: 'mine\n',
      conflict: null,
      notice: expect.stringContaining('not saved'),
    });
    expect(isUnsaved(shown())).toBe(true);
  });

  it('survives a reload during which the file changed, as one of two versions', async () => {
    session.edit(path, 'mine\n');
    machine.put(path, 'theirs\n');
    await reload();
    expect(shown()).toMatchObject({ text: 'mine\n', conflict: { theirs: 'theirs\n' } });
  });

  it('survives a machine that does not answer', async () => {
    session.edit(path, 'mine\n');
    machine.broken = 'No answer within 10 seconds.';
    await reload();
    expect(shown()).toMatchObject({ text: 'mine\n', problem: machine.broken });
  });

  it('is forgotten once it is in the machine', async () => {
    session.edit(path, 'mine\n');
    await session.save(path);
    machine.put(path, 'later\n');
    await reload();
    expect(shown()).toMatchObject({ text: 'later\n', conflict: null });
  });

  it('is said to be in danger where the browser keeps nothing', () => {
    storage.full = true;
    session.edit(path, 'mine\n');
    expect(session.view.keeps).toBe(false);
  });
});
