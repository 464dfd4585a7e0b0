// Mistakes in the text of a lab, each with its line and what was expected; and the tags that the documentation promises.
import { readFileSync } from 'node:fs';
import { labTags } from '@bulkhead/sandbox-server/protocol/lab-text';
import { describe, expect, test } from 'vitest';
import { checkLab } from './check.ts';
import { readText, runOf } from './text.ts';

const mistakesOf = (text: string) => readText(text, 10, 'lab.mdx').mistakes.map(({ message }) => message);
const inStep = (text: string) => `<Step id="one" title="One">\n\n${text}\n\n</Step>\n`;

describe('the text of a lab', () => {
  test('becomes parts with their lines, steps and attributes', () => {
    const text = inStep(
      '```run machine=vm terminal=2\necho {a} <b>\n```\n\n<Hint when="no file">\n\nSo.\n\n</Hint>',
    );
    const { parts, mistakes } = readText(text, 10, 'lab.mdx');
    expect(mistakes).toEqual([]);
    expect(parts).toEqual([
      { name: 'Step', line: 10, step: null, attributes: { id: 'one', title: 'One' }, text: '' },
      {
        name: 'run',
        line: 12,
        step: 'one',
        attributes: { machine: 'vm', terminal: 2 },
        text: 'echo {a} <b>',
      },
      { name: 'Hint', line: 16, step: 'one', attributes: { when: 'no file' }, text: '' },
    ]);
    expect(runOf(' machine=vm  terminal=2')).toEqual({ machine: 'vm', terminal: 2 });
  });

  test.each([
    [
      'a tag that is not there',
      inStep('<Hnit>\n\nSo.\n\n</Hnit>'),
      'lab.mdx:12: expected one of the tags Step, ',
    ],
    [
      'an attribute that is not there',
      inStep('<Hint wen="x">\n\nSo.\n\n</Hint>'),
      ':12: wen of <Hint>: there is no',
    ],
    ['a tag that is not closed', inStep('<Hint>\n\nSo.'), ':16: Unexpected closing tag `</Step>`'],
    ['a computed attribute', inStep('<Live command={f()} />'), ':12: command of <Live>: expected a number'],
    ['an expression', `${inStep('Text.')}\nA {brace}.`, ':16: expected no {expression}'],
    ['an import', 'import x from "y";\n', ':10: expected no import'],
    [
      'an unknown machine word',
      inStep('```run box\nls\n```'),
      ':12: box of ```run: there is no such attribute',
    ],
    ['a fifth terminal', inStep('```run terminal=5\nls\n```'), ':12: terminal of ```run: '],
    ['nothing to run', inStep('```run\n```'), ':12: expected a command'],
    [
      'a question without an answer',
      inStep('<Question question="Why?">\n\nSo.\n\n</Question>'),
      ':12: <Question>: expected either',
    ],
    [
      'one answer',
      inStep('<Predict question="Why?" answers={["a"]} right={0}>\n\nSo.\n\n</Predict>'),
      ':12: answers of <Predict>: ',
    ],
    ['an instrument of its own', inStep('<Instrument of="clock" />'), ':12: of of <Instrument>: '],
  ])('with %s is a mistake, with its line', (_, text, message) => {
    expect(mistakesOf(text).join('\n')).toContain(message);
  });
});

describe('a lab as a whole', () => {
  const LABS = `${import.meta.dirname}/../../../tests/labs`;

  test('without mistakes has none', () => {
    expect(checkLab(`${LABS}/three-steps`)).toMatchObject({ mistakes: [], lab: { slug: 'three-steps' } });
  });

  test('with mistakes has all of them named, each once', () => {
    const { lab, mistakes } = checkLab(`${LABS}/careless`);
    expect(lab?.slug).toBe('careless');
    expect(mistakes.map(({ message }) => message.replace(/^.*careless\//, ''))).toEqual([
      'lab.mdx:1: era: expected this field; the page shows it',
      'lab.mdx:13: Hint: expected it inside a <Step>',
      'lab.mdx:19: step only: expected a title',
      'lab.mdx:21: Live: expected a machine of this lab (box), not vm',
      'lab.mdx:23: Predict: right is 2, and there are 2 answers, from 0',
      'lab.mdx:29: Hint: steps/only/check never says “no such words”',
    ]);
  });
});

test('the documentation has every tag and every attribute', () => {
  const guide = readFileSync(`${import.meta.dirname}/../../../docs/writing-labs.md`, 'utf8');
  for (const [tag, schema] of Object.entries(labTags)) {
    expect(guide).toContain(`<${tag}`);
    for (const attribute of Object.keys(schema.shape)) expect(guide, tag).toContain(attribute);
  }
});
