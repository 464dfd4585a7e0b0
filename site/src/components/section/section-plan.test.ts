import { describe, expect, it } from 'vitest';
import { describeSection, frames, type Partition, place } from './section-plan.ts';

const box: Partition = { id: 'box', kind: 'container', label: 'a container', state: 'standing' };
const vm: Partition = { id: 'vm', kind: 'vm', label: 'a virtual machine', state: 'planned' };

describe('a section drawing', () => {
  it.each(['wide', 'narrow'] as const)(
    'stands a container on the common deck and lifts a VM off it (%s)',
    (layout) => {
      const frame = frames[layout];
      const [container, machine] = place(frame, [box, vm]);
      expect(container?.struts).toBeNull();
      expect((container?.box.y ?? 0) + (container?.box.height ?? 0)).toBeCloseTo(frame.deck.y, -1);
      expect(machine?.struts).not.toBeNull();
      expect((machine?.box.y ?? 0) + (machine?.box.height ?? 0)).toBeLessThan(frame.deck.y - 10);
    },
  );

  it.each(['wide', 'narrow'] as const)('keeps partitions apart and inside the hull (%s)', (layout) => {
    const frame = frames[layout];
    const placed = place(frame, [box, { ...vm, id: 'a' }, { ...vm, id: 'b' }]);
    const edges = placed.flatMap(({ box: { x, width } }) => [x, x + width]);
    expect(edges).toEqual([...edges].sort((first, second) => first - second));
    expect(edges[0]).toBeGreaterThanOrEqual(frame.room.from);
    expect(edges.at(-1)).toBeLessThanOrEqual(frame.room.to);
  });

  it('says in words what it shows', () => {
    expect(describeSection('Linux 6.18', [box, vm])).toBe(
      'A ship in section. The hull is the hardware; its deck is Linux 6.18. On it: a container, standing, on the common deck; ' +
        'a virtual machine, not started, on a deck of its own.',
    );
  });
});
