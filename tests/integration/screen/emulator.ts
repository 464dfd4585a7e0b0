// xterm.js without a page: the same core that draws in the browser, to ask what a terminal's output looks like.
import { createRequire } from 'node:module';
import type { Terminal } from '@xterm/headless';

const xterm = createRequire(import.meta.url)('@xterm/headless') as typeof import('@xterm/headless');

export function emulator(columns: number, rows: number): Terminal {
  return new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 0, logLevel: 'off' });
}

export function draw(terminal: Terminal, bytes: Uint8Array | string): Promise<void> {
  return new Promise((resolve) => terminal.write(bytes, resolve));
}

/** Everything that can be seen, one line a row, and what decides how keys and mouse are sent. */
export function look(terminal: Terminal): string[] {
  const { active } = terminal.buffer;
  const rows = Array.from({ length: terminal.rows }, (_, y) => rowOf(terminal, y));
  const { synchronizedOutputMode: _, ...modes } = terminal.modes;
  return [`${active.type} ${active.cursorX},${active.cursorY} ${JSON.stringify(modes)}`, ...rows];
}

function rowOf(terminal: Terminal, y: number): string {
  const { active } = terminal.buffer;
  const line = active.getLine(active.baseY + y);
  return Array.from({ length: terminal.cols }, (_, x) => {
    const cell = line?.getCell(x);
    if (!cell) return '?';
    // The first sixteen colours have two names, 31 and 38;5;1, and look the same.
    const colour = (isRgb: boolean, isDefault: boolean, value: number) =>
      isDefault ? '' : `${isRgb ? '#' : ''}${value}`;
    const background = colour(cell.isBgRGB(), cell.isBgDefault(), cell.getBgColor());
    if (cell.getChars() === '') return `_${background}`;
    const foreground = colour(cell.isFgRGB(), cell.isFgDefault(), cell.getFgColor());
    const styles = [
      cell.isBold(),
      cell.isDim(),
      cell.isItalic(),
      cell.isUnderline(),
      cell.isInverse(),
      cell.isInvisible(),
      cell.isStrikethrough(),
      cell.isOverline(),
    ].map((style) => (style ? 1 : 0));
    return `${cell.getChars()}${foreground}/${background}/${styles.join('')}`;
  }).join(' ');
}
