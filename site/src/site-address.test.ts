import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { isStatic, siteAddress } from './site-address.ts';

const pageAt = (baseURI: string, root?: string) =>
  vi.stubGlobal('document', { baseURI, documentElement: { dataset: root === undefined ? {} : { root } } });
afterEach(() => vi.unstubAllGlobals());

test('a site on a server is at the root of its host', () => {
  pageAt('https://example.org/labs/one/');
  expect(siteAddress('/linux/image.json')).toBe('/linux/image.json');
  expect(isStatic()).toBe(false);
});

test('a site in a folder of a web host is found from every page of it', () => {
  pageAt('https://example.org/people/ada/labs/one/', '../../');
  expect(siteAddress('/linux/')).toBe('https://example.org/people/ada/linux/');
  expect(siteAddress('/')).toBe('https://example.org/people/ada/');
  expect(isStatic()).toBe(true);
});

test('no component has a link that only works at the root of a host', () => {
  const below = (folder: string): string[] =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? below(join(folder, entry.name)) : [join(folder, entry.name)],
    );
  const links = below(import.meta.dirname)
    .filter((file) => file.endsWith('.svelte'))
    .flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/\b(?:href|src)=(?:"\/|\{[`']\/)[^\s>]*/g)].map(
        ([link]) => `${file.slice(import.meta.dirname.length + 1)}: ${link}`,
      ),
    );
  expect(links, 'write href={siteAddress(…)} with site-address.ts').toEqual([]);
});
