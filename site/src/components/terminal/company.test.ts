import type { TerminalViewer } from '@bulkhead/sandbox-server/protocol/frames';
import { expect, it } from 'vitest';
import { describeCompany } from './company.ts';

const anna: TerminalViewer = { as: 'learner', name: 'Anna', types: true, you: false };
const ada: TerminalViewer = { as: 'instructor', name: 'ada', types: false, you: false };

it.each([
  ['nobody known', [], ''],
  ['only the reader', [{ ...anna, you: true }], ''],
  ['an instructor looks in', [{ ...anna, you: true }, ada], 'Instructor ada watches.'],
  [
    'one looks in and one helps',
    [{ ...anna, you: true }, ada, { ...ada, name: 'grace', types: true }],
    'Instructor ada watches. Instructor grace can type here.',
  ],
  ['two windows more', [{ ...anna, you: true }, anna, anna], 'Another window of yours can type here.'],
  [
    'a window that only shows',
    [
      { ...anna, you: true },
      { ...anna, types: false },
    ],
    'Another window of yours shows this.',
  ],
  [
    'the reader looks in',
    [anna, { ...ada, you: true }],
    'You watch; what you type goes nowhere. Learner Anna can type here.',
  ],
  [
    'a learner without a name',
    [
      { ...anna, name: '' },
      { ...ada, types: true, you: true },
    ],
    'Learner can type here.',
  ],
])('%s', (_what, company, said) => {
  expect(describeCompany(company)).toBe(said);
});
