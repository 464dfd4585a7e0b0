// native/README.md tells the launch in order. So does a launch's trace: they must agree.
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runtime, Workshop } from './bundle.ts';

const able = process.getuid?.() === 0 && existsSync(runtime);
const guide = readFileSync(resolve(import.meta.dirname, '../../native/README.md'), 'utf8');

type Told = { side: string; step: string; file: string };

/** The steps as the guide tells them: who does each, its name in the trace, and the source that it sends the reader to. */
const told = (): Told[] =>
  [...guide.matchAll(/^> (runtime|child|either) · trace `([^`]+)` · .*$/gm)].map(
    ([line, side = '', step = '']) => ({
      side,
      step,
      file: /`([a-z]+\/\w+\.c):/.exec(line)?.[1] ?? '',
    }),
  );

type Traced = { step: string; start_ns: number; source: string };

/** What a launch says it did, in the order in which each side began it, repetitions in a row left out. */
const inOrder = (trace: Traced[], side: 'runtime' | 'child'): string[] => {
  const sides = new Map(told().map((one) => [one.step, one.side]));
  return trace
    .filter(({ step }) => sides.get(step) === side)
    .sort((a, b) => a.start_ns - b.start_ns)
    .map(({ step }) => step)
    .filter((step, index, all) => step !== all[index - 1]);
};

describe.skipIf(!able)('the reading guide (needs root and native/build)', () => {
  let shop: Workshop;
  let trace: Traced[];

  beforeAll(() => {
    shop = new Workshop();
    const bundle = shop.bundle('true', (config) => {
      config.hooks = { createContainer: [{ path: '/bin/true' }] };
    });
    const done = shop.shell(`${runtime} --root ${shop.state} --trace-fd 3 run --bundle ${bundle} told 3>&1`);
    expect(done).toMatchObject({ status: 0, stderr: '' });
    const lines = done.stdout.trim().split('\n');
    trace = lines.map((line) => JSON.parse(line) as Traced);
  });
  afterAll(() => shop.end());

  test('tells every step that a launch takes', () => {
    const steps = told().map(({ step }) => step);
    for (const { step } of trace) expect(steps).toContain(step);
    // Of those told, only what this host or this bundle does not ask for did not happen.
    const happened = new Set(trace.map(({ step }) => step));
    const absent = ['console', 'SELinux label', 'seccomp listener', 'label check'];
    for (const step of steps.filter((one) => !absent.includes(one))) expect([...happened]).toContain(step);
  });

  test.each(['runtime', 'child'] as const)(
    'tells the steps of the %s in the order in which it takes them',
    (side) => {
      const seen = inOrder(trace, side);
      const expected = told().filter((one) => one.side === side && seen.includes(one.step));
      expect(seen).toEqual(expected.map(({ step }) => step));
    },
  );

  test('sends the reader to the file that the step is taken in', () => {
    for (const { step, source } of trace) {
      const line =
        guide.split('\n').find((one) => one.startsWith('> ') && one.includes(`trace \`${step}\``)) ?? '';
      const file = source.replace(/^native\//, '').replace(/:\d+$/, '');
      expect(line, `${step} is taken in ${file}`).toContain(`\`${file}:`);
    }
  });
});
