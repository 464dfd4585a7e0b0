// Finds the steps of a lab in its text: the opening tags of <Step>, outside of code.
import type * as z from 'zod';
import { stepAttributesSchema } from '../protocol/labs.ts';
import { LabError } from './front-matter.ts';

export type StepTag = z.output<typeof stepAttributesSchema> & { line: number };

const attribute = /\s*([A-Za-z]+)(?:=(?:"([^"]*)"|\{(true|false)\}))?/y;

/** In the order of the text. `line`: where that begins. Throws LabError. */
export function findSteps(text: string, line: number, file: string): StepTag[] {
  const prose = withoutCode(text);
  const tags: StepTag[] = [];
  for (const { index } of prose.matchAll(/<Step(?=[\s>/])/g)) {
    const tag = readTag(prose, index, line + (prose.slice(0, index).match(/\n/g)?.length ?? 0), file);
    if (tags.some(({ id }) => id === tag.id))
      throw new LabError(file, tag.line, `expected one step ${tag.id}; this is another`);
    tags.push(tag);
  }
  return tags;
}

function readTag(text: string, begin: number, line: number, file: string): StepTag {
  const found: Record<string, string | boolean> = {};
  let at = begin + '<Step'.length;
  for (;;) {
    attribute.lastIndex = at;
    const match = attribute.exec(text);
    if (!match) break;
    const [whole, name = '', quoted, braced] = match;
    if (name in found) throw new LabError(file, line, `expected ${name} of <Step> once`);
    found[name] = quoted ?? (braced === undefined || braced === 'true');
    at += whole.length;
  }
  if (!/^\s*>/.test(text.slice(at, at + 200)))
    throw new LabError(file, line, 'expected <Step id="…" machine="…" watch>, with texts in double quotes');
  const parsed = stepAttributesSchema.safeParse(found);
  if (parsed.success) return { ...parsed.data, line };
  const issue = parsed.error.issues[0];
  const what = issue?.code === 'unrecognized_keys' ? issue.keys[0] : issue?.path.join('.');
  throw new LabError(file, line, `${what} of <Step>: ${issue?.message}`);
}

/** The same text with what is code or a comment as spaces, so that lines and places stay. */
function withoutCode(text: string): string {
  const blank = (code: string) => code.replace(/[^\n]/g, ' ');
  return text
    .replace(/^ {0,3}(`{3,}|~{3,})[^\n]*\n[\s\S]*?(^ {0,3}\1[`~]*[ \t]*$|(?![\s\S]))/gm, blank)
    .replace(/\{\/\*[\s\S]*?\*\/\}/g, blank)
    .replace(/(`+)(?!`)[^\n]*?[^`]\1(?!`)/g, blank);
}
