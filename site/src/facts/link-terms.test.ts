import { describe, expect, test } from 'vitest';
import { linkTerms } from './link-terms.ts';
import type { Term } from './schemas.ts';

const glossary = new Map<string, Term>([
  ['jail', { term: 'jail', also: ['jails'], says: 'FreeBSD’s <container>.', kind: 'jail' }],
  ['chroot', { term: 'chroot', says: 'It is about names.' }],
  ['user-namespace', { term: 'user namespace', says: 'User ids of its own.' }],
  ['namespace', { term: 'namespace', also: ['namespaces'], says: 'A table of names.' }],
  ['zone', { term: 'zone', says: 'Solaris’s.', except: ['time zone'] }],
  ['share', { term: 'share', says: 'A weight.', byHand: true }],
]);
const linked = (html: string) =>
  [...linkTerms(html, glossary).matchAll(/href="\/glossary\/#([\w-]+)"/g)].map(([, key]) => key);

describe('words of the glossary', () => {
  test('are linked where they are used first, in any of their forms', () => {
    const html = linkTerms('<p>Jails came in 1999. A jail is one.</p>', glossary);
    expect(html).toContain('<a href="/glossary/#jail" aria-describedby="says-jail">Jails</a>');
    expect(html).toContain('FreeBSD’s &lt;container&gt;.');
    expect(html.match(/<glossary-term/g)).toHaveLength(1);
  });

  test('are taken as long as they go', () => {
    expect(linked('<p>A user namespace is a namespace.</p>')).toEqual(['user-namespace', 'namespace']);
  });

  test.each([
    ['a heading', '<h2>A jail</h2>'],
    ['a link', '<p><a href="/x/">the jail</a></p>'],
    ['code', '<p><code>jail -c</code></p>'],
    ['an experiment', '<try-it><p>in a jail</p></try-it>'],
    ['the margin', '<p><span class="sidenote sources-here"><span>A jail, by its author</span></span></p>'],
    ['an attribute', '<p title="a jail > b">it</p>'],
    ['a script', '<p><script>const a = "jail < b";</script></p>'],
    ['another word', '<p>jailer, un-jail, /jail, jail-like, jail.conf, jail/370</p>'],
    ['a phrase that means something else', '<p>the time\nzone</p>'],
    ['everyday speech', '<p>They share it.</p>'],
    ['what is no text', '<div>jail</div>'],
  ])('are left alone in %s', (_where, html) => {
    expect(linkTerms(html, glossary)).toBe(html);
  });

  test('are linked after the margin has ended, and after an element without an end', () => {
    expect(linked('<p><span class="sidenote">x</span> a jail</p>')).toEqual(['jail']);
    expect(linked('<p>a time zone, and a zone</p>')).toEqual(['zone']);
    expect(linked('<p>one<br>a jail, <em>and</em> chroot</p>')).toEqual(['jail', 'chroot']);
  });

  test('that somebody has linked by hand are not linked again', () => {
    expect(linked('<p>The jail. <a href="/glossary/#jail">Jails</a></p>')).toEqual(['jail']);
  });
});
