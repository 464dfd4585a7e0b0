import { describe, expect, test } from 'vitest';
import { callNs, inMegabytes, madeMs } from './own-measures.ts';

describe('what is measured on the reader’s machine', () => {
  test('a start is counted from the request, or, made beforehand, from the beginning of that', () => {
    const steps = [{ endMs: 40 }, { endMs: 95 }, { endMs: 60 }];
    expect(madeMs({ pooledAt: null, terminalMs: 120, steps })).toBe(120);
    expect(madeMs({ pooledAt: 1, terminalMs: 3, steps })).toBe(95);
    expect(madeMs({ pooledAt: 1, terminalMs: 3, steps: [] })).toBeNull();
  });

  test('a system call is the time of dd divided by its calls', () => {
    const said =
      '100000+0 records in\n100000+0 records out\n100000 bytes (100 kB, 98 KiB) copied, 0.0452 s, 2.2 MB/s\n';
    expect(callNs(said, 200_000)).toBe(226);
    expect(callNs('dd: no such file', 200_000)).toBeNull();
  });

  test('memory is in the megabytes of the figures', () => {
    expect(inMegabytes(224_260_000)).toBe(224.3);
  });
});
