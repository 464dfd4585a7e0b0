import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readFunction, readGuide } from './guide.ts';

const NATIVE = resolve(import.meta.dirname, '../../../native');

describe('the guide of native/', () => {
  const sections = readGuide(NATIVE);
  const told = sections.flatMap(({ blocks }) => blocks.filter((block) => 'trace' in block));

  test('has its eighteen steps in order', () => {
    const numbers = sections.flatMap(({ number }) => (number === null ? [] : [number]));
    expect(numbers).toEqual(Array.from({ length: 18 }, (_, index) => index + 1));
  });

  test('shows for each step of the trace the source that takes it', () => {
    for (const { trace, functions } of told) {
      expect(functions.length, trace).toBeGreaterThan(0);
      for (const { code, name } of functions) {
        expect(code).toContain(`${name}(`);
        expect(code.endsWith('\n}'), name).toBe(true);
        expect(code.split('\n').length, name).toBeLessThan(80);
      }
    }
  });

  test('has no two sections of one address', () => {
    const ids = sections.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('a guide that is not right', () => {
  const native = mkdtempSync(join(tmpdir(), 'guide-'));
  beforeAll(() => {
    mkdirSync(join(native, 'base'));
    writeFileSync(
      join(native, 'base/a.c'),
      'int there(void);\n\n// Why.\nint there(void) {\n    return 1;\n}\n',
    );
  });
  afterAll(() => rmSync(native, { recursive: true }));

  test('names what is not there, and is told so', () => {
    expect(() => readFunction(native, 'base/a.c', 'gone')).toThrow(
      'native/README.md names base/a.c:gone, and there is no such function',
    );
  });

  test('is not taken for another document', () => {
    writeFileSync(join(native, 'README.md'), '# Something else\n');
    expect(() => readGuide(native)).toThrow(/has no “## The program starts/);
  });

  test('finds the definition and not the declaration, with the comment above it', () => {
    expect(readFunction(native, 'base/a.c', 'there')).toMatchObject({
      line: 4,
      code: '// Why.\nint there(void) {\n    return 1;\n}',
    });
  });
});
