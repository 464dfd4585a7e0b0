import type { Machine } from '@bulkhead/sandbox-server/protocol';
import { describe, expect, it } from 'vitest';
import { shownTab, tabsOf } from './tabs.ts';

const machine = (name: string, kind: Machine['kind'], terminals: Machine['terminals']): Machine =>
  ({ name, kind, state: 'running', terminals }) as Machine;
const running = (terminal: string) => ({ terminal, state: 'running' as const });
const exited = (terminal: string) => ({ terminal, state: 'exited' as const });
const labels = (...args: Parameters<typeof tabsOf>) => tabsOf(...args).map(({ label }) => label);

describe('the tabs of a machine', () => {
  it('begin with a place for the first shell, before there is a machine', () => {
    expect(tabsOf(undefined, [], undefined, 'vm')).toMatchObject([{ id: 'vm/', terminal: undefined }]);
  });

  it('are its shells, and one for each container inside it', () => {
    const vm = machine('vm', 'vm', [running('t1'), running('t2')]);
    const inner = machine('inner', 'container', [running('t7')]);
    expect(labels(vm, [inner], undefined, 'vm')).toEqual(['shell', 'shell 2', 'inner']);
    expect(tabsOf(vm, [inner], undefined, 'vm').at(-1)).toMatchObject({
      machine: 'inner',
      kind: 'container',
      terminal: 't7',
    });
  });

  it('drop a shell that ended, unless it is looked at or was the last', () => {
    const vm = machine('vm', 'vm', [exited('t1'), running('t2')]);
    expect(tabsOf(vm, [], undefined, 'vm').map(({ id }) => id)).toEqual(['vm/t2']);
    expect(tabsOf(vm, [], 'vm/t1', 'vm').map(({ id }) => id)).toEqual(['vm/t1', 'vm/t2']);
    expect(tabsOf(machine('vm', 'vm', [exited('t1')]), [], undefined, 'vm')).toMatchObject([{ ended: true }]);
  });

  it('show the chosen one, or the newest shell once that is gone', () => {
    const vm = machine('vm', 'vm', [running('t1'), running('t2')]);
    const tabs = tabsOf(vm, [], undefined, 'vm');
    expect(shownTab(tabs, 'vm/t1', 'vm')?.id).toBe('vm/t1');
    expect(shownTab(tabs, 'vm/t9', 'vm')?.id).toBe('vm/t2');
  });
});
