import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readFrontMatter } from './front-matter.ts';
import { machinesOf, machinesWithFiles } from './lab.ts';
import { loadLabs } from './load.ts';
import { findSteps } from './steps.ts';

const MIB = 1_048_576;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bh-labs-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const MATTER = `---
title: A lab
summary: What one can do afterwards.
needs: [cgroup2]
machines:
  - name: box
    kind: container
    profile: nested
    needs:
      - nested
  - name: vm
    kind: vm
    terminal: false
---
`;
const BODY = '\n<Step id="first">\n\nText.\n\n</Step>\n';

function write(files: Record<string, string | Buffer>): void {
  for (const [path, content] of Object.entries(files)) {
    const whole = join(folder, path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, content);
  }
}

const lab = (matter = MATTER, body = BODY, more: Record<string, string | Buffer> = {}) =>
  write({
    'lab/lab.mdx': matter + body,
    'lab/steps/first/check': '#!/bin/sh\ntrue\n',
    'lab/steps/first/solve': '#!/bin/sh\ntrue\n',
    ...more,
  });

describe('a lab', () => {
  test('becomes machines, steps and files', () => {
    lab(MATTER, BODY, { 'lab/files/root/demo.c': 'int main() {}' });
    const loaded = loadLabs(folder);
    expect(loaded.mistakes).toEqual([]);
    const one = loaded.labs.get('lab');
    if (!one) throw new Error('no lab');
    expect(machinesOf(one, { columns: 90, rows: 30 }).machines).toEqual([
      {
        name: 'box',
        kind: 'container',
        profile: 'nested',
        needs: ['cgroup2', 'nested'],
        columns: 90,
        rows: 30,
      },
      { name: 'vm', kind: 'vm' },
    ]);
    expect(one.steps).toMatchObject([{ id: 'first', machine: 'box', watch: false }]);
    expect(one.files).toEqual([
      { path: '/root/demo.c', mode: 0o644, content: Buffer.from('int main() {}').toString('base64') },
    ]);
    expect(machinesWithFiles(one)).toEqual(['box']);
  });

  test('is a folder with a lab.mdx; others, and no folder at all, are none', () => {
    write({ 'images/base/packages': 'bash' });
    expect(loadLabs(folder)).toMatchObject({ mistakes: [] });
    expect(loadLabs(join(folder, 'nowhere')).labs.size).toBe(0);
  });

  const matterMistakes: [string, string, string][] = [
    ['an unknown field', MATTER.replace('needs: [cgroup2]', 'colour: red'), ':4: colour: '],
    ['an unknown word', MATTER.replace('profile: nested', 'profile: open'), ':8: machines.0.profile: '],
    ['a wrong type', MATTER.replace('terminal: false', 'terminal: 3'), ':13: machines.1.terminal: '],
    ['a missing field', MATTER.replace('summary: What one can do afterwards.\n', ''), ':1: summary: '],
    ['a name twice', MATTER.replace('name: vm', 'name: box'), ':11: machines.1.name: expected another name'],
    [
      'a profile of a VM',
      MATTER.replace('terminal: false', 'profile: nested'),
      ':13: machines.1.profile: expected none',
    ],
    ['no end', '---\ntitle: A\n', ':1: expected front matter'],
    ['a tab', MATTER.replace('    kind: vm', '\tkind: vm'), ':12: expected spaces'],
    ['a key twice', MATTER.replace('needs: [cgroup2]', 'title: B'), ':4: expected title once'],
    ['what YAML would read otherwise', MATTER.replace('A lab', 'yes'), ':2: expected a word'],
    ['a wrong depth', MATTER.replace('    kind: container', '     kind: container'), ':7: expected 4 spaces'],
    ['a list without an end', MATTER.replace('[cgroup2]', '[cgroup2'), ':4: expected the list to end'],
  ];
  test.each(matterMistakes)('with %s is left out, naming file and line', (_, matter, message) => {
    lab(matter);
    write({
      'good/lab.mdx': MATTER + BODY,
      'good/steps/first/check': '#!/bin/sh\n',
      'good/steps/first/solve': '#!/bin/sh\n',
    });
    const { labs, mistakes } = loadLabs(folder);
    expect([...labs.keys()]).toEqual(['good']);
    expect(mistakes[0]?.message).toContain(join(folder, `lab/lab.mdx${message}`));
  });

  test('says how large its machines are, and from which image they start', () => {
    const size = 'size:\n      memory: 64\n      processor: 50\n      processes: 40\n      disk: 8';
    lab(
      MATTER.replace('profile: nested', `image: base\n    ${size}`).replace(
        'terminal: false',
        'size:\n      memory: 128',
      ),
    );
    const { labs, mistakes } = loadLabs(folder);
    expect(mistakes).toEqual([]);
    const one = labs.get('lab');
    if (!one) throw new Error('no lab');
    const [box, vm] = machinesOf(one, { columns: 80, rows: 24 }).machines;
    expect(box).toMatchObject({
      image: 'base',
      limits: { memory_bytes: 64 * MIB, cpu_millis: 500, pids: 40, disk_bytes: 8 * MIB },
    });
    expect(vm?.limits).toEqual({ memory_bytes: 128 * MIB });
  });

  const vmSize = (size: string) => MATTER.replace('terminal: false', `size:\n      ${size}`);
  const boxSize = (size: string) => MATTER.replace('profile: nested', `in: vm\n    size:\n      ${size}`);
  test.each<[string, string, string]>([
    ['a size that is no number', boxSize('memory: much'), ':10: machines.0.size.memory: '],
    [
      'too little memory',
      boxSize('memory: 8'),
      ':10: machines.0.size.memory: Too small: expected number to be >=16',
    ],
    ['an unknown part of a size', boxSize('swap: 8'), ':10: machines.0.size.swap: '],
    [
      'more memory than its VM spares',
      boxSize('memory: 128'),
      ':10: machines.0.size.memory: expected less than half of the 256 MiB that vm has',
    ],
    [
      'a VM with hardly a kernel’s memory',
      vmSize('memory: 64'),
      ':14: machines.1.size.memory: expected at least 96',
    ],
    ['processes of a VM', vmSize('processes: 64'), ':14: machines.1.size.processes: expected none'],
    ['a disk of a VM', vmSize('disk: 64'), ':14: machines.1.size.disk: expected none'],
    [
      'an image that is no name',
      MATTER.replace('profile: nested', 'image: ../base'),
      ':8: machines.0.image: must be 1 to 32',
    ],
  ])('with %s is left out, naming the line', (_, matter, message) => {
    lab(matter);
    expect(loadLabs(folder).mistakes[0]?.message).toContain(`lab.mdx${message}`);
  });

  const stepMistakes: [string, string, string][] = [
    ['no step', 'Nothing.\n', 'lab.mdx:15: expected at least one <Step'],
    ['a step without an id', '\n<Step title="x">\n', 'lab.mdx:16: id of <Step>'],
    ['a step twice', `${BODY}<Step id="first">`, 'lab.mdx:21: expected one step first'],
    [
      'a machine that is not there',
      '<Step id="first" machine="zone">',
      'lab.mdx:15: step first: expected a machine',
    ],
    ['an attribute that is not there', '<Step id="first" wach>', 'lab.mdx:15: wach of <Step>'],
    ['an attribute that is computed', '<Step id={first}>', 'lab.mdx:15: expected <Step id='],
    ['a step without a check', `${BODY}<Step id="second">`, 'steps/second/check: expected this file'],
  ];
  test.each(stepMistakes)('with %s is left out, naming file and line', (_, body, message) => {
    lab(MATTER, body);
    expect(loadLabs(folder).mistakes[0]?.message).toContain(message);
  });

  const fileMistakes: [string, Record<string, string | Buffer>, string][] = [
    ['a check without an interpreter', { 'lab/steps/first/check': 'true\n' }, 'check:1: expected #!'],
    [
      'a solution in another language',
      { 'lab/steps/first/solve': '#!/usr/bin/perl\n' },
      'solve:1: expected #!/bin/sh',
    ],
    [
      'a check that is no text',
      { 'lab/steps/first/check': Buffer.from([0x23, 0x21, 0xff]) },
      'expected text in UTF-8',
    ],
    [
      'a check that is too long',
      { 'lab/steps/first/check': `#!/bin/sh\n${'#'.repeat(65_536)}` },
      'expected at most 65536 bytes',
    ],
    ['a folder of no step', { 'lab/steps/old/check': '#!/bin/sh\n' }, 'expected a <Step id="old">'],
    ['a file that is too large', { 'lab/files/x': Buffer.alloc(262_145) }, 'expected at most 262144 bytes'],
  ];
  test.each(fileMistakes)('with %s is left out, naming the file', (_, files, message) => {
    lab(MATTER, BODY, files);
    expect(loadLabs(folder).mistakes[0]?.message).toContain(message);
  });

  test('with a link among its files is left out: it would be read on the host', () => {
    lab();
    mkdirSync(join(folder, 'lab/files'));
    symlinkSync('/etc/shadow', join(folder, 'lab/files/shadow'));
    expect(loadLabs(folder).mistakes[0]?.message).toContain('expected a file; links');
  });
});

test('front matter is read as YAML reads it', () => {
  const text = `---
title: "A \\"quoted\\" one: yes"
single: 'it''s # not a comment'
# a comment
count: 12
plain: one two, three
empty: []
list:
- a
- b
deep:
  map:
    key: true
---
rest`;
  const { value, body, bodyLine, lines } = readFrontMatter(text, 'f');
  expect(value).toEqual({
    title: 'A "quoted" one: yes',
    single: "it's # not a comment",
    count: 12,
    plain: 'one two, three',
    empty: [],
    list: ['a', 'b'],
    deep: { map: { key: true } },
  });
  expect([body, bodyLine, lines.get('deep.map.key'), lines.get('list.1')]).toEqual(['rest', 15, 13, 10]);
});

test('steps in code and comments are no steps', () => {
  const text =
    '```mdx\n<Step id="a">\n```\n{/* <Step id="b"> */}\n`<Step id="c">` <Stepping>\n<Step\n  id="d"\n  watch\n>';
  expect(findSteps(text, 5, 'f')).toEqual([{ id: 'd', watch: true, line: 10 }]);
});
