// What is kept of a learner's way through a lab: here, on the server, and together.
import { describe, expect, test, vi } from 'vitest';
import type { request } from '../sandbox/api.ts';
import { judge } from './answers.ts';
import { readLayout, usualLayout } from './lab-layout.ts';
import { LabProgress } from './lab-progress.ts';
import { labTabs, nthTerminal } from './lab-tabs.ts';

function store(entries: Record<string, string> = {}) {
  const kept = new Map(Object.entries(entries));
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
}

const server = (done: unknown[], places: unknown[] = []) =>
  vi.fn(async () => ({ done, places })) as unknown as typeof request;

describe('progress', () => {
  test('is there again in the same browser', () => {
    const storage = store();
    const first = new LabProgress({ lab: 'one', ask: null, storage: () => storage });
    first.noteDone('a', false);
    first.notePlace('b');
    const again = new LabProgress({ lab: 'one', ask: null, storage: () => storage });
    expect(Object.keys(again.kept.done)).toEqual(['a']);
    expect(again.kept.place?.step).toBe('b');
    expect(new LabProgress({ lab: 'two', ask: null, storage: () => storage }).kept.place).toBeNull();
  });

  test('of this browser and of the server come together, and the later place wins', async () => {
    const ask = server(
      [
        { lab: 'one', step: 'b', doneAt: 5, proof: 'checked' },
        { lab: 'two', step: 'x', doneAt: 6, proof: 'checked' },
      ],
      [{ lab: 'one', step: 'c', at: Date.now() + 1_000 }],
    );
    const storage = store();
    const progress = new LabProgress({ lab: 'one', ask, storage: () => storage });
    progress.noteDone('a', false);
    progress.notePlace('a');
    const { done, place } = await progress.meet();
    expect(Object.keys(done).toSorted()).toEqual(['a', 'b']);
    expect(place?.step).toBe('c');
    // What only this browser knew, the server is told.
    expect(ask).toHaveBeenCalledWith('/api/progress/one/steps/a', { method: 'PUT', body: {} });
    expect(ask).not.toHaveBeenCalledWith('/api/progress/one/steps/b', expect.anything());
  });

  test('goes on without a server, and where storage is blocked', async () => {
    const ask = vi.fn(async () => {
      throw new Error('nobody there');
    }) as unknown as typeof request;
    const blocked = () => {
      throw new Error('blocked');
    };
    const progress = new LabProgress({ lab: 'one', ask, storage: blocked });
    progress.noteDone('a', true);
    expect(Object.keys((await progress.meet()).done)).toEqual(['a']);
    progress.forget();
    expect(progress.kept.done).toEqual({});
  });
});

test('an answer counts however it is written', () => {
  expect(judge('  6.18.0-VM ', ['6.18.0-vm'])).toBe(true);
  expect(judge('two  words.', ['Two words'])).toBe(true);
  expect(judge('–1', ['-1'])).toBe(true);
  expect(judge('41', ['42', '43'])).toBe(false);
  expect(judge('', ['42'])).toBe(false);
});

test('a layout is kept as far as it can be used', () => {
  const read = (text: string) => readLayout(() => store({ 'bulkhead-lab-layout': text }));
  expect(read('{"text": 30, "folded": "yes", "colour": "red"}')).toEqual({ ...usualLayout, text: 30 });
  expect(read('not json')).toEqual(usualLayout);
});

test('the terminals of all machines are tabs, those of carriers are not', () => {
  const machine = (name: string, states: string[], carrier = false) => ({
    name,
    kind: 'container',
    carrier,
    terminals: states.map((state, index) => ({ terminal: `t${index}`, state })),
  });
  const machines = [
    machine('box', ['exited', 'running', 'running']),
    machine('vm', []),
    machine('carrier', ['running'], true),
  ] as unknown as Parameters<typeof labTabs>[0];
  expect(labTabs(machines, undefined).map(({ label, id }) => `${label}: ${id}`)).toEqual([
    'box: box/t1',
    'box 2: box/t2',
    'vm: vm/',
  ]);
  expect(labTabs(machines, 'box/t0')[0]).toMatchObject({ id: 'box/t0', ended: true });
  expect(nthTerminal(machines[0], 2)).toBe('t2');
  expect(nthTerminal(machines[0], 3)).toBeUndefined();
});
