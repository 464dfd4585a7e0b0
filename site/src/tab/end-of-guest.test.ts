// What is said of a machine in the tab that has ended: its last words decide, wherever in a long trace they stand.
import { describe, expect, test } from 'vitest';
import { endOfGuest } from './end-of-guest.ts';

const panic = '[   12.3] Kernel panic - not syncing: sysrq triggered crash';
const trace = Array.from({ length: 90 }, (_, line) => `[   12.4]  frame_${line}+0x1/0x2`);

describe('the end of a guest', () => {
  test('is a panic, with its words, however long the trace after them is', () => {
    const [reason, { cause, console }] = endOfGuest(['quiet before', panic, ...trace]);
    expect(reason).toBe('Its kernel panicked: sysrq triggered crash');
    expect(cause).toBe('panic');
    expect(console).toHaveLength(40);
    expect(console[0]).toBe(panic);
  });

  test('is what was said last', () => {
    expect(endOfGuest([panic, 'bulkheadd: the guest was asked to power off'])[1].cause).toBe('poweroff');
    expect(endOfGuest(['bulkheadd: the guest was asked to restart'])[1].cause).toBe('reboot');
  });

  test('is not known where it said nothing, and no control character is passed on', () => {
    const [reason, end] = endOfGuest(['\u001b[31mred']);
    expect(reason).toMatch(/^It is gone/);
    expect(end).toEqual({ cause: 'lost', console: ['[31mred'] });
  });
});
