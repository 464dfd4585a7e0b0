// The words of what is drawn in the browser. Each folder of components has its own, content/live/<language>/<folder>.json, so
// that a page fetches the words of what it shows; the words that pages are built with are in content/i18n, and stay out of
// what browsers fetch.

/** Of a page that is being built: English, as are all pages with such parts that are drawn before a browser has them. A worker
 * has its page's for a name. */
export const language =
  typeof document === 'undefined'
    ? (globalThis as { name?: string }).name || 'en'
    : document.documentElement.lang;

/** Returns what says a sentence in the page's language, with `values` where it has {names}. `languages`: the words of each by
 * the path of their file, all at once, for what has been drawn cannot wait for words, and a folder's are a kilobyte or two. */
export function speaker<Word extends string>(
  english: Readonly<Record<Word, string>>,
  languages: Readonly<Record<string, unknown>>,
): (word: Word, values?: Readonly<Record<string, string | number>>) => string {
  const path = Object.keys(languages).find((one) => one.includes(`/live/${language}/`));
  const words = { ...english, ...(path ? (languages[path] as Partial<Record<Word, string>>) : {}) };
  return (word, values = {}) =>
    words[word].replace(/\{(\w+)\}/g, (name, key: string) => String(values[key] ?? name));
}
