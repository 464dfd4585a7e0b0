// The words of what is drawn in the browser (terminals, notices, players): content/live/<language>.json, in the page's language.
// The words that pages are built with are in content/i18n, and stay out of what browsers fetch.
import english from '../content/live/en.json' with { type: 'json' };

export type Word = keyof typeof english;

// All languages at once: what has been drawn cannot wait for words, and a language is some three kilobytes.
const languages = import.meta.glob<Record<Word, string>>('../content/live/*.json', {
  eager: true,
  import: 'default',
});

/** Of a page that is being built: English, as are all pages with such parts that are drawn before a browser has them. */
const language = typeof document === 'undefined' ? 'en' : document.documentElement.lang;
const words = languages[`../content/live/${language}.json`] ?? english;

/** A sentence of the page's language, with `values` where it has {names}. */
export function say(word: Word, values: Record<string, string | number> = {}): string {
  return words[word].replace(/\{(\w+)\}/g, (name, key: string) => String(values[key] ?? name));
}
