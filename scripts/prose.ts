// Reads everything that is written for people and says where it does not sound like us: words that fill a line and say nothing are
// errors, sentences that one has to read twice are remarks. `node scripts/prose.ts` reads all, with names only those files.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

/** Words in a sentence from which on it is remarked on. */
export const LONG_SENTENCE = 48;

/** What to write in place of each; nothing means: leave it out. */
const fillers: Record<string, string> = {
  actually: '',
  amazing: 'what is so about it',
  basically: '',
  'best-in-class': 'a number',
  'blazing(ly)?( |-)fast': 'the time, and on what machine',
  'cutting(-| )edge': 'the year',
  'delv(e|es|ing) into': 'see',
  'due to the fact that': 'because',
  effortless: 'the steps it takes',
  'game(-| )changer': 'what changed',
  'in order to': 'to',
  'it should be noted that': '',
  'it is important to note': '',
  'leverag(e|es|ed|ing)': 'use',
  literally: '',
  'needless to say': '',
  'next(-| )generation': 'what is new',
  obviously: '',
  plethora: 'how many',
  powerful: 'what it can do',
  robust: 'what it withstands',
  'seamless(ly)?': 'what happens in between',
  simply: '',
  'state(-| )of(-| )the(-| )art': 'the year',
  'utili[sz](e|es|ed|ing)': 'use',
  'world(-| )class': 'a number',
};
const filler = new RegExp(`\\b(${Object.keys(fillers).join('|')})\\b`, 'gi');

export interface Finding {
  line: number;
  text: string;
  /** A filler fails the check; a long sentence is for its author to think about. */
  error: boolean;
}

const blank = (text: string): string => text.replace(/[^\n]/g, ' ');

/** The prose of a Markdown or MDX text, every line where it was: without code, tags, imports and addresses. */
export function proseOf(markdown: string): string {
  return markdown
    .replace(/^---\n[\s\S]*?\n---$/m, blank)
    .replace(/^(```|~~~)[\s\S]*?^\1/gm, blank)
    .replace(/^(import|export) .*$/gm, blank)
    .replace(/<!--[\s\S]*?-->/g, blank)
    .replace(/<[A-Za-z/](?:"[^"]*"|'[^']*'|\{(?:[^{}]|\{[^{}]*\})*\}|[^<>])*>/g, blank)
    .replace(/\{`?[^}\n]*\}/g, blank)
    .replace(/`[^`]*`/g, (code) => `x${blank(code).slice(1)}`)
    .replace(/\]\([^)]*\)/g, (target) => `]${blank(target).slice(1)}`);
}

const lineAt = (text: string, index: number): number => text.slice(0, index).split('\n').length;

/** What is to be said of a text of prose. */
export function findings(prose: string): Finding[] {
  const found: Finding[] = [];
  for (const match of prose.matchAll(filler)) {
    const word = match[0].toLowerCase();
    const instead = Object.entries(fillers).find(([pattern]) => new RegExp(`^(${pattern})$`).test(word))?.[1];
    const advice = instead ? `write “${instead}”` : 'leave it out';
    found.push({ line: lineAt(prose, match.index), text: `“${word}” says nothing: ${advice}`, error: true });
  }
  // A paragraph, an item, a heading and a row of a table each end what is in them.
  for (const block of prose.matchAll(
    /(?:^(?!\s*(?:$|[#|]|[-*]\s|\d+\.\s)).*\n?)+|^\s*(?:[-*]|\d+\.)\s.*\n?(?:^ {2,}\S.*\n?)*/gm,
  )) {
    let at = block.index;
    for (const sentence of block[0].split(/(?<=[.?!:;]["”)*_]*)\s+(?=\S)/)) {
      const words = sentence.match(/[\p{L}\p{N}][\p{L}\p{N}'’-]*/gu)?.length ?? 0;
      const start = prose.indexOf(sentence, at);
      at = start + sentence.length;
      if (words >= LONG_SENTENCE)
        found.push({
          line: lineAt(prose, start),
          text: `${words} words in a sentence: “${sentence.trim().replace(/\s+/g, ' ').slice(0, 60)}…”`,
          error: false,
        });
    }
  }
  return found.sort((one, other) => one.line - other.line);
}

/** The texts in a YAML document, however deep; keys and addresses are no prose. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return /^\S*$/.test(value) ? [] : [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

/** What is to be said of a file, by its kind. */
export function read(file: string, text: string): Finding[] {
  if (extname(file) !== '.yaml') return findings(proseOf(text));
  return textsOf(parse(text)).flatMap((part) => {
    const line = lineAt(text, Math.max(0, text.indexOf(part.slice(0, 30))));
    return findings(part).map((finding) => ({ ...finding, line: line + finding.line - 1 }));
  });
}

const main = (): number => {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const listed = spawnSync(
    'git',
    ['-c', 'safe.directory=*', 'ls-files', '*.md', '*.mdx', 'site/src/content/**.yaml'],
    {
      cwd: root,
      encoding: 'utf8',
    },
  );
  const files = process.argv.length > 2 ? process.argv.slice(2) : listed.stdout.trim().split('\n');
  if (files.length < 2 && process.argv.length <= 2)
    throw new Error(`no files to read: git ls-files says ${listed.stderr.trim() || 'nothing'}`);
  let errors = 0;
  for (const file of files)
    for (const { line, text, error } of read(file, readFileSync(join(root, file), 'utf8'))) {
      if (error) errors++;
      console.log(`${error ? 'ERROR ' : 'remark'} ${file}:${line}: ${text}`);
    }
  console.log(`${files.length} files read, ${errors} errors`);
  return errors > 0 ? 1 : 0;
};

if (import.meta.main) process.exitCode = main();
