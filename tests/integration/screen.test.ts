// A viewer that comes too late for the bytes sees what one that was there sees: native/screen against xterm.js, on output
// made by chance, and a real monitor's snapshot of a program that has drawn its screen long ago.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RING_BYTES } from '../../sandbox-server/src/protocol/frames.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { Monitor } from './monitor.ts';
import { draw, emulator, look } from './screen/emulator.ts';

const native = join(import.meta.dirname, '../../native');
let directory: string;
let drawer: string;

beforeAll(() => {
  directory = temporaryFolder('screen');
  drawer = join(directory, 'draw');
  const sources = ['screen', 'grid', 'vt', 'width', 'sequences', 'drawing'].map(
    (name) => `${native}/screen/${name}.c`,
  );
  const base = ['byte_queue', 'error'].map((name) => `${native}/base/${name}.c`);
  const flags = ['-std=c17', '-O1', '-g', '-D_GNU_SOURCE', '-fsanitize=address,undefined', `-I${native}`];
  execFileSync('gcc', [
    ...flags,
    '-o',
    drawer,
    join(import.meta.dirname, 'screen/draw.c'),
    ...sources,
    ...base,
  ]);
});
afterAll(() => rmSync(directory, { recursive: true }));

/** mulberry32: the same output in every run. */
function chanceFrom(seed: number) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  const pick = (choices: readonly string[]) => choices[below(choices.length)] ?? '';
  return { next, below, pick };
}

const pens = [
  ...[
    '',
    '0',
    '1',
    '2',
    '3',
    '4',
    '7',
    '8',
    '9',
    '22',
    '23',
    '24',
    '27',
    '28',
    '53',
    '31',
    '44',
    '97',
    '103',
    '39',
    '49',
  ],
  ...['38;5;200', '48;5;17', '38;2;1;2;3', '48:2::4:5:6', '1;31;42'],
];
const words = [
  'hello ',
  'wörld',
  'a',
  'lorem ipsum dolor sit amet ',
  'x'.repeat(70),
  '\u2500\u2502',
  '😀',
  'qqxlmk',
];
const modes = ['1', '25', '1000', '1002', '1003', '1004', '1006', '2004'];

/** What is compared in turns, because xterm.js has quirks where they meet: saving the cursor and changing character sets;
 * wide characters and cutting them apart. What was saved in an alternate buffer that was left is not drawn, so whoever
 * enters one saves first. */
const families = {
  'buffers and saved cursors': {
    words,
    edits: '@PXLMSTJKb',
    escapes: [
      '\x1b7',
      '\x1b8',
      '\x1b[s',
      '\x1b[u',
      '\x1b[?1049h\x1b7',
      '\x1b[?1049l',
      '\x1b[?47h\x1b7',
      '\x1b[?1047l',
    ],
  },
  'character sets and tab stops': {
    words,
    edits: '@PXLMSTJKb',
    escapes: [
      '\x1b(0',
      '\x1b(B',
      '\x1b)0',
      '\x0e',
      '\x0f',
      '\x1bH',
      '\x1b[g',
      '\x1b[3g',
      '\x1b[?7l',
      '\x1b[?7h',
      '\x1bc',
    ],
  },
  'wide characters': {
    words: [...words, '漢字', '字', 'é'],
    edits: 'LMSTJ',
    escapes: ['\x1b7', '\x1b8', '\x1b[!p'],
  },
};

function output(family: (typeof families)[keyof typeof families], seed: number, length: number): string {
  const { next, below, pick } = chanceFrom(seed);
  const number = () => (next() < 0.2 ? '' : String(below(next() < 0.2 ? 300 : 14)));
  const kinds: [number, () => string][] = [
    [0.4, () => pick(family.words)],
    [0.55, () => pick(['\r\n', '\n', '\r', '\b', '\t', '\v'])],
    [0.62, () => `\x1b[${pick(pens)}m`],
    [0.72, () => `\x1b[${number()};${number()}${pick(['H', 'f'])}`],
    [0.82, () => `\x1b[${number()}${pick([...'ABCDEFGd`aeIZ'])}`],
    [0.88, () => `\x1b[${number()}${pick([...family.edits])}`],
    [0.91, () => `\x1b[${number()};${number()}r`],
    [0.95, () => pick(family.escapes)],
    [0.97, () => `\x1b[?${pick(modes)}${pick(['h', 'l'])}`],
    [0.98, () => pick(['\x1bD', '\x1bE', '\x1bM', '\x1b=', '\x1b>', '\x1b#8', '\x1b[4h', '\x1b[4l'])],
    [
      1,
      () =>
        pick([
          '\x1b]2;title\x07',
          '\x1b]0;t\x1b\\',
          '\x1bP+q544e\x1b\\',
          '\x1b[6n',
          '\x1b[c',
          '\x1b[>4;2m',
          '\x1b[',
        ]),
    ],
  ];
  return Array.from({ length }, () => {
    const chance = next();
    return kinds.find(([upTo]) => chance < upTo)?.[1]() ?? '';
  }).join('');
}

test.each(Object.entries(families))(
  'a drawing of %s is what xterm.js shows, then and later',
  async (_, family) => {
    for (let seed = 1; seed <= 25; seed++) {
      const { below } = chanceFrom(-seed);
      const [columns, rows] = [8 + below(60), 2 + below(20)];
      const rest = '\x1b\\'; // ends whatever was begun
      const before = output(family, seed, below(250)) + rest;
      const after = output(family, seed + 1_000, 25) + rest;
      const drawing = execFileSync(drawer, [`${columns}`, `${rows}`], { input: before });
      const [there, late] = [emulator(columns, rows), emulator(columns, rows)];
      await draw(there, before);
      await draw(late, drawing);
      expect(look(late), `seed ${seed}: at once, after ${JSON.stringify(before)}`).toEqual(look(there));
      await draw(there, after);
      await draw(late, after);
      expect(look(late), `seed ${seed}: after ${JSON.stringify(after)}`).toEqual(look(there));
    }
  },
);

test('a monitor draws a late viewer the screen that has left its ring, and what lies under it', async () => {
  // A program as full screen programs are: its frame is drawn once, and a part of the screen for ever.
  const program = `
    stty raw -echo
    printf 'before it began\\r\\n\\033[1;32mprompt\\033[0m $ '
    printf '\\033[?1049h\\033[?1h\\033[?2004h\\033[2J\\033[H\\033[44;97mHEADER\\033[K\\033[24;1Hfooter\\033[0m\\033[3;20r'
    i=0; while [ $i -lt 9000 ]; do
      printf '\\033[%d;5H\\033[3%dm row %d of the middle \\033[0m' $((3 + i % 18)) $((i % 8)) $i; i=$((i + 1))
    done
    printf '\\033[24;20Hdrawn'
    read -rn1
    printf '\\033[r\\033[?2004l\\033[?1l\\033[?1049l'
    printf 'after it ended'
    read -rn1`;
  const monitor = await Monitor.start({ command: () => ['bash', '-c', program] });
  try {
    const there = await monitor.attach();
    await there.untilText('drawn');
    expect(there.bytes().length).toBeGreaterThan(RING_BYTES + 4_096);
    const late = await monitor.attach();
    await late.untilText('drawn');
    expect(late.welcomes[0]).toMatchObject({ lost: true });
    expect(late.bytes().toString()).not.toContain('HEADER');

    const screens = { there: emulator(80, 24), late: emulator(80, 24) };
    await draw(screens.there, there.bytes());
    await draw(screens.late, late.snapshot());
    await draw(screens.late, late.bytes());
    expect(look(screens.late)).toEqual(look(screens.there));
    expect(look(screens.late)[0]).toMatch(
      /^alternate .*"applicationCursorKeysMode":true.*"bracketedPasteMode":true/,
    );

    const [thereHas, lateHas] = [there.bytes().length, late.bytes().length];
    there.type('q');
    for (const viewer of [there, late]) await viewer.untilText('after it ended');
    await draw(screens.there, there.bytes().subarray(thereHas));
    await draw(screens.late, late.bytes().subarray(lateHas));
    expect(look(screens.late)).toEqual(look(screens.there));
    expect(
      look(screens.late)
        .join('\n')
        .replace(/\/\S*| /g, ''),
    ).toContain('beforeitbegan');
  } finally {
    await monitor.end();
  }
});
