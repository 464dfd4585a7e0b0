// `bulkhead run --explain`: the launch told to a person.
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runtime, Workshop } from './bundle.ts';

const able = process.getuid?.() === 0 && existsSync(runtime);

describe.skipIf(!able)('bulkhead run --explain (needs root and native/build)', () => {
  let shop: Workshop;
  beforeAll(() => {
    shop = new Workshop();
  });
  afterAll(() => shop.end());

  test('says each step in words, with when, how long and where in the source, and runs the program', () => {
    const { stdout, stderr, status } = shop.run([
      'run',
      '--explain',
      '--bundle',
      shop.bundle('echo inside; ls /proc/self/fd; exit 4'),
      'told',
    ]);
    expect(status).toBe(4);
    expect(stdout).toBe('inside\n0\n1\n2\n3\n');
    const lines = stderr.trim().split('\n');
    for (const line of lines)
      expect(line).toMatch(/^ *\d+\.\d\d ms {2}\S.*: .+ {2}\(\d+\.\d\d ms, native\/runtime\/\w+\.c:\d+\)$/);
    const place = (words: string): number => lines.findIndex((line) => line.includes(words));
    const order = [
      'read what the container is to be: ',
      'make its first process, in namespaces of its own: user mount pid',
      'put its root file system together: overlay of ',
      'let go of the host’s'.replace('’', "'"),
      'turn into its program: /bin/sh',
    ].map(place);
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(order).not.toContain(-1);
    // Every step that there is has words of its own.
    for (const line of lines) expect(line).not.toMatch(/ms {2}[\w.]+: /);
  });

  test('says nothing more than the error where the launch fails', () => {
    const { stderr } = shop.run([
      'run',
      '--explain',
      '--bundle',
      shop.bundle('true', (config) => {
        config.process.args = ['no-such-program'];
      }),
      'failed',
    ]);
    expect(stderr.trim().split('\n').at(-1)).toContain(
      'bulkhead: cannot run process.args[0] "no-such-program"',
    );
  });
});
