import { expect, test } from 'vitest';
import { newId } from '../ids.ts';
import { probe } from '../testing/scripted-broker.ts';
import { labelsOf, readLabels } from './labels.ts';
import { type MachinePlan, placeSandbox } from './placement.ts';

const sandbox = { id: newId(), owner: newId() };

test('what is noted with a VM says again what is in it', () => {
  const plain = { ...probe, cgroup: { version: 1, controllers: [] } };
  const [box, carrier] = placeSandbox(
    [{ name: 'box', kind: 'container', needs: ['nested', 'cgroup2'] }],
    plain,
  ) as [MachinePlan, MachinePlan];
  const id = newId();
  const labels = labelsOf(sandbox, carrier, [{ id, plan: box }]);
  expect(labels).toMatchObject({ sandbox: sandbox.id, owner: sandbox.owner });
  expect(readLabels(labels)).toMatchObject({
    name: 'carrier',
    carrier: true,
    needs: ['cgroup2', 'nested'],
    inhabitants: [
      { id, name: 'box', profile: 'nested', needs: ['cgroup2', 'nested'], image: 'base', limits: box.limits },
    ],
  });
});

test('the fullest sandbox fits into the labels that a broker keeps', () => {
  const inside = Array.from({ length: 7 }, (_, index) => ({
    name: `a-name-as-long-${index}`,
    kind: 'container' as const,
    in: 'vm',
    needs: ['cgroup2', 'selinux', 'nested', 'panic', 'modules'] as const,
  }));
  const needs = ['cgroup2', 'selinux', 'nested', 'panic', 'modules'] as const;
  const wanted = [{ name: 'vm', kind: 'vm' as const, needs: [...needs] }, ...inside];
  const [vm, ...others] = placeSandbox(
    wanted.map((wish) => ({ ...wish, needs: [...wish.needs] })),
    probe,
  ) as [MachinePlan, ...MachinePlan[]];
  const labels = labelsOf(
    sandbox,
    vm,
    others.map((plan) => ({ id: newId(), plan })),
  );
  expect(Object.keys(labels).length).toBeLessThanOrEqual(16);
  for (const text of Object.entries(labels).flat()) expect(text.length).toBeLessThanOrEqual(256);
  expect(readLabels(labels)?.inhabitants).toHaveLength(7);
});

test.each([
  ['no name', {}],
  ['a name that no machine has', { name: '../x' }],
])('labels that no server wrote are none: %s', (_what, labels) => {
  expect(readLabels(labels)).toBeNull();
});

test('a note that cannot be read is passed over', () => {
  const labels = {
    name: 'vm',
    'in.box': 'UPPER hardened',
    'in.two': `${newId()} strong`,
    'in.x y': `${newId()} nested`,
  };
  expect(readLabels(labels)).toMatchObject({ name: 'vm', needs: [], carrier: false, inhabitants: [] });
});
