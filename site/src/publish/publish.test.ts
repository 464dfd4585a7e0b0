import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readFacts } from '../facts/facts.ts';
import { siteRoot } from './address.ts';
import { pageOf } from './built-pages.ts';
import { balanced, cardDrawing } from './cards.ts';
import { datesOfFiles, datesOfPage, sourcesOf } from './dates.ts';
import { feed } from './feed.ts';
import { unpackWoff } from './fonts.ts';
import { withOneSheet } from './one-sheet.ts';
import { pageList } from './page-list.ts';
import { placesOfFacts } from './search-index.ts';

const folder = mkdtempSync(join(tmpdir(), 'bh-publish-'));
afterAll(() => rmSync(folder, { recursive: true }));

const page = { path: '/concepts/chroot/', title: 'chroot & co', description: 'A <call> of 1979', html: '' };

test('a page is read back as it was written', () => {
  const html =
    '<head><title>chroot &amp; co · Bulkhead</title><meta name="description" content="A &lt;call&gt; of 1979"></head>';
  expect(pageOf(page.path, html)).toEqual({ ...page, html });
  expect(() => pageOf('/x/', '<title>a</title>')).toThrow('/x/ has no description');
});

describe('the dates of a page', () => {
  const write = (file: string, text: string): void => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  };
  const git = (date: string, ...args: string[]): void => {
    const env = { ...process.env, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date };
    const who = ['-c', 'user.name=a', '-c', 'user.email=a@example.org', '-c', 'commit.gpgsign=false'];
    expect(spawnSync('git', [...who, '-C', folder, ...args], { env }).status).toBe(0);
  };

  test('are those of the first and the last commit of what it is written in', () => {
    git('2026-01-01T10:00:00Z', 'init', '-q');
    write('site/src/pages/matrix.astro', 'one');
    write('site/src/content/docs/about.mdx', 'one');
    git('2026-01-01T10:00:00Z', 'add', '.');
    git('2026-01-01T10:00:00Z', 'commit', '-qm', 'one');
    write('site/src/content/facts/properties.yaml', 'two');
    git('2026-03-05T10:00:00Z', 'add', '.');
    git('2026-03-05T10:00:00Z', 'commit', '-qm', 'two');

    expect(sourcesOf('/matrix/', folder)).toEqual([
      'site/src/pages/matrix.astro',
      'site/src/content/facts/properties.yaml',
    ]);
    const files = datesOfFiles(folder);
    const dates = (path: string) => {
      const found = datesOfPage(path, folder, files);
      return found && [found.added, found.changed].map((date) => new Date(date).toISOString().slice(0, 10));
    };
    expect(dates('/matrix/')).toEqual(['2026-01-01', '2026-03-05']);
    expect(dates('/about/')).toEqual(['2026-01-01', '2026-01-01']);
    expect(dates('/nowhere/')).toBeUndefined();
  });

  test('are none where there is no history', () => {
    const bare = mkdtempSync(join(tmpdir(), 'bh-bare-'));
    expect(datesOfFiles(bare).size).toBe(0);
    rmSync(bare, { recursive: true });
  });
});

test('the feed has the newest page first, under its full address, and leaves out dates that are not known', async () => {
  const dates = (day: string) => ({ added: `2026-01-${day}T00:00:00Z`, changed: '2026-02-01T00:00:00Z' });
  const text = await feed(
    [
      { ...page, path: '/undated/', dates: undefined },
      { ...page, path: '/old/', dates: dates('01') },
      { ...page, path: '/new/', dates: dates('02') },
    ],
    siteRoot('https://example.org/walls/'),
  );
  const links = [...text.matchAll(/<item>.*?<link>([^<]+)<\/link>/g)].map(([, link]) => link);
  expect(links).toEqual(['new', 'old', 'undated'].map((name) => `https://example.org/walls/${name}/`));
  expect(text.match(/<pubDate>/g)).toHaveLength(2);
  expect(text).toContain('<atom:updated>2026-02-01T00:00:00.000Z</atom:updated>');
  expect(text).toContain('<title>chroot &amp; co</title>');
});

describe('cards', () => {
  test('break titles into lines of about one length', () => {
    expect(balanced('2013, claim by claim', 19)).toEqual(['2013, claim', 'by claim']);
    expect(balanced('The process', 19)).toEqual(['The process']);
  });

  test('say what the page says, whatever signs are in it', () => {
    const svg = cardDrawing(page);
    expect(svg).toContain('chroot &#38; co');
    expect(svg).toContain('A &#60;call&#62; of 1979');
    expect(svg).not.toContain('undefined');
  });

  test('are set in the type of the site, unpacked', () => {
    const file = createRequire(import.meta.url).resolve(
      '@fontsource/ibm-plex-sans/files/ibm-plex-sans-latin-400-normal.woff',
    );
    const font = unpackWoff(readFileSync(file));
    const count = font.readUInt16BE(4);
    const tables = Array.from({ length: count }, (_, index) =>
      font.toString('latin1', 12 + 16 * index, 16 + 16 * index),
    );
    expect(tables).toEqual(expect.arrayContaining(['cmap', 'glyf', 'head', 'hmtx']));
    expect(() => unpackWoff(Buffer.from('<svg>'))).toThrow('not a WOFF');
  });
});

describe('the search', () => {
  const facts = readFacts(join(import.meta.dirname, '../content/facts'));
  const places = placesOfFacts(facts);

  test('has every term, claim, entry and property as a place of its own', () => {
    const many = facts.glossary.size + facts.claims.size + facts.timeline.size + facts.properties.size;
    expect(new Set(places.map(({ url }) => url)).size).toBe(many);
    for (const { url, title, text } of places) {
      expect(url).toMatch(/^\/[a-z0-9]+\/#[a-z0-9-]+$/);
      expect(text, url).toContain(title);
    }
  });
});

test('the list of all pages has each once, under a heading that fits', () => {
  const list = pageList([page, { ...page, path: '/matrix/', title: 'The <matrix>' }]);
  expect(list.match(/<a /g)).toHaveLength(2);
  expect(list).toContain('<h2>Concepts</h2><ul><li><a href="/concepts/chroot/">chroot &#38; co</a>');
  expect(list).toContain('The &#60;matrix&#62;');
  expect(list).not.toContain('<h2>History</h2>');
});

test('a page asks for one style sheet, made of its own in their order; the one for paper stays apart', () => {
  const link = (name: string, more = '') => `<link rel="stylesheet" href="/assets/${name}.css"${more}>`;
  const html = `<head>${link('print', ' media="print"')}${link('a')}<title>x</title>${link('b')}</head>`;
  const made = withOneSheet(html, (addresses) => {
    expect(addresses).toEqual(['/assets/a.css', '/assets/b.css']);
    return '/assets/page.12345678.css';
  });
  expect(made).toBe(
    `<head>${link('print', ' media="print"')}<title>x</title>${link('page.12345678')}</head>`,
  );
  expect(withOneSheet(link('a'), () => 'never')).toBe(link('a'));
});
