// What is shown of a page where somebody links to it: its title beside the glyph of what it is about, standing on the deck.
// Drawn from the same geometry and the same colours as the pages, 1200 by 630 pixels.
import { readFileSync } from 'node:fs';
import { glyphDrawing, glyphSide } from '../components/glyph/geometry.ts';
import { type KindName, kindOf } from '../data/kinds.ts';
import { pageKind } from '../data/page-kinds.ts';
import type { BuiltPage } from './built-pages.ts';

const WIDTH = 1200;
const HEIGHT = 630;
const MARGIN = 72;
/** Where the deck runs: glyphs stand on it, the name of the site is below it. */
const DECK = 512;
const GLYPH = { size: 384, right: 40 };

const tokens = readFileSync(new URL('../styles/tokens.css', import.meta.url), 'utf8');
/** A colour of the site by day. Throws Error for a name that tokens.css does not have. */
const colour = (name: string): string => {
  const found = new RegExp(`--${name}: light-dark\\((#[0-9a-f]{6})`).exec(tokens)?.[1];
  if (!found) throw new Error(`tokens.css has no colour ${name}`);
  return found;
};

const sections: Record<string, string> = { concepts: 'Concepts', history: 'History', labs: 'Labs' };

const escaped = (text: string): string => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

function broken(text: string, columns: number): string[] {
  const made: string[] = [''];
  for (const word of text.split(' ')) {
    const line = made.at(-1) ?? '';
    if (line !== '' && line.length + 1 + word.length > columns) made.push(word);
    else made[made.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return made;
}

/** Words in as few lines of at most `columns` letters as they need, and those about equally long. */
export function balanced(text: string, columns: number): string[] {
  let made = broken(text, columns);
  for (let fewer = columns - 1; fewer > 0; fewer--) {
    const narrower = broken(text, fewer);
    if (narrower.length > made.length || narrower.some((line) => line.length > columns)) break;
    made = narrower;
  }
  return made;
}

function glyph(kind: KindName, size: number, x: number): string {
  const facts = kindOf(kind);
  const { strokes, pen, box } = glyphDrawing(facts, size);
  const scale = size / glyphSide;
  const own = colour(kind);
  // Walls without a deck of their own end on the common one, and are not let through it.
  const cap = facts.walls.faults === 'own' ? 'square' : 'butt';
  const walls = strokes.map(
    ({ part, path, weight, level }) =>
      `<path d="${path}" stroke="${own}" stroke-width="${pen.weight * weight}"` +
      (level === 'partly'
        ? ` stroke-linecap="round" stroke-dasharray="0 ${pen.weight * 2.05}"/>`
        : ` stroke-linecap="${part === 'names' ? 'square' : cap}"/>`),
  );
  // The inside of the compartment ends at the deck, whatever its size.
  const y = DECK - (box.y + box.height) * scale;
  return (
    `<g transform="translate(${x} ${y}) scale(${scale})" fill="none">` +
    `<rect x="${box.x}" y="${box.y}" width="${box.width}" height="${box.height}" fill="${own}" fill-opacity="0.11"/>` +
    `<circle cx="${box.x + box.width / 2}" cy="${box.y + box.height / 2}" r="${pen.weight * 1.5}" fill="${own}"/>` +
    `${walls.join('')}</g>`
  );
}

/** The card of a page as SVG. */
export function cardDrawing({ path, title, description }: Omit<BuiltPage, 'html'>): string {
  const kind = pageKind(path);
  const section = sections[path.split('/')[1] ?? ''] ?? 'Bulkhead';
  const size = title.length > 40 ? 60 : 72;
  const heading = balanced(title, size === 60 ? 22 : 19);
  const below = broken(description, 46).slice(0, heading.length > 3 ? 2 : 3);
  if (below.join(' ').length < description.length) below[below.length - 1] += ' …';
  const top = 176;
  const afterHeading = top + (heading.length - 1) * size * 1.12;
  const text = (x: number, y: number, family: string, px: number, fill: string, words: string): string =>
    `<text x="${x}" y="${Math.round(y)}" font-family="${family}" font-size="${px}" fill="${fill}">${escaped(words)}</text>`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}">` +
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="${colour('ground')}"/>` +
    `<rect y="${DECK}" width="${WIDTH}" height="${HEIGHT - DECK}" fill="${colour('water')}"/>` +
    `<path d="M0 ${DECK}H${WIDTH}" stroke="${colour('deck')}" stroke-width="6"/>` +
    glyph(kind, GLYPH.size, WIDTH - GLYPH.right - GLYPH.size) +
    text(MARGIN, 92, 'IBM Plex Sans SemiBold', 28, colour(kind), section) +
    heading
      .map((line, index) =>
        text(MARGIN, top + index * size * 1.12, 'IBM Plex Serif SemiBold', size, colour('ink'), line),
      )
      .join('') +
    below
      .map((line, index) =>
        text(MARGIN, afterHeading + 60 + index * 40, 'IBM Plex Sans', 28, colour('ink-soft'), line),
      )
      .join('') +
    text(MARGIN, DECK + 74, 'IBM Plex Serif SemiBold', 40, colour('ink'), 'Bulkhead') +
    text(MARGIN + 196, DECK + 74, 'IBM Plex Sans', 28, colour('ink-soft'), 'the walls inside a computer') +
    '</svg>'
  );
}
