// Sentences in the language of the page, with its values; where there is no page, in that of the worker that says them.
import { afterEach, expect, test, vi } from 'vitest';

const english = { one: 'One of {count}', two: 'Two' };
const languages = { '../live/de/x.json': { one: '{count}, davon eins' }, '../live/en/x.json': english };

/** What says them to somebody else than whoever runs this: a module of its own for each. */
async function say(who: string): Promise<(word: 'one' | 'two', values?: { count: number }) => string> {
  const { speaker }: typeof import('./words.ts') = await import(/* @vite-ignore */ `./words.ts?${who}`);
  return speaker(english, languages);
}

afterEach(() => {
  vi.unstubAllGlobals();
});

test('a page that is being built speaks English', async () => {
  const built = await say('built');
  expect(built('one', { count: 3 })).toBe('One of 3');
});

test('a page in a browser speaks its own language, and English where that lacks a word', async () => {
  vi.stubGlobal('document', { documentElement: { lang: 'de' } });
  const drawn = await say('drawn');
  expect(drawn('one', { count: 3 })).toBe('3, davon eins');
  expect(drawn('two')).toBe('Two');
});

test('a worker speaks the language that is its name', async () => {
  vi.stubGlobal('name', 'de');
  const working = await say('working');
  expect(working('one', { count: 3 })).toBe('3, davon eins');
});

test('a name that has no value stands as it is, for an element to take its place', async () => {
  const built = await say('built');
  expect(built('one')).toBe('One of {count}');
});
