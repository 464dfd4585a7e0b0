import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { operate } from '../operator/commands.ts';
import { fileDefaults, fileSettings, OptionError, parseOptions } from '../options.ts';
import { parseConfig } from './file.ts';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bh-'));
  path = join(directory, 'b.yaml');
});
afterEach(() => rmSync(directory, { recursive: true }));

const parse = (text: string) => parseConfig(text, 'b.yaml', fileSettings);
const mistakesIn = (text: string): string[] => {
  try {
    parse(text);
    return [];
  } catch (error) {
    return (error as Error).message.split('\n');
  }
};
const run = async (...args: string[]): Promise<string> => {
  const printed: string[] = [];
  await operate(args, { state: directory, password: async () => null, print: (line) => printed.push(line) });
  return printed.join('\n');
};

describe('a configuration file', () => {
  test('is lists and values; JSON, an empty file and comments are one too', () => {
    expect(
      parse('port: 8080 # a comment\npublic-url:\n  - https://a.example\n  - https://b.example\n'),
    ).toEqual({
      port: '8080',
      'public-url': 'https://a.example,https://b.example',
    });
    expect(parse('{"port": 8080, "log-level": "debug"}')).toEqual({ port: '8080', 'log-level': 'debug' });
    expect(parse('# nothing yet\n')).toEqual({});
  });

  test('is told all of its mistakes at once, each with its line and what would be right', () => {
    const text = `# wrong in every way
port: 70000
adress: 127.0.0.1

idle: soon
nesting: {where: vm}
port: 8080
accel: hvf
zzzzzz: 1
`;
    expect(mistakesIn(text)).toEqual([
      'b.yaml:2: port is "70000", but must be: a number from 0 to 65535',
      'b.yaml:3: there is no setting adress; did you mean address?',
      'b.yaml:5: idle is "soon", but must be: a number of minutes',
      'b.yaml:6: nesting is more than a value, but must be: one value, or a list of values',
      'b.yaml:7: Map keys must be unique',
      'b.yaml:8: accel is "hvf", but must be: auto, kvm or tcg',
      'b.yaml:9: there is no setting zzzzzz; npm run operate -- config reference lists them',
    ]);
  });

  test.each([
    ['port: [80, [90]]', /^b\.yaml:1: port is more than a value/],
    ['- port', /^b\.yaml:1: this is no list of settings/],
    ['port 8080', /^b\.yaml:1: this is no list of settings/],
    ['port: "8', /^b\.yaml:1: Missing closing "quote$/],
    ['__proto__: 1', /^b\.yaml:1: there is no setting __proto__/],
    ['constructor: 1', /^b\.yaml:1: there is no setting constructor/],
  ])('%j is refused without a stack', (text, message) => {
    expect(mistakesIn(text)[0]).toMatch(message);
  });
});

describe('the server', () => {
  test('takes the command line over the environment over the file over what is built in', () => {
    writeFileSync(path, 'port: 1\nidle: 2\nlongest: 3\nstate: /srv/b\nnesting: vm\n');
    const options = parseOptions(['--config', path, '--port', '8'], { BULKHEAD_IDLE: '9' });
    expect(options).toMatchObject({ port: 8, idle: 9, longest: 3, sandboxes: 2 });
    expect(options).toMatchObject({ state: '/srv/b/server', broker: '/srv/b/run/control.sock' });
    expect(parseOptions([], { BULKHEAD_CONFIG: path }).longest).toBe(3);
  });

  test('is not started with a file that is wrong, or missing', () => {
    writeFileSync(path, 'port: 1\nidle: -2\n');
    expect(() => parseOptions(['--config', path], {})).toThrow(OptionError);
    expect(() => parseOptions(['--config', path], {})).toThrow(`${path}:2: idle is "-2"`);
    expect(() => parseOptions(['--config', '/no/such'], {})).toThrow(/\/no\/such: there is no such file/);
  });
});

describe("the operator's commands", () => {
  test('check a file, and say to the broker what it says', async () => {
    writeFileSync(path, 'nesting: vm\nmax-machines: 200\n');
    expect(await run('config', 'check', path)).toBe(`${path}: 2 settings, no mistake`);
    expect(await run('config', 'broker', path)).toMatch(
      /^BULKHEAD_BROKER_OPTIONS=--state \/var\/lib\/bulkhead --accel auto --nesting vm --max-machines 200 --log-level info --allow-uid \d+ --server-gid \d+$/,
    );
    writeFileSync(path, 'nesting: here\n');
    await expect(run('config', 'check', path)).rejects.toThrow(`${path}:1: nesting is "here"`);
    await expect(run('config', 'check')).rejects.toThrow(/no command/);
  });

  test('print a file that is right as it is, and with every default written out', async () => {
    const example = await run('config', 'example');
    expect(parse(example)).toEqual({});
    const spelled = example.replaceAll(/^#(?! )/gm, '').replace(/^(site|labs): .*$/gm, '$1: /srv/$1');
    const { site: _site, labs: _labs, ...values } = parse(spelled);
    for (const [name, value] of Object.entries(values))
      expect([name, value]).toEqual([name, fileDefaults[name as keyof typeof fileDefaults]]);
    expect(Object.keys(values).length).toBe(Object.keys(fileSettings).length - 2);
  });

  test('print the page of docs/ that describes each setting', async () => {
    const page = readFileSync(join(import.meta.dirname, '../../../docs/configuration.md'), 'utf8');
    expect(page, 'npm run operate -- config reference > docs/configuration.md').toBe(
      `${await run('config', 'reference')}\n`,
    );
    for (const field of Object.values(fileSettings)) expect(field.description).toMatch(/.{10}/);
  });
});
