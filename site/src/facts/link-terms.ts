// Finds the first use of each word of the glossary in the text of a page, and makes it a link with what the glossary says. It
// works on the HTML that the page was built to, so that no author has to think of it; <Term> marks a use by hand.
import type { Term } from './schemas.ts';

/** What is not running text, or is a link, a heading or a control already. */
const closed = new Set(
  'a abbr button code dl details figcaption form glossary-term h1 h2 h3 h4 h5 h6 kbd label legend nav pre q summary svg table try-it'.split(
    ' ',
  ),
);
const open = new Set(['p', 'li', 'blockquote']);
/** Before the name of an element that is in the margin. */
const MARGIN = 'margin:';
const hollow = new Set('area base br col embed hr img input link meta source track wbr'.split(' '));
const token =
  /<!--[\s\S]*?-->|<(script|style)\b[\s\S]*?<\/\1>|<\/?[a-zA-Z][\w-]*(?:"[^"]*"|'[^']*'|[^>"'])*>|[^<]+/g;

/** The page's HTML with the first use of each term linked. Terms that are linked by hand are left as they are. */
export function linkTerms(html: string, glossary: ReadonlyMap<string, Term>): string {
  const keyOf = new Map<string, string>();
  for (const [key, { term, also = [], byHand }] of glossary) {
    if (byHand || html.includes(`href="/glossary/#${key}"`)) continue;
    for (const form of [term, ...also]) {
      keyOf.set(form, key);
      // At the start of a sentence.
      keyOf.set(form.charAt(0).toUpperCase() + form.slice(1), key);
    }
  }
  if (keyOf.size === 0) return html;
  const forms = [...keyOf.keys()].sort((one, other) => other.length - one.length).map(quoted);
  const words = new RegExp(`(?<![\\w/.’'-])(?:${forms.join('|')})(?![\\w’'/-]|\\.\\w)`, 'g');
  const used = new Set<string>();
  const link = (form: string, at: number, text: string): string => {
    const key = keyOf.get(form);
    const entry = key === undefined || used.has(key) ? undefined : glossary.get(key);
    if (key === undefined || !entry || meansElse(entry, at, text)) return form;
    used.add(key);
    return termLink(key, entry, form);
  };

  const inside: string[] = [];
  return html.replace(token, (part) => {
    const [, slash, name = ''] = /^<(\/?)([a-zA-Z][\w-]*)/.exec(part) ?? [];
    if (name === '' || name === 'script' || name === 'style') {
      const readable = !part.startsWith('<') && inside.some((one) => open.has(one));
      return readable && !inside.some((one) => closed.has(one) || one.startsWith(MARGIN))
        ? part.replace(words, link)
        : part;
    }
    if (slash) inside.splice(inside.lastIndexOf(tagOf(name, inside)), 1);
    else if (!hollow.has(name) && !part.endsWith('/>')) {
      // Sources in the margin are names of others' works.
      inside.push(/class="[^"]*\bsidenote\b/.test(part) ? `${MARGIN}${name}` : name);
    }
    return part;
  });
}

/** Whether the word at `at` is part of a phrase in which it is not the field's word. */
function meansElse({ except = [] }: Term, at: number, text: string): boolean {
  return except.some((phrase) =>
    [...text.matchAll(new RegExp(quoted(phrase).replaceAll(' ', '\\s+'), 'gi'))].some(
      ({ index, 0: found }) => index <= at && at < index + found.length,
    ),
  );
}

/** The element that an end tag ends: one of that name, or of that name in the margin. */
function tagOf(name: string, inside: readonly string[]): string {
  return inside.findLast((one) => one === name || one === `${MARGIN}${name}`) ?? name;
}

function termLink(key: string, { term, says, kind }: Term, form: string): string {
  const color = kind ? ` class="kind-${kind}"` : '';
  return (
    `<glossary-term${color}><a href="/glossary/#${key}" aria-describedby="says-${key}">${form}</a>` +
    `<span class="says" id="says-${key}" role="tooltip"><b>${escaped(term)}</b> ${escaped(says)}</span></glossary-term>`
  );
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const quoted = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
