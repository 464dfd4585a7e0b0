import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Cast, formatCast, parseCast, transcriptOf } from './asciicast.ts';
import { checkedCast } from './checked-cast.ts';
import { Playback } from './playback.ts';

const cast: Cast = {
  header: {
    version: 2,
    width: 76,
    height: 20,
    timestamp: 1_795_000_000,
    title: 'A test',
    bulkhead: { machine: 'two processors', virtualMachines: 'emulated', load: 1, command: 'npm run record' },
  },
  events: [
    [0.5, '\x1b[?2004hbox:~# '],
    [1, 'echo \x1b[31mred\x1b[0m\r\n'],
    [2.5, 'red\r\n\x1b]0;a title\x07box:~# ab\b\bcd'],
  ],
};

describe('a recording', () => {
  test('is the same after it was written and read', () => {
    expect(parseCast(formatCast(cast))).toEqual(cast);
  });

  test.each([
    ['another version', formatCast(cast).replace('"version":2', '"version":1')],
    ['an unknown key', formatCast(cast).replace('"version":2', '"version":2,"theme":"dark"')],
    ['time that goes back', formatCast(cast).replace('[2.5,', '[0.25,')],
    ['nothing in it', `${JSON.stringify(cast.header)}\n`],
  ])('with %s is refused', (_what, text) => {
    expect(() => checkedCast(text)).toThrow();
  });

  test('reads as text: no sequences, and what was typed over is gone', () => {
    expect(transcriptOf(cast)).toBe('box:~# echo red\nred\nbox:~# cd');
  });

  const folder = join(import.meta.dirname, '../../recordings');
  test.each(readdirSync(folder))('%s is one, small, and says where it was made', (name) => {
    const text = readFileSync(join(folder, name), 'utf8');
    expect(text.length).toBeLessThan(100_000);
    const made = checkedCast(text);
    expect(made.header.bulkhead.command).toContain(name.replace(/\.cast$/, ''));
    const silent = [...transcriptOf(made)].filter((letter) => letter < ' ' && !['\n', '\t'].includes(letter));
    expect(silent).toEqual([]);
  });
});

describe('playing it', () => {
  /** A clock that goes when it is told to. */
  const setUp = () => {
    let seconds = 0;
    let screen = '';
    let next: (() => void) | null = null;
    const playback = new Playback({
      cast,
      print: (text) => {
        screen += text;
      },
      clear: () => {
        screen = '';
      },
      onchange: () => {},
      now: () => seconds,
      tick: (callback) => {
        next = callback;
      },
    });
    const pass = (by: number) => {
      seconds += by;
      const call = next;
      next = null;
      call?.();
    };
    return { playback, pass, screen: () => screen };
  };

  test('prints what is due, and ends by itself', () => {
    const { playback, pass, screen } = setUp();
    playback.play();
    pass(0.4);
    expect(screen()).toBe('');
    pass(0.7);
    expect(screen()).toContain('echo');
    expect(playback.state).toMatchObject({ playing: true, ended: false });
    pass(5);
    expect(playback.state).toMatchObject({ playing: false, ended: true, position: 2.5 });
  });

  test('goes on from where it was paused, at the speed that is set', () => {
    const { playback, pass } = setUp();
    playback.play();
    pass(0.5);
    playback.pause();
    pass(100);
    expect(playback.state.position).toBe(0.5);
    playback.play();
    playback.speed = 4;
    pass(0.25);
    expect(playback.state.position).toBe(1.5);
  });

  test('begins again where somebody goes back, and after its end', () => {
    const { playback, pass, screen } = setUp();
    playback.seek(2.5);
    expect(screen()).toContain('cd');
    playback.seek(0.5);
    expect(screen()).toBe(cast.events[0]?.[1]);
    playback.seek(2.5);
    playback.play();
    pass(0.1);
    expect(screen()).toBe('');
    expect(playback.state.position).toBe(0.1);
  });
});
