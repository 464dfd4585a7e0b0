import { expect, test } from 'vitest';
import type { LearnerMachine } from '../machines/machine.ts';
import type { HostView, SandboxEvent } from '../protocol/api.ts';
import { Onlookers } from './onlookers.ts';

/** A machine that is seen as its test says, and how often somebody looked. */
function machine(name: string, state = 'running') {
  const seen = { view: { name, state }, total: 0, looks: 0, hangs: Promise.resolve() };
  const hostView = async (): Promise<HostView> => {
    seen.looks++;
    await seen.hangs;
    return { outside: { processes: [], total: seen.total, hostNamespaces: null }, inside: null };
  };
  return Object.assign(seen, { hostView });
}
const as = (...machines: ReturnType<typeof machine>[]) => machines as unknown as LearnerMachine[];
const listen = () => {
  const told: string[] = [];
  const listener = (event: SandboxEvent) => {
    if (event.event === 'view') told.push(`${event.data.machine} ${event.data.outside.total}`);
  };
  return { told, listener };
};

test('each page is told of the machines that it asked for, once, and then when they change', async () => {
  const [box, vm, off] = [machine('box'), machine('vm'), machine('off', 'ended')];
  const onlookers = new Onlookers();
  const [one, two, none] = [listen(), listen(), listen()];
  const look = () => onlookers.look(as(box, vm, off), Date.now);
  await look();
  expect(box.looks).toBe(0);
  onlookers.add(one.listener, ['box', 'off']);
  onlookers.add(none.listener, []);
  await look();
  await look();
  expect(one.told).toEqual(['box 0']);
  expect([box.looks, vm.looks, off.looks]).toEqual([2, 0, 0]);
  const leave = onlookers.add(two.listener, ['box', 'vm']);
  box.total = 3;
  await look();
  expect([one.told, two.told, none.told]).toEqual([['box 0', 'box 3'], ['box 3', 'vm 0'], []]);
  leave();
  await look();
  expect(vm.looks).toBe(1);
});

test('a machine that does not let itself be looked at is not asked a second time meanwhile', async () => {
  const box = machine('box');
  const { promise, resolve } = Promise.withResolvers<void>();
  box.hangs = promise;
  const onlookers = new Onlookers();
  const { told, listener } = listen();
  onlookers.add(listener, ['box']);
  const first = onlookers.look(as(box), Date.now);
  await onlookers.look(as(box), Date.now);
  expect(box.looks).toBe(1);
  resolve();
  await first;
  expect(told).toEqual(['box 0']);
});
