// The limits that keep native/ readable, and that its reading guide tells the truth.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { functionsIn, isTest, NATIVE, nativeFiles } from './native-source.ts';

const files = nativeFiles();
const sources = files.filter((file) => !isTest(file));
const guide = readFileSync(join(NATIVE, 'README.md'), 'utf8');

describe('native/ stays readable', () => {
  test('functions are found in the ways they are written here', () => {
    const text = [
      'static int add(int a,\n               int b) {\n    return a + b;\n}',
      'int prototype(void);',
      '_Noreturn void end(void) {\n    for (;;)\n        continue;\n}',
      '__attribute__((format(printf, 1, 2))) static void say(const char *format,\n                                                      ...) {\n    x();\n}',
      'static const struct {\n    int a;\n} table[] = {{1}};',
      'char *text(void) {\n    return NULL;\n}',
    ].join('\n\n');
    expect(functionsIn(text).map(({ name, lines }) => [name, lines])).toEqual([
      ['add', 4],
      ['end', 4],
      ['say', 4],
      ['text', 3],
    ]);
  });

  test('no file is longer than 600 lines', () => {
    const long = files.filter(({ text }) => text.split('\n').length > 600);
    expect(long.map(({ path }) => path)).toEqual([]);
  });

  test('no function is longer than 60 lines', () => {
    const long = files.flatMap(({ path, functions }) =>
      functions.filter(({ lines }) => lines > 60).map(({ name, lines }) => `${path}:${name} has ${lines}`),
    );
    expect(long).toEqual([]);
  });

  test('every file begins by saying what it is', () => {
    const silent = files.filter(({ text }) => !/^(\/\/|\/\*)/.test(text));
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  // A floor against forgetting, well below what stands; whether a comment says why, only a reader can tell.
  test('at least one line in twelve is a comment', () => {
    const sum = (count: (file: (typeof sources)[number]) => number) =>
      sources.reduce((total, file) => total + count(file), 0);
    expect(sum(({ comments }) => comments) / sum(({ lines }) => lines)).toBeGreaterThan(1 / 12);
  });

  test('no name says nothing, and nothing is left to be done later', () => {
    for (const { path, text } of files) {
      expect(path).not.toMatch(/util|helper|manager|common|misc/);
      expect(/\b(TODO|FIXME|XXX|HACK)\b/.test(text), path).toBe(false);
    }
  });

  test('a source with a header of its own is included by that name', () => {
    const headless = sources.filter(
      ({ path, text }) =>
        path.endsWith('.h') === false &&
        existsSync(join(NATIVE, path.replace(/\.c$/, '.h'))) &&
        !text.includes(`#include "${path.replace(/\.c$/, '.h')}"`),
    );
    expect(headless.map(({ path }) => path)).toEqual([]);
  });

  test('every step of the launch trace has words for a person', () => {
    const explain = files.find(({ path }) => path === 'runtime/explain.c')?.text ?? '';
    const mute = tracedSteps().filter((step) => !explain.includes(`{"${step}", "`));
    expect(mute).toEqual([]);
  });
});

const tracedSteps = (): string[] => [
  ...new Set(
    sources
      .filter(({ path }) => path.startsWith('runtime/'))
      .flatMap(({ text }) => [...text.matchAll(/\btrace_step\("([^"]+)"/g)].map(([, step]) => step ?? '')),
  ),
];

describe('the reading guide, native/README.md', () => {
  const places = [...guide.matchAll(/`((?:[a-z]+\/)[\w-]+\.[ch]):(\w+)`/g)];

  test('names functions that are where it says', () => {
    expect(places.length).toBeGreaterThan(60);
    for (const [, path = '', name = ''] of places) {
      const file = files.find((one) => one.path === path);
      expect(file, `${path} is named, but there is no such file`).toBeDefined();
      const names = file?.functions.map((one) => one.name) ?? [];
      expect(names, `${path} has no function ${name}`).toContain(name);
    }
  });

  test('names files and folders that exist', () => {
    for (const [, path = ''] of guide.matchAll(/`((?!docs|tests)[a-z]+\/(?:[\w-]+\.[a-z]+)?)`/g))
      expect(existsSync(join(NATIVE, path)), path).toBe(true);
    for (const [, path = ''] of guide.matchAll(/`((?:tests|docs)\/[\w/.-]+)`/g))
      expect(existsSync(join(dirname(NATIVE), path)), path).toBe(true);
  });

  test('names every message of the handshake, and every step of the trace', () => {
    const header = files.find(({ path }) => path === 'runtime/handshake.h')?.text ?? '';
    // Of `exec` alone, and the one that nobody sends.
    const elsewhere = ['HANDSHAKE_PID', 'HANDSHAKE_EXECED'];
    const messages = [...header.matchAll(/^ {4}(HANDSHAKE_\w+)/gm)].map(([, name]) => name ?? '');
    expect(messages.length).toBeGreaterThan(elsewhere.length);
    expect(messages.filter((name) => !elsewhere.includes(name) && !guide.includes(name))).toEqual([]);
    expect(tracedSteps().filter((step) => !guide.includes(`\`${step}\``))).toEqual([]);
  });
});
