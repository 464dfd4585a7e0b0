import { describe, expect, test } from 'vitest';
import { remarksOf } from './host-remark.ts';

const finding = (
  name: string,
  state: 'good' | 'note' | 'weak' | 'missing',
  remedy: string | null = null,
) => ({
  name,
  state,
  remedy,
});

describe('what npm start says of a host', () => {
  test('is nothing where all is well', () => {
    expect(remarksOf({ findings: [finding('release', 'good'), finding('swap', 'note')] }, 'probe')).toEqual(
      [],
    );
  });

  test('names what could be better on one line, with the command that says more', () => {
    const findings = [finding('kptr_restrict', 'weak', 'sysctl'), finding('kvm', 'weak', 'firmware')];
    expect(remarksOf({ findings }, 'sudo bulkhead probe')).toEqual([
      'This host could be better (kptr_restrict, kvm); what that means and what to do: sudo bulkhead probe',
    ]);
  });

  test('tells first, and in full, what containers cannot run without', () => {
    const findings = [finding('kvm', 'weak', 'firmware'), finding('memory', 'missing', 'Mount it.')];
    expect(remarksOf({ findings }, 'probe')[0]).toBe(
      'This host lacks what containers need, memory: Mount it.',
    );
  });
});
