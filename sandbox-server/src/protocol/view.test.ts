import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { capabilitiesOf, capabilityNames, eventsQuerySchema } from './view.ts';

test('a page and the runtime have the same names for capabilities, in the same order', () => {
  const path = join(import.meta.dirname, '../../../native/base/capability_names.c');
  const names = [...readFileSync(path, 'utf8').matchAll(/"(CAP_\w+)"/g)].map(([, name]) => name);
  expect(capabilityNames).toEqual(names);
});

test('a set as the kernel writes it is a list of names, also of what is newer than the list', () => {
  expect(capabilitiesOf('0000000000000000')).toEqual([]);
  expect(capabilitiesOf('0000000000000021')).toEqual(['CAP_CHOWN', 'CAP_KILL']);
  expect(capabilitiesOf('000001ffffffffff')).toEqual(capabilityNames);
  expect(capabilitiesOf('8000000000000000')).toEqual(['CAP_63']);
});

test('the query of the events names machines, and nothing else', () => {
  expect(eventsQuerySchema.parse({})).toEqual({});
  expect(eventsQuerySchema.parse({ view: 'box,vm' })).toEqual({ view: ['box', 'vm'] });
  for (const view of ['', 'box,', '../box', 'a,b,c,d,e,f,g,h,i', ['box', 'vm']])
    expect(eventsQuerySchema.safeParse({ view }).success, String(view)).toBe(false);
});
