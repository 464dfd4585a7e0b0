// Puts a compressed copy beside every file that gains by it, so that a server has nothing to do but to choose: brotli for those
// who take it, gzip where a page comes without TLS.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { AstroIntegration } from 'astro';

const GAIN = new Set(['.html', '.js', '.css', '.svg', '.wasm', '.json', '.xml', '.txt', '.cast']);
/** A packet has room for this much anyway. */
const LEAST_BYTES = 1_400;
/** Eleven takes ten times as long for a twentieth less. */
const BROTLI_QUALITY = 9;

const forms = {
  '.br': (bytes: Buffer) =>
    promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } }),
  '.gz': (bytes: Buffer) => promisify(gzip)(bytes, { level: 9 }),
};

/** Compresses what is in `dist` and worth it. */
export async function compress(dist: string): Promise<void> {
  const files = readdirSync(dist, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && GAIN.has(extname(entry.name)))
    .map((entry) => join(entry.parentPath, entry.name));
  await Promise.all(
    files.map(async (file) => {
      const bytes = readFileSync(file);
      if (bytes.length < LEAST_BYTES) return;
      for (const [ending, pack] of Object.entries(forms)) writeFileSync(file + ending, await pack(bytes));
    }),
  );
}

/** To be the last: whatever is written after it is not compressed, or not as it is. */
export function compressed(): AstroIntegration {
  return {
    name: 'bulkhead:compress',
    hooks: { 'astro:build:done': ({ dir }) => compress(fileURLToPath(dir)) },
  };
}
