// The front matter of a lab, read with the line of everything in it, so that a mistake can be named. What is taken is the
// part of YAML that labs need (maps, lists, words, numbers, true and false) and nothing that a reader of all of YAML would
// take for something else: the site reads the same lines with one.

/** A mistake in a lab's folder. */
export class LabError extends Error {
  override name = 'LabError';
  readonly file: string;
  /** From 1; 0: the file as a whole. */
  readonly line: number;

  constructor(file: string, line: number, expected: string) {
    super(`${file}${line > 0 ? `:${line}` : ''}: ${expected}`);
    this.file = file;
    this.line = line;
  }
}

export type Value = string | number | boolean | Value[] | { [key: string]: Value };

export interface FrontMatter {
  value: Value;
  /** By path, such as machines.0.name: the line on which it stands. */
  lines: ReadonlyMap<string, number>;
  /** What follows, and the line on which that begins. */
  body: string;
  bodyLine: number;
}

interface Line {
  number: number;
  indent: number;
  text: string;
}

const entry = /^([A-Za-z][A-Za-z0-9_-]*):(?:\s+(.*))?$/;

/** Throws LabError. */
export function readFrontMatter(text: string, file: string): FrontMatter {
  const all = text.split(/\r?\n/);
  const end = all.indexOf('---', 1);
  if (all[0] !== '---' || end < 0)
    throw new LabError(file, 1, 'expected front matter between two lines of ---');
  return new Reader(all.slice(1, end), file).read(all.slice(end + 1).join('\n'), end + 2);
}

class Reader {
  readonly #file: string;
  readonly #lines: Line[] = [];
  readonly #at = new Map<string, number>();
  #next = 0;

  constructor(lines: readonly string[], file: string) {
    this.#file = file;
    for (const [index, text] of lines.entries()) {
      const number = index + 2;
      if (/^\s*(#|$)/.test(text)) continue;
      const indent = text.search(/[^ ]/);
      if (text[indent] === '\t') throw this.#error(number, 'expected spaces before the text, not tabs');
      this.#lines.push({ number, indent, text: text.trim() });
    }
  }

  read(body: string, bodyLine: number): FrontMatter {
    const value = this.#lines.length > 0 ? this.#block(0, '') : {};
    const left = this.#lines[this.#next];
    if (left) throw this.#error(left.number, 'expected it to begin where the lines above begin');
    return { value, lines: this.#at, body, bodyLine };
  }

  #block(indent: number, path: string): Value {
    return this.#lines[this.#next]?.text.startsWith('- ')
      ? this.#list(indent, path)
      : this.#map(indent, path);
  }

  #list(indent: number, path: string): Value[] {
    const items: Value[] = [];
    for (let line = this.#here(indent); line?.text.startsWith('- '); line = this.#here(indent)) {
      const at = below(path, String(items.length));
      this.#at.set(at, line.number);
      const text = line.text.slice(2).trim();
      if (entry.test(text)) {
        // A map that begins behind the dash: its other keys stand below the first.
        line.indent += line.text.length - text.length;
        line.text = text;
        items.push(this.#map(line.indent, at));
      } else {
        this.#next++;
        items.push(this.#scalar(text, line.number));
      }
    }
    return items;
  }

  #map(indent: number, path: string): Value {
    const map = new Map<string, Value>();
    for (let line = this.#here(indent); line; line = this.#here(indent)) {
      const [, key = '', text = ''] = entry.exec(line.text) ?? [];
      if (key === '') throw this.#error(line.number, 'expected a name, a colon and a value');
      if (map.has(key)) throw this.#error(line.number, `expected ${key} once; it is there twice`);
      const at = below(path, key);
      this.#at.set(at, line.number);
      this.#next++;
      map.set(key, text === '' ? this.#nested(line, at) : this.#inline(text, line.number));
    }
    return Object.fromEntries(map);
  }

  #nested(parent: Line, path: string): Value {
    const line = this.#lines[this.#next];
    const deeper =
      line && (line.indent > parent.indent || (line.indent === parent.indent && line.text.startsWith('- ')));
    if (!deeper) throw this.#error(parent.number, `expected a value for ${path}`);
    return this.#block(line.indent, path);
  }

  /** The next line if it stands at this depth; undefined where the block ends. */
  #here(indent: number): Line | undefined {
    const line = this.#lines[this.#next];
    if (!line || line.indent < indent) return undefined;
    if (line.indent > indent)
      throw this.#error(line.number, `expected ${indent} spaces before it, not ${line.indent}`);
    return line;
  }

  #inline(text: string, number: number): Value {
    if (!text.startsWith('[')) return this.#scalar(text, number);
    if (!text.endsWith(']')) throw this.#error(number, 'expected the list to end with ] on the same line');
    const inner = text.slice(1, -1).trim();
    if (/[[\]{}"']/.test(inner))
      throw this.#error(number, 'expected plain words in this list, or one item a line');
    return inner === '' ? [] : inner.split(',').map((item) => this.#scalar(item.trim(), number));
  }

  #scalar(text: string, number: number): Value {
    if (text === 'true' || text === 'false') return text === 'true';
    if (/^(0|-?[1-9]\d*)$/.test(text)) return Number(text);
    if (text.startsWith('"')) {
      try {
        return String(JSON.parse(text));
      } catch {
        throw this.#error(number, 'expected the text to end with " and to have \\ only as in JSON');
      }
    }
    if (/^'([^']|'')*'$/.test(text)) return text.slice(1, -1).replaceAll("''", "'");
    if (
      text === '' ||
      /^['|>&*!%@`{}[\],?#]|^-$|^-\s|: |:$| #/.test(text) ||
      /^(~|null|yes|no|on|off|[-+.]?\d[\d._:eExX+-]*)$/i.test(text)
    )
      throw this.#error(number, `expected a word, a number, true, false, or a text in quotes: "${text}"`);
    return text;
  }

  #error(number: number, expected: string): LabError {
    return new LabError(this.#file, number, expected);
  }
}

function below(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}
