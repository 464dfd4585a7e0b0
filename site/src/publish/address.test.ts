import { describe, expect, test } from 'vitest';
import { cardOf, fullAddress, siteRoot } from './address.ts';

describe('where the site is published', () => {
  test('is this machine, as long as nobody says otherwise', () => {
    expect(siteRoot('')).toEqual({ root: 'http://localhost:7080/', known: false });
    expect(fullAddress('/matrix/', siteRoot(''))).toBe('http://localhost:7080/matrix/');
  });

  test.each([
    ['https://learn.example.org', 'https://learn.example.org/compare/'],
    ['https://learn.example.org/', 'https://learn.example.org/compare/'],
    ['http://10.0.0.7:7080', 'http://10.0.0.7:7080/compare/'],
    ['https://example.org/people/ada', 'https://example.org/people/ada/compare/'],
    ['https://example.org/people/ada/', 'https://example.org/people/ada/compare/'],
  ])('%s has its pages below it', (text, page) => {
    expect(siteRoot(text).known).toBe(true);
    expect(fullAddress('/compare/', siteRoot(text))).toBe(page);
  });

  test.each([
    'learn.example.org',
    'ftp://example.org',
    'https://example.org/?a',
    'https://me@example.org',
    '/walls/',
  ])('%s is refused, with an example of what is not', (text) => {
    expect(() => siteRoot(text)).toThrow('such as https://example.org/walls/');
  });

  test('every page has a card of its own', () => {
    expect(cardOf('/')).toBe('/cards/index.png');
    expect(cardOf('/concepts/chroot/')).toBe('/cards/concepts-chroot.png');
  });
});
