// The site in a second language, in a folder of somebody's web host: that no address and no word of the frame is built in.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { patiently } from '../patience.ts';

const ROOT = join(import.meta.dirname, '../..');
const RESULTS = join(ROOT, 'tests/results');
mkdirSync(RESULTS, { recursive: true });
/** Within the tree, so that packages are found from it; Node takes no TypeScript from below node_modules. */
const copy = mkdtempSync(join(RESULTS, 'second-language-'));
afterAll(() => rmSync(copy, { recursive: true, force: true }));

const site = join(copy, 'site');
const page = (path: string) => readFileSync(join(site, 'dist', path, 'index.html'), 'utf8');
const build = () =>
  spawnSync(process.execPath, [join(ROOT, 'node_modules/astro/bin/astro.mjs'), 'build'], {
    cwd: site,
    env: {
      ...process.env,
      ASTRO_TELEMETRY_DISABLED: '1',
      NO_COLOR: '1',
      BULKHEAD_SITE_URL: 'https://example.org/people/ada/',
    },
    encoding: 'utf8',
  });

beforeAll(() => {
  // Of the essays two are enough: what is asked here is whether the frame around them speaks.
  const kept = /^(about|further-reading|history(\/bazaar)?|concepts(\/what-is-divided)?)(\.mdx)?$/;
  const docs = join(ROOT, 'site/src/content/docs/');
  cpSync(join(ROOT, 'site'), site, {
    recursive: true,
    filter: (from) =>
      !/\/site\/(dist|node_modules|\.astro)(\/|$)/.test(from) &&
      (!from.startsWith(docs) || kept.test(from.slice(docs.length))),
  });
  for (const name of ['native', 'labs', 'sandbox-server', 'tsconfig.json'])
    symlinkSync(join(ROOT, name), join(copy, name));
});

const words = (): Record<string, string> =>
  JSON.parse(readFileSync(join(site, 'src/content/i18n/en.json'), 'utf8'));
type Change = (words: Record<string, string>) => void;
/** Makes a German of all words, changed: those of the frame, and those of terminals, which browsers draw. */
const translate = (change: Change, changeLive: Change = () => {}): void => {
  const german: Record<string, string> = {
    ...words(),
    'bulkhead.language': 'Deutsch',
    'bulkhead.nav.history': 'Geschichte',
  };
  change(german);
  writeFileSync(join(site, 'src/content/i18n/de.json'), JSON.stringify(german));
  const live = join(site, 'src/content/live');
  cpSync(join(live, 'en'), join(live, 'de'), { recursive: true });
  const terminal = JSON.parse(readFileSync(join(live, 'en/terminal.json'), 'utf8'));
  terminal['terminal.connecting'] = 'Das Terminal wird verbunden…';
  changeLive(terminal);
  writeFileSync(join(live, 'de/terminal.json'), JSON.stringify(terminal));
};

test(
  'builds beside the first, speaks it in the frame, and names its pages in full',
  () => {
    const config = join(site, 'astro.config.mjs');
    // The essays that were left out are not in the rail either.
    writeFileSync(
      config,
      readFileSync(config, 'utf8').replace(/'(?:history|concepts)\/(?!bazaar|what-is-divided)[a-z-]+',/g, ''),
    );
    translate(() => {});
    mkdirSync(join(site, 'src/content/docs/de'), { recursive: true });
    writeFileSync(
      join(site, 'src/content/docs/de/about.mdx'),
      '---\ntitle: Über Bulkhead\ndescription: Was hier zu sehen ist.\n---\n\nWände in einem Rechner.\n',
    );
    const { status, stdout, stderr } = build();
    expect(status, stdout + stderr).toBe(0);

    const german = page('de/about');
    expect(german).toMatch(/<html lang="de" dir="ltr"/);
    expect(german).toContain('Geschichte');
    expect(german).toContain('<title>Über Bulkhead · Bulkhead</title>');
    const scripts = readdirSync(join(site, 'dist/assets')).filter((file) => file.endsWith('.js'));
    const said = scripts.map((file) => readFileSync(join(site, 'dist/assets', file), 'utf8'));
    expect(said.some((code) => code.includes('Das Terminal wird verbunden'))).toBe(true);
    expect(german).toContain('<link rel="canonical" href="https://example.org/people/ada/de/about/">');
    expect(german).toContain('content="https://example.org/people/ada/cards/de-about.png"');
    expect(page('about')).toMatch(/<html lang="en" dir="ltr"/);
    expect(page('about')).not.toContain('Geschichte');

    const index = readFileSync(join(site, 'dist/sitemap-index.xml'), 'utf8');
    expect(index).toContain('<loc>https://example.org/people/ada/sitemap-0.xml</loc>');
    const sitemap = readFileSync(join(site, 'dist/sitemap-0.xml'), 'utf8');
    expect(sitemap).toContain('<loc>https://example.org/people/ada/de/about/</loc>');
    expect(readFileSync(join(site, 'dist/robots.txt'), 'utf8')).toContain(
      'Sitemap: https://example.org/people/ada/',
    );
    expect(existsSync(join(site, 'dist/cards/de-about.png'))).toBe(true);
    expect(
      readdirSync(join(site, 'dist/pagefind')).filter((file) => /^wasm\.(en|de)\./.test(file)),
    ).toHaveLength(2);
  },
  patiently(120_000),
);

test(
  'is refused while a word of the frame is missing in it',
  () => {
    translate((german) => {
      delete german['bulkhead.search.open'];
    });
    const { status, stdout, stderr } = build();
    expect(status).not.toBe(0);
    expect(stdout + stderr).toContain('bulkhead.search.open');
  },
  patiently(60_000),
);

test(
  'is refused while a word of a terminal is missing in it',
  () => {
    translate(
      () => {},
      (terminal) => {
        delete terminal['terminal.tryNow'];
      },
    );
    const { status, stdout, stderr } = build();
    expect(status).not.toBe(0);
    expect(stdout + stderr).toContain('terminal.tryNow');
  },
  patiently(60_000),
);
