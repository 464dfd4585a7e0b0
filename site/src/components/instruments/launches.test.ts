import type { Machine } from '@bulkhead/sandbox-server/protocol';
import { expect, test } from 'vitest';
import { launchesOf, launchOf } from './launches.ts';

const step = { by: 'runtime', step: 'exec', startMs: 1, endMs: 2, detail: '', source: null } as const;
const measures = {
  requestedAt: 5_000,
  pooledAt: null,
  readyMs: 3,
  terminalMs: null,
  promptMs: null,
  steps: [step],
};
const machine = (different: Partial<Machine>): Machine => ({
  ...{
    name: 'box',
    kind: 'container',
    profile: 'hardened',
    image: 'base',
    state: 'running',
    reason: null,
    end: null,
  },
  ...{ needs: [], carrier: false, why: '', label: null, hostPid: 7, createdAt: 1, facts: null, measures },
  where: { depth: 'host', host: 'ship', vm: null, kernel: null, accel: null },
  limits: { memoryBytes: 1, cpuMillis: 1, pids: 1, diskBytes: 1 },
  terminals: [{ terminal: 't1', state: 'running' }],
  ...different,
});

test('a launch is done when its terminal is open, or when it is ready and wants none', () => {
  const called = { label: 'Container', said: 'container' };
  const done = (one: Machine) => launchOf('box', 'container', called, one).done;
  expect(done(machine({}))).toBe(false);
  expect(done(machine({ measures: { ...measures, terminalMs: 9 } }))).toBe(true);
  expect(done(machine({ terminals: [] }))).toBe(true);
  expect(launchOf('box', 'container', called)).toMatchObject({ steps: [], done: false, pooled: null });
});

test('what was made beforehand says how long, and how soon it was given', () => {
  const pooled = { ...measures, pooledAt: 1_000 };
  expect(launchesOf([machine({ measures: pooled })])[0]?.pooled).toEqual({ agoMs: 4_000, givenMs: 3 });
});

test('what nobody measured is not drawn', () => {
  const found = launchesOf([machine({ measures: null }), machine({ name: 'vm', kind: 'vm' })]);
  expect(found.map(({ label, kind }) => [label, kind])).toEqual([['vm', 'vm']]);
});
