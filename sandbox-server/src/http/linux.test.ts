import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestServer } from '../testing/test-server.ts';

const FIRST = '0123456789abcdef';
const SECOND = 'fedcba9876543210';

const server = new TestServer({
  'sw.js': '1',
  'assets/worker.BYXUblem.js': '2',
  'assets/large.BYXUblem.js': 'as it is',
  'assets/large.BYXUblem.js.br': brotliCompressSync('as it is'),
});
const { directory } = server;

/** As `labs/images/build` does: made beside, and put in place by a rename. */
function putImage(content: string, piece: string): void {
  const made = join(directory, content);
  for (const folder of ['state', 'disk']) mkdirSync(join(made, folder), { recursive: true });
  writeFileSync(join(made, 'image.json'), JSON.stringify({ name: 'tab', content }));
  writeFileSync(join(made, 'state/00.bin'), 'memory');
  writeFileSync(join(made, 'disk/0007.bin'), piece);
  rmSync(join(directory, 'tab'), { recursive: true, force: true });
  renameSync(made, join(directory, 'tab'));
}

beforeAll(() => server.open(['--linux', join(directory, 'tab')]));
afterAll(() => server.close());

const ask = (path: string, headers: Record<string, string> = {}) =>
  fetch(server.url + path, { headers: { 'accept-encoding': 'identity', ...headers } });

describe('the Linux for the tab', () => {
  test('is said not to be built until it is, and then is there without a restart', async () => {
    const early = await ask('/linux/image.json');
    expect(early.status).toBe(503);
    expect(early.headers.get('retry-after')).toBe('60');
    expect(await early.json()).toMatchObject({ error: { code: 'not_built' } });
    expect((await ask(`/linux/${FIRST}/state/00.bin`)).status).toBe(404);

    putImage(FIRST, 'a piece');
    const described = await ask('/linux/image.json');
    expect(await described.json()).toMatchObject({ content: FIRST });
    expect(described.headers.get('cache-control')).toBe('no-cache');
    const piece = await ask(`/linux/${FIRST}/disk/0007.bin`);
    expect(await piece.text()).toBe('a piece');
    expect(piece.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(piece.headers.get('content-security-policy')).toMatch(/^default-src 'none'/);
    expect(piece.headers.get('content-encoding')).toBeNull();
  });

  test('can be fetched in ranges', async () => {
    const part = await ask(`/linux/${FIRST}/disk/0007.bin`, { range: 'bytes=2-4' });
    expect([part.status, await part.text()]).toEqual([206, 'pie']);
  });

  test('gives nothing but its own files', async () => {
    for (const path of [`${FIRST}/disk/0008.bin`, `${FIRST}/disk/..%2fimage.json`, '../state/secret'])
      expect((await ask(`/linux/${path}`)).status, path).toBe(404);
    expect((await ask(`/linux/${FIRST}/disk/%2e%2e%2f%2e%2e%2fstate%2fsecret`)).status).toBe(404);
  });

  test('never mixes two builds: what a page of the old one asks for is gone', async () => {
    putImage(SECOND, 'another piece');
    expect((await ask(`/linux/${FIRST}/disk/0007.bin`)).status).toBe(404);
    expect(await (await ask(`/linux/${SECOND}/disk/0007.bin`)).text()).toBe('another piece');
  });
});

describe('what scripts may do', () => {
  const policyOf = async (path: string) => (await ask(path)).headers.get('content-security-policy');

  test('only the emulator compiles WebAssembly', async () => {
    expect(await policyOf('/assets/worker.BYXUblem.js')).toContain("script-src 'self' 'wasm-unsafe-eval'");
    for (const path of ['/', '/sw.js', '/assets/large.BYXUblem.js'])
      expect(await policyOf(path), path).not.toContain('wasm');
    expect(await policyOf('/sw.js')).toContain("connect-src 'self'");
  });

  test('a file that was compressed when it was built is sent so to whoever takes it', async () => {
    const packed = await ask('/assets/large.BYXUblem.js', { 'accept-encoding': 'br' });
    expect(packed.headers.get('content-encoding')).toBe('br');
    expect(packed.headers.get('content-type')).toMatch(/javascript/);
    expect(packed.headers.get('cache-control')).toContain('immutable');
    expect(packed.headers.get('vary')).toMatch(/accept-encoding/i);
    expect(await packed.text()).toBe('as it is');
    expect((await ask('/assets/large.BYXUblem.js')).headers.get('content-encoding')).toBeNull();
  });
});
