// Writes sw.js: the service worker, with the version and the list of what was built.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AstroIntegration } from 'astro';

export const WORKER_FILE = 'sw.js';
const SOURCE = fileURLToPath(new URL('service-worker.ts', import.meta.url));

/** Lines before the source. */
const CONSTANTS = 2;

/** What is for others than readers (cards, feeds), or is there in another form. */
const LEFT_OUT = /\.(png|xml|txt|map|br|gz)$|^404\.html$|^sw\.js$/;
/** A file above this is fetched when it is needed: an editor, and not a page. The emulator is. */
const LARGE_BYTES = 1_000_000;
const EMULATOR = /^assets\/v86\..*\.wasm$/;

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/** Writes the service worker of the site that was built into `dist`; again, when what was built has been changed. */
export function writeServiceWorker(dist: string): void {
  const target = join(dist, WORKER_FILE);
  const source = existsSync(target)
    ? readFileSync(target, 'utf8').split('\n').slice(CONSTANTS).join('\n')
    : stripTypeScriptTypes(readFileSync(SOURCE, 'utf8'));
  const version = createHash('sha256');
  const files = [];
  for (const file of filesBelow(dist)) {
    if (LEFT_OUT.test(file)) continue;
    if (statSync(join(dist, file)).size > LARGE_BYTES && !EMULATOR.test(file)) continue;
    version.update(`\0${file}\0`).update(readFileSync(join(dist, file)));
    files.push(file.replace(/(^|\/)index\.html$/, '$1'));
  }
  version.update(source);
  const constants = { VERSION: version.digest('hex').slice(0, 16), FILES: files };
  const text = Object.entries(constants).map(([name, value]) => `const ${name} = ${JSON.stringify(value)};`);
  writeFileSync(target, [...text, source].join('\n'));
}

export function offline(): AstroIntegration {
  return {
    name: 'bulkhead:offline',
    hooks: {
      'astro:build:done': ({ dir }) => writeServiceWorker(fileURLToPath(dir)),
    },
  };
}
