// The favicon is the container's glyph, drawn by the same code as every other one.
import type { APIRoute } from 'astro';
import { glyphDrawing, glyphSide } from '../components/glyph/geometry.ts';
import { kinds } from '../data/kinds.ts';

export const GET: APIRoute = () => {
  const { strokes, pen, box } = glyphDrawing(kinds.container, 16);
  const walls = strokes
    .map((stroke) => `<path class="wall" d="${stroke.path}" stroke-width="${pen.weight * stroke.weight}"/>`)
    .join('');
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${glyphSide} ${glyphSide}" fill="none">` +
    '<style>.wall{stroke:#00609c}.deck{stroke:#3a3f45}.life{fill:#00609c}' +
    '@media(prefers-color-scheme:dark){.wall{stroke:#63b8f2}.deck{stroke:#b9c2ca}.life{fill:#63b8f2}}</style>' +
    `<path class="deck" d="M1 ${box.y + box.height}H63" stroke-width="${pen.weight}"/>` +
    `<circle class="life" cx="32" cy="31" r="8"/>${walls}</svg>`;
  return new Response(svg, { headers: { 'content-type': 'image/svg+xml' } });
};
