// Words that stand in a component cannot be translated. This finds them in all that is drawn with Svelte.
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parse } from 'svelte/compiler';
import { describe, expect, it } from 'vitest';

const source = join(import.meta.dirname, '..');
const components = join(source, 'components');
const content = join(source, 'content');
const read = (path: string): string => readFileSync(path, 'utf8');

/** Attributes that are read or heard. */
const heard = new Set([
  'aria-label',
  'aria-description',
  'aria-valuetext',
  'alt',
  'label',
  'placeholder',
  'title',
]);
/** Letters in a row of which one is small: a key's cap, a glyph or a number is no word. */
const isWords = (text: string) => /[a-z]\p{L}|\p{L}[a-z]/u.test(text.replace(/&\w+;/g, ''));
/** In an expression most strings are keys, classes and names: there it takes two words, or a capital before small letters. */
const isSentence = (text: string) => /\p{L}{2,} \p{L}|^\p{Lu}\p{Ll}+(…|$)/u.test(text);

type Node = Record<string, unknown>;
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null;

/** What a component says in words of its own. */
function ownWords(source: string): string[] {
  const found: string[] = [];
  const look = (node: unknown, attribute?: string): void => {
    if (Array.isArray(node)) {
      for (const one of node) look(one, attribute);
      return;
    }
    if (!isNode(node)) return;
    if (node.type === 'Attribute' || node.type === 'StyleDirective') {
      look(node.value, String(node.name));
      return;
    }
    // Two strings that are compared are said to nobody; nor is the key that say() is given, or what is looked for in a page.
    if (node.type === 'BinaryExpression' && node.operator !== '+') return;
    if (node.type === 'CallExpression' && isNode(node.callee)) {
      const { name, property } = node.callee;
      const called = String(isNode(property) ? property.name : name);
      if (/^(say|closest|matches|querySelector(All)?)$/.test(called)) return;
    }
    const mute = attribute !== undefined && !heard.has(attribute);
    if (node.type === 'Text' && !mute && isWords(String(node.data))) found.push(String(node.data).trim());
    if (node.type === 'Literal' && !mute && isSentence(String(node.value))) found.push(String(node.value));
    if (node.type === 'TemplateElement' && !mute && isNode(node.value) && isSentence(String(node.value.raw)))
      found.push(String(node.value.raw).trim());
    for (const [key, value] of Object.entries(node))
      if (key !== 'metadata' && key !== 'parent') look(value, attribute);
  };
  const { fragment, instance } = parse(source, { modern: true });
  look(fragment);
  look(instance);
  return found;
}

describe('what Svelte draws', () => {
  it.each([
    ['text', '<p>Two words</p>', ['Two words']],
    ['a label that is heard', '<button aria-label="Close">x</button>', ['Close']],
    ['a choice between two', "<p>{busy ? 'Starting…' : ''}</p>", ['Starting…']],
    ['a sentence with values', `<p>{\`It took \${ms} ms\`}</p>`, ['It took']],
    ['words of the script', "<script>const why = 'it has no image';</script>", ['it has no image']],
    ['nothing', "<p class=\"one two\">{say('notice.end')} ↑ {1 + 2}{#if key === 'Enter'}…{/if}</p>", []],
  ])('has words of its own where there is %s', (_what, source, words) => {
    expect(ownWords(source)).toEqual(words);
  });

  const left = globSync('**/*.svelte', { cwd: components }).filter(
    (component) => ownWords(read(join(components, component))).length > 0,
  );

  it('has its words in content/live', () => {
    expect(left).toEqual([]);
  });
});

it('every language of the pages is one of what is drawn', () => {
  const languages = globSync('*.json', { cwd: join(content, 'i18n') }).map((file) => basename(file, '.json'));
  expect(globSync('*', { cwd: join(content, 'live') }).sort()).toEqual(languages.sort());
});

describe('of the words of a folder', () => {
  const folders = new Map(
    globSync('*/**/*words.ts', { cwd: source }).flatMap((file) => {
      const words = read(join(source, file)).match(/live\/en\/([\w-]+\.json)/)?.[1];
      return words ? [[words, join(source, dirname(file))]] : [];
    }),
  );
  it.each(globSync('*.json', { cwd: join(content, 'live/en') }))('each is said there: %s', (file) => {
    const folder = folders.get(file) ?? '';
    const code = globSync('**/*.{ts,svelte}', { cwd: folder }).map((one) => read(join(folder, one)));
    const words = Object.keys(JSON.parse(read(join(content, 'live/en', file))));
    // company.ts puts its keys together of who it is and what they do.
    const unsaid = words.filter(
      (key) => !/^company\.(instructor|learner)/.test(key) && !code.some((text) => text.includes(`'${key}'`)),
    );
    expect(unsaid).toEqual([]);
  });
});
