import type { Machine } from '@bulkhead/sandbox-server/protocol';
import { endCauses } from '@bulkhead/sandbox-server/protocol';
import { describe, expect, it } from 'vitest';
import { titleOfEnd } from './end-title.ts';

const ended = (cause: (typeof endCauses)[number], containers = 0): Pick<Machine, 'state' | 'end'> => ({
  state: 'ended',
  end: { cause, at: 0, containers, console: [] },
});

describe('the heading over a machine that has ended', () => {
  it.each([
    [0, 'Kernel panicked'],
    [1, 'Kernel panicked, 1 container went with it'],
    [3, 'Kernel panicked, 3 containers went with it'],
  ])('counts the containers that went with it: %i', (containers, title) =>
    expect(titleOfEnd(ended('panic', containers), 'virtual machine')).toBe(title),
  );

  it('has words for every cause', () => {
    const all = endCauses.map((cause) => titleOfEnd(ended(cause), 'virtual machine'));
    expect(new Set(all).size).toBe(endCauses.length);
  });

  it('says when there was nothing to end', () =>
    expect(titleOfEnd({ state: 'failed', end: null }, 'container')).toBe('The container never ran'));
});
