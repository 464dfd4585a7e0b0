import { describe, expect, test } from 'vitest';
import { isSetup, machinesOf } from './setup.ts';

const size = { columns: 80, rows: 18 };
const box = { name: 'box', kind: 'container', profile: 'hardened' } as const;
const builder = { ...box, profile: 'nested' } as const;
const vm = { name: 'vm', kind: 'vm', profile: null } as const;

describe('the machines of an experiment', () => {
  test('are what is asked for, and found again by it', () => {
    for (const setup of ['container', 'nested', 'pair'] as const) {
      const asked = machinesOf(setup, true, size);
      expect(isSetup(asked, setup), setup).toBe(true);
    }
  });

  test('are one container where no virtual machine can run', () => {
    expect(machinesOf('pair', false, size)).toEqual([{ ...box, ...size }]);
  });

  test('are not taken for those of another experiment', () => {
    expect(isSetup([builder], 'container')).toBe(false);
    expect(isSetup([box], 'nested')).toBe(false);
    expect(isSetup([box, vm], 'container')).toBe(false);
    expect(isSetup([box], 'pair')).toBe(false);
  });

  test('may have been put into a virtual machine by the server', () => {
    const carrier = { ...vm, name: 'vm-1', carrier: true } as const;
    expect(isSetup([builder, carrier], 'nested')).toBe(true);
    expect(isSetup([box, { ...vm, carrier: true }], 'pair')).toBe(false);
  });
});
