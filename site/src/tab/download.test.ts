import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { fetchImage, TabError, TabFiles } from './download.ts';
import { pieceFile, statePart, type TabImage } from './image.ts';

const CONTENT = '0123456789abcdef';
const memory = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7919) % 251));
const packed = gzipSync(memory);
const PARTS = 3;
const PART = Math.ceil(packed.length / PARTS);
const piece = gzipSync('a piece of the disk');
const image: TabImage = {
  name: 'tab',
  digest: 'd',
  content: CONTENT,
  v86: '1.0',
  release: '6.1',
  built: '2026-01-01T00:00:00.000Z',
  memoryBytes: 1 << 20,
  state: { bytes: memory.length, packedBytes: packed.length, parts: PARTS },
  disk: { bytes: 19, packedBytes: piece.length, pieceBytes: 19 },
  prepared: [],
  packages: [],
};

/** The browser's caches, as far as they are used. */
class FakeCaches {
  readonly stores = new Map<string, Map<string, Uint8Array<ArrayBuffer>>>();
  /** Thrown by what would keep something. */
  refusal: Error | null = null;

  async open(name: string) {
    const store = this.stores.get(name) ?? new Map<string, Uint8Array<ArrayBuffer>>();
    this.stores.set(name, store);
    return {
      match: async (url: string) => (store.has(url) ? new Response(store.get(url)) : undefined),
      put: async (url: string, answer: Response) => {
        if (this.refusal) throw this.refusal;
        store.set(url, new Uint8Array(await answer.arrayBuffer()));
      },
      delete: async (url: string) => store.delete(url),
      keys: async () => [...store.keys()].map((url) => ({ url })),
    };
  }
  async keys() {
    return [...this.stores.keys()];
  }
  async delete(name: string) {
    return this.stores.delete(name);
  }
}

let server: Server;
let base: string;
let files: Map<string, Uint8Array>;
let asked: string[];
let caches: FakeCaches;

beforeEach(async () => {
  files = new Map<string, Uint8Array>([['image.json', Buffer.from(JSON.stringify(image))]]);
  for (let index = 0; index < PARTS; index++)
    files.set(`${CONTENT}/${statePart(index)}`, packed.subarray(index * PART, (index + 1) * PART));
  files.set(`${CONTENT}/${pieceFile(0)}`, piece);
  asked = [];
  server = createServer((request, response) => {
    const path = (request.url ?? '').slice('/linux/'.length);
    asked.push(path);
    const bytes = files.get(path);
    response.writeHead(bytes ? 200 : 404).end(bytes);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/linux/`;
  caches = new FakeCaches();
  vi.stubGlobal('caches', caches);
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
  server.closeAllConnections();
  server.close();
});

const sentence = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof TabError)) throw new Error(`expected a sentence, got ${String(error)}`);
  return error.message;
};

describe('a machine that is fetched', () => {
  test('arrives whole, with its progress told, and a second time from the browser alone', async () => {
    const told: number[] = [];
    const state = await new TabFiles(base, image).state({ progress: (bytes) => told.push(bytes) });
    expect(Buffer.from(state).equals(memory)).toBe(true);
    expect(told.at(-1)).toBe(packed.length);
    asked = [];
    const again = await new TabFiles(base, image).state();
    expect(Buffer.from(again).equals(memory)).toBe(true);
    expect(asked).toEqual([]);
  });

  test('goes on where its download was cut off', async () => {
    const last = `${CONTENT}/${statePart(PARTS - 1)}`;
    const cut = new TabFiles(base, image);
    const real = globalThis.fetch;
    vi.stubGlobal('fetch', (url: string, init: RequestInit) =>
      url.endsWith(last) ? Promise.reject(new TypeError('network')) : real(url, init),
    );
    vi.useFakeTimers({ toFake: ['setTimeout'] }); // it tries again, after pauses
    let over = false;
    const said = sentence(cut.state()).finally(() => {
      over = true;
    });
    while (!over) await vi.advanceTimersByTimeAsync(1_000);
    expect(await said).toMatch(
      /^The download was cut off at 0\.\d of 0\.\d MB\. .* it goes on from there\.$/,
    );
    vi.useRealTimers();
    vi.stubGlobal('fetch', real);
    asked = [];
    await new TabFiles(base, image).state();
    expect(asked).toEqual([last]);
  });

  test('is refused when it is not what was sent, and nothing of it is kept', async () => {
    const first = `${CONTENT}/${statePart(0)}`;
    const right = files.get(first) as Uint8Array;
    files.set(first, Buffer.from('<html>Please log in to this network</html>'));
    expect(await sentence(new TabFiles(base, image).state())).toMatch(/What was fetched is not the machine/);
    files.set(first, right);
    expect(Buffer.from(await new TabFiles(base, image).state()).equals(memory)).toBe(true);
  });

  test('of another version of the emulator is refused in a sentence', async () => {
    expect(await sentence(fetchImage(base, '2.0'))).toMatch(
      /^The machine was saved by version 1\.0 of the emulator and this page has 2\.0:/,
    );
  });

  test('whose site has a newer one by now says so', async () => {
    files.delete(`${CONTENT}/${pieceFile(0)}`);
    expect(await sentence(new TabFiles(base, image).piece(0))).toMatch(/The site has another machine/);
  });

  test('that is not there, or not yet, is told from one that is out of reach', async () => {
    files.delete('image.json');
    expect(await sentence(fetchImage(base, '1.0'))).toBe('This site has no machine for the tab.');
    server.removeAllListeners('request');
    server.on('request', (_request, response) => response.writeHead(503).end());
    expect(await sentence(fetchImage(base, '1.0'))).toMatch(/not built yet/);
  });

  test('needs no network once it is kept', async () => {
    await fetchImage(base, '1.0');
    expect(await new TabFiles(base, image).keepAll()).toBe(true);
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('network')));
    expect(await fetchImage(base, '1.0')).toEqual(image);
    const kept = new TabFiles(base, image);
    expect(Buffer.from(await kept.state()).equals(memory)).toBe(true);
    expect(Buffer.from(await kept.piece(0)).toString()).toBe('a piece of the disk');
  });

  test('works in a browser that is full or keeps nothing, which is said once', async () => {
    const full = new TabFiles(base, image);
    const said: string[] = [];
    full.shelf.onrefusal = (text) => said.push(text);
    caches.refusal = new DOMException('no room', 'QuotaExceededError');
    expect(Buffer.from(await full.state()).equals(memory)).toBe(true);
    expect(await full.keepAll()).toBe(false);
    expect(said).toEqual([expect.stringContaining('storage is full')]);

    vi.stubGlobal('caches', undefined);
    const blocked = new TabFiles(base, image);
    blocked.shelf.onrefusal = (text) => said.push(text);
    expect(Buffer.from(await blocked.state()).equals(memory)).toBe(true);
    expect(said).toHaveLength(2);
    expect(said[1]).toContain('keeps nothing for this site');
  });

  test('takes the place of the one from before', async () => {
    await new TabFiles(base, { ...image, content: 'fedcba9876543210' }).shelf.keep('u', new Uint8Array(1));
    await new TabFiles(base, image).state();
    expect([...caches.stores.keys()]).toEqual([`bulkhead-linux-${CONTENT}`]);
  });
});
