import { expect, test } from 'vitest';
import { relativePage, relativeStyle, rootFrom } from './relative.ts';

const page = `<!doctype html><html lang="en"><head><meta charset="utf-8"><link href="/assets/a.css"><script>1</script></head>
<body><a href="/">home</a> <a href="/compare/#vm">compare</a> <a href="https://example.org/">out</a> <a href="#here">here</a>
<img src="//other.example/x.png" srcset="/a.png 1x, /b.png 2x"><astro-island component-url="/assets/c.js" renderer-url="/assets/d.js"></astro-island>
<code title="/proc/self">/sys/fs/cgroup</code></body></html>`;

test('a page below the root finds the site by the way up', () => {
  const made = relativePage(page, rootFrom('concepts/chroot/index.html'));
  expect(made).toContain('<html data-root="../../" lang="en">');
  for (const address of [
    '../../assets/a.css',
    '../../',
    '../../compare/#vm',
    '../../assets/c.js',
    '../../assets/d.js',
  ])
    expect(made).toContain(`="${address}"`);
  expect(made).toContain('srcset="../../a.png 1x, ../../b.png 2x"');
});

test('what is no address of the site stays', () => {
  const made = relativePage(page, rootFrom('index.html'));
  for (const same of [
    'href="https://example.org/"',
    'href="#here"',
    'src="//other.example/x.png"',
    'title="/proc/self"',
    '>/sys/fs/cgroup<',
  ])
    expect(made).toContain(same);
  expect(made).toContain('href="./assets/a.css"');
});

test('a style sheet finds its fonts from where it is', () => {
  const style = 'a{background:url(/assets/f.woff2)}b{background:url("data:image/png;base64,AA/=")}';
  expect(relativeStyle(style, rootFrom('assets/a.css'))).toBe(
    'a{background:url(../assets/f.woff2)}b{background:url("data:image/png;base64,AA/=")}',
  );
});

test('it allows its own inline scripts, by hash, and says so where a web host does not', () => {
  const made = relativePage(page, './');
  expect(made).toMatch(
    /<head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self' 'sha256-/,
  );
  expect(made).not.toContain('frame-ancestors');
});
