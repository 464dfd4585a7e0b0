// xterm.js, loaded when a terminal is first wanted, dressed in the page's colours, and deaf to queries from the past.
import type { FitAddon } from '@xterm/addon-fit';
import type { ITheme, Terminal } from '@xterm/xterm';
import cssUrl from '@xterm/xterm/css/xterm.css?url';

type Xterm = typeof import('@xterm/xterm') & typeof import('@xterm/addon-fit');
let loading: Promise<Xterm> | undefined;

/** An emulator in the page, and what makes it as large as its place. */
export interface Emulator {
  terminal: Terminal;
  fit: FitAddon;
}

/** Built, and waiting beside the page for a place. Building one takes longer than making a container. */
const spares = new Set<Promise<Emulator>>();

/** Has `count` emulators stand ready. Rejects when one cannot be built. */
export async function prepareEmulators(count: number): Promise<void> {
  while (spares.size < count) {
    const spare = build();
    spares.add(spare);
    spare.catch(() => spares.delete(spare)); // whoever takes one later tries anew
  }
  await Promise.all(spares);
}

/** Puts an emulator into `place`: one that stands ready, or a new one. */
export async function takeEmulator(place: HTMLElement): Promise<Emulator> {
  const [spare = build()] = spares;
  spares.delete(spare);
  const emulator = await spare;
  const { terminal } = emulator;
  const waited = terminal.element?.parentElement;
  if (terminal.element) place.append(terminal.element);
  waited?.remove();
  terminal.options.theme = themeFor(place);
  return emulator;
}

async function build(): Promise<Emulator> {
  const { Terminal, FitAddon } = await loadXterm();
  const terminal = new Terminal({
    fontFamily: '"Plex Mono", ui-monospace, monospace',
    fontSize: matchMedia('(max-width: 40rem)').matches ? 13 : 14,
    fontWeightBold: 600,
    lineHeight: 1.2,
    minimumContrastRatio: 4.5,
    scrollback: 5_000,
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  // Laid out, because letters have to be measured, but neither seen, heard nor reached by Tab.
  const waiting = document.createElement('div');
  Object.assign(waiting.style, { position: 'fixed', left: '-200vw', width: '60rem', visibility: 'hidden' });
  document.body.append(waiting);
  terminal.open(waiting);
  return { terminal, fit };
}

/** Loads the emulator, its style sheet and the font that it will measure; once, however often it is called. */
function loadXterm(): Promise<Xterm> {
  loading ??= Promise.all([
    import('@xterm/xterm'),
    import('@xterm/addon-fit'),
    loadStyle(),
    document.fonts.load('400 14px "Plex Mono"'),
    document.fonts.load('600 14px "Plex Mono"'),
  ]).then(([xterm, fit]) => ({ ...xterm, ...fit }));
  loading.catch(() => {
    loading = undefined;
  });
  return loading;
}

/** By address and not by import: the bundler would put an imported style sheet on every page of the route. */
function loadStyle(): Promise<void> {
  return new Promise((resolve, reject) => {
    const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', href: cssUrl });
    link.onload = () => resolve();
    link.onerror = () => reject(new Error(`cannot load ${cssUrl}`));
    document.head.append(link);
  });
}

/** A query asks the terminal to type an answer. One that was printed before this viewer came was answered then; a second
 * answer would appear as if typed by the learner. While `past` says so, such sequences are swallowed here. */
export function ignorePastQueries(terminal: Terminal, past: () => boolean): void {
  const { parser } = terminal;
  const csi = [
    { final: 'c' }, // DA1
    { prefix: '>', final: 'c' }, // DA2
    { prefix: '=', final: 'c' }, // DA3
    { final: 'n' }, // DSR: status, cursor position
    { prefix: '?', final: 'n' },
    { intermediates: '$', final: 'p' }, // DECRQM
    { prefix: '?', intermediates: '$', final: 'p' },
    { prefix: '>', final: 'q' }, // XTVERSION
    { final: 't' }, // window reports
  ];
  for (const id of csi) parser.registerCsiHandler(id, past);
  for (const id of [
    { intermediates: '$', final: 'q' },
    { intermediates: '+', final: 'q' },
  ]) {
    parser.registerDcsHandler(id, past); // DECRQSS, XTGETTCAP
  }
  for (const id of [4, 10, 11, 12]) parser.registerOscHandler(id, (data) => past() && data.includes('?'));
}

const ansiNames = [
  'black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white',
  'brightBlack', 'brightRed', 'brightGreen', 'brightYellow', 'brightBlue', 'brightMagenta', 'brightCyan', 'brightWhite',
] as const; // biome-ignore format: two rows of eight, as in every table of these colours
const day =
  '1a1f24 a33a00 006b4e 7a5c00 00609c 8c3d6d 00676f 54585c 3a3f45 b84200 00795a 8a6a00 0070b5 a24a80 007781 1a1f24';
const night =
  '2b3947 ff9a66 3fcb9f e5c04e 63b8f2 e39cc6 4cc6d1 d5d8d4 8795a2 ffb48c 6fe0ba f3d676 93cdf7 efbad9 83dde5 fffdf8';

/** Colours for a terminal that stands on `element`: its ground is the page's, its palette the kinds' hues. */
export function themeFor(element: Element): ITheme {
  const style = getComputedStyle(element);
  const dark =
    style.colorScheme === 'dark' ||
    (style.colorScheme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  const palette = (dark ? night : day).split(' ');
  return {
    background: style.backgroundColor,
    foreground: style.color,
    cursor: style.color,
    cursorAccent: style.backgroundColor,
    selectionBackground: dark ? '#2d4a63' : '#cfe0ea',
    ...Object.fromEntries(ansiNames.map((name, index) => [name, `#${palette[index]}`])),
  };
}
