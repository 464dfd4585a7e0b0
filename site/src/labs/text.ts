// Reads the text of a lab with the parser that the site is built with, and says every mistake in it with its line.
import { LabError } from '@bulkhead/sandbox-server/labs/front-matter';
import type { Lab } from '@bulkhead/sandbox-server/labs/lab';
import { type LabTag, labTags, type Run, runSchema } from '@bulkhead/sandbox-server/protocol/lab-text';
import { type MdastNode, mdxToMdast } from 'satteri';

/** A tag, or a block of commands, with the line in the file on which it begins. */
export interface Part {
  name: LabTag | 'run';
  line: number;
  /** The step that it is in; null outside of all. */
  step: string | null;
  attributes: Record<string, unknown>;
  /** What is run, of a block of commands. */
  text: string;
}

type Found = { parts: Part[]; mistakes: LabError[] };

/** Everything in `text` that is more than prose. `bodyLine`: the line of the file on which the text begins. */
export function readText(text: string, bodyLine: number, file: string): Found {
  const found: Found = { parts: [], mistakes: [] };
  try {
    new Walk(found, bodyLine, file).visit(mdxToMdast(text), []);
  } catch (error) {
    // "9:1: Unexpected closing tag `</Step>`, … (mdx-jsx:unexpected-character)"
    const said = error instanceof Error ? error.message : String(error);
    const [, line = '1', what = said] = /^(\d+):\d+: (.*?)(?: \(mdx[^()]*\))?$/s.exec(said) ?? [];
    found.mistakes.push(new LabError(file, Number(line) + bodyLine - 1, what));
  }
  return found;
}

/** What must hold between the text of a lab and the rest of it. */
export function checkText({ matter, steps }: Lab, parts: readonly Part[], file: string): LabError[] {
  const mistakes = lacks(matter, steps, parts, file);
  const names = matter.machines.map(({ name }) => name);
  const finish = parts.find(({ name }) => name === 'Finish');
  for (const part of parts) {
    const fail = (expected: string) => mistakes.push(new LabError(file, part.line, expected));
    const { machine, when, answers, right } = part.attributes;
    if (typeof machine === 'string' && part.name !== 'Step' && !names.includes(machine))
      fail(`${part.name}: expected a machine of this lab (${names.join(', ')}), not ${machine}`);
    if (Array.isArray(answers) && typeof right === 'number' && right >= answers.length)
      fail(`${part.name}: right is ${right}, and there are ${answers.length} answers, from 0`);
    if (part.step === null && ['Hint', 'Instrument', 'Edit', 'run'].includes(part.name))
      fail(`${part.name}: expected it inside a <Step>`);
    if (part.step !== null && (part.name === 'Finish' || part.name === 'Step'))
      fail(`${part.name}: expected it outside of other steps`);
    if (finish && part.name === 'Step' && part.line > finish.line)
      fail('Step: expected <Finish> to come after the last step');
    const step = steps.find(({ id }) => id === part.step);
    if (typeof when === 'string' && step && !step.check.includes(when))
      fail(`Hint: steps/${step.id}/check never says “${when}”`);
  }
  return mistakes;
}

/** What the server can do without and a page cannot. */
function lacks(matter: Lab['matter'], steps: Lab['steps'], parts: readonly Part[], file: string): LabError[] {
  const fields = (['era', 'level', 'minutes', 'license', 'authors'] as const)
    .filter((field) => matter[field] === undefined)
    .map((field) => new LabError(file, 1, `${field}: expected this field; the page shows it`));
  const titles = parts
    .filter(({ name, attributes }) => name === 'Step' && !attributes.title)
    .map(({ line, attributes }) => new LabError(file, line, `step ${attributes.id}: expected a title`));
  const last = parts.findLast(({ name }) => name === 'Step')?.line ?? 1;
  const finish = parts.some(({ name }) => name === 'Finish')
    ? []
    : [new LabError(file, last, 'expected <Finish>…</Finish> after this, the last step: what was learned')];
  return steps.length === 0 ? [] : [...fields, ...titles, ...finish];
}

class Walk {
  readonly #found: Found;
  readonly #first: number;
  readonly #file: string;

  constructor(found: Found, bodyLine: number, file: string) {
    this.#found = found;
    this.#first = bodyLine;
    this.#file = file;
  }

  visit(node: MdastNode, above: readonly Part[]): void {
    const line = (node.position?.start.line ?? 1) + this.#first - 1;
    const step = above.findLast(({ name }) => name === 'Step')?.attributes.id;
    const inside = typeof step === 'string' ? step : null;
    let within = above;
    if (node.type === 'mdxJsxFlowElement' || node.type === 'mdxJsxTextElement') {
      const part = this.#tag(node, line, inside);
      if (part) within = [...above, part];
    } else if (node.type === 'code' && node.lang === 'run') {
      this.#run(node.meta ?? '', node.value, line, inside);
    } else if (node.type === 'mdxjsEsm') {
      this.#fail(line, 'expected no import and no export: a lab has the tags that it has');
    } else if (node.type.endsWith('Expression') && 'value' in node && !/^\s*\/\*/.test(`${node.value}`)) {
      this.#fail(line, 'expected no {expression}: write \\{ for a brace, and {/* … */} for a comment');
    }
    if ('children' in node) for (const child of node.children) this.visit(child as MdastNode, within);
  }

  #tag(
    node: Extract<MdastNode, { type: 'mdxJsxFlowElement' | 'mdxJsxTextElement' }>,
    line: number,
    step: string | null,
  ): Part | null {
    const name = node.name ?? '';
    if (!/^[A-Z]/.test(name)) return null;
    if (!Object.hasOwn(labTags, name)) {
      const known = Object.keys(labTags).join(', ');
      this.#fail(line, `expected one of the tags ${known}, not ${name}`);
      return null;
    }
    const attributes: Record<string, unknown> = {};
    for (const one of node.attributes) {
      if (one.type !== 'mdxJsxAttribute') {
        this.#fail(line, `${name}: expected attributes with names`);
        continue;
      }
      attributes[one.name] = this.#value(one.value, line, `${one.name} of <${name}>`);
    }
    const part: Part = { name: name as LabTag, line, step, attributes, text: '' };
    this.#check(labTags[name as LabTag], attributes, line, `<${name}>`);
    this.#found.parts.push(part);
    return part;
  }

  /** Text, or what is between braces: JSON, so that it can be checked without being run. */
  #value(value: unknown, line: number, what: string): unknown {
    if (value === null || value === undefined) return true;
    if (typeof value === 'string') return value;
    const { value: source } = value as { value: string };
    try {
      return JSON.parse(source);
    } catch {
      this.#fail(line, `${what}: expected a number, true, false, or a list of texts in double quotes`);
      return undefined;
    }
  }

  #run(meta: string, text: string, line: number, step: string | null): void {
    const attributes = wordsOf(meta);
    this.#check(runSchema, attributes, line, '```run');
    if (text.trim() === '') this.#fail(line, 'expected a command in this block');
    this.#found.parts.push({ name: 'run', line, step, attributes, text });
  }

  #check(
    schema: (typeof labTags)[LabTag] | typeof runSchema,
    attributes: Record<string, unknown>,
    line: number,
    what: string,
  ): void {
    const parsed = schema.safeParse(attributes);
    const issue = parsed.error?.issues[0];
    if (!issue) return;
    const at = issue.code === 'unrecognized_keys' ? issue.keys[0] : issue.path.join('.');
    const expected = issue.code === 'unrecognized_keys' ? 'there is no such attribute' : issue.message;
    this.#fail(line, at ? `${at} of ${what}: ${expected}` : `${what}: ${expected}`);
  }

  #fail(line: number, expected: string): void {
    this.#found.mistakes.push(new LabError(this.#file, line, expected));
  }
}

/** The words behind ```run: `machine=box terminal=2`. */
function wordsOf(meta: string): Record<string, unknown> {
  const words = meta.split(/\s+/).filter(Boolean);
  return Object.fromEntries(
    words.map((word) => {
      const [name = '', value = ''] = word.split('=', 2);
      return [name, /^\d+$/.test(value) ? Number(value) : value];
    }),
  );
}

/** The same, of a text without mistakes. */
export const runOf = (meta: string): Run => runSchema.parse(wordsOf(meta));
