import { describe, expect, test } from 'vitest';
import { findings, LONG_SENTENCE, proseOf, read } from './prose.ts';

const said = (text: string): string[] => findings(text).map(({ line, text: what }) => `${line}: ${what}`);

describe('what reads everything that is written', () => {
  test('finds words that say nothing, and where', () => {
    expect(said('A wall.\nIt simply stands.')).toEqual(['2: “simply” says nothing: leave it out']);
    expect(said('We leverage it in order to see.')).toEqual([
      '1: “leverage” says nothing: write “use”',
      '1: “in order to” says nothing: write “to”',
    ]);
    expect(said('A State-of-the-art hypervisor.')).toEqual([
      '1: “state-of-the-art” says nothing: write “the year”',
    ]);
    expect(said('Simplicity, and the leverage of a lever.')).toHaveLength(1);
  });

  test('remarks on a sentence that is too long, and lets it pass', () => {
    const long = `It goes ${'on and '.repeat(LONG_SENTENCE / 2)}on.`;
    expect(findings(`Short.\n\n${long} Short.`)).toMatchObject([{ line: 3, error: false }]);
    const item = `- one ${'word '.repeat(LONG_SENTENCE / 2)}\n`;
    expect(findings(item.repeat(4)), 'items are not one sentence').toEqual([]);
    expect(findings(`| ${'cell '.repeat(LONG_SENTENCE)}|`), 'nor is a row of a table').toEqual([]);
  });

  test('passes over code, tags, addresses and what stands above a page', () => {
    const page = [
      '---\ntitle: simply\n---',
      "import Simply from './simply.astro';",
      '```\nsimply\n```',
      'It is `simply` [here](/simply/), <Term of="simply">there</Term> and <Cut piece={{ a: { b: 1 } }} says="simply" />.',
    ].join('\n');
    expect(findings(proseOf(page))).toEqual([]);
    expect(proseOf(page).split('\n')).toHaveLength(page.split('\n').length);
    expect(proseOf('<Remark>It simply is.</Remark>')).toContain('simply');
  });

  test('reads the values of data, not its keys', () => {
    expect(read('a.yaml', 'simply: it stands\nother:\n  - it simply stands\n')).toMatchObject([
      { line: 3, error: true },
    ]);
  });
});
