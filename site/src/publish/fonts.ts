// The site's own type for pictures that are drawn while it is built. The drawing library takes fonts from fontconfig, and those
// unpacked; npm has them packed as WOFF 1.0 (W3C recommendation, 2012), whose tables are zlib streams.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';

const require = createRequire(import.meta.url);
const faces = [
  '@fontsource/ibm-plex-serif/files/ibm-plex-serif-latin-600-normal.woff',
  '@fontsource/ibm-plex-sans/files/ibm-plex-sans-latin-400-normal.woff',
  '@fontsource/ibm-plex-sans/files/ibm-plex-sans-latin-600-normal.woff',
];

/** Puts the faces below `folder` and tells fontconfig of them alone. Must come before the drawing library is loaded. */
export function provideFonts(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const face of faces) {
    const name = face.split('/').at(-1) ?? face;
    writeFileSync(
      join(folder, name.replace(/woff$/, 'ttf')),
      unpackWoff(readFileSync(require.resolve(face))),
    );
  }
  const file = join(folder, 'fonts.conf');
  writeFileSync(
    file,
    `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>${folder}</dir><cachedir>${folder}/cache</cachedir></fontconfig>\n`,
  );
  process.env.FONTCONFIG_FILE = file;
}

/** An OpenType font from its WOFF. Throws Error for what is none. */
export function unpackWoff(woff: Buffer): Buffer {
  if (woff.toString('latin1', 0, 4) !== 'wOFF') throw new Error('not a WOFF 1.0 file');
  const count = woff.readUInt16BE(12);
  const head = Buffer.alloc(12 + 16 * count);
  woff.copy(head, 0, 4, 8);
  head.writeUInt16BE(count, 4);
  // What a reader once needed for a binary search in the directory of tables.
  const power = Math.floor(Math.log2(count));
  head.writeUInt16BE(16 * 2 ** power, 6);
  head.writeUInt16BE(power, 8);
  head.writeUInt16BE(16 * (count - 2 ** power), 10);
  const parts: Uint8Array[] = [head];
  let at = head.length;
  for (let index = 0; index < count; index++) {
    const entry = 44 + 20 * index;
    const [from, packed, length] = [4, 8, 12].map((offset) => woff.readUInt32BE(entry + offset)) as [
      number,
      number,
      number,
    ];
    const bytes = woff.subarray(from, from + packed);
    const target = 12 + 16 * index;
    woff.copy(head, target, entry, entry + 4); // tag
    woff.copy(head, target + 4, entry + 16, entry + 20); // checksum
    head.writeUInt32BE(at, target + 8);
    head.writeUInt32BE(length, target + 12);
    const padding = Buffer.alloc((4 - (length % 4)) % 4);
    parts.push(packed < length ? inflateSync(bytes) : bytes, padding);
    at += length + padding.length;
  }
  return Buffer.concat(parts);
}
