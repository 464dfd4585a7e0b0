// `npm run lab -- new|check|test` as somebody uses it who writes a first lab: what is begun is sound and proved, and of what
// is then broken it says where and what was expected. The set-up before `test` is that of `npm test`, and has been made.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { patiently } from '../patience.ts';

const ROOT = join(import.meta.dirname, '../..');
let labs: string;
beforeAll(() => {
  labs = mkdtempSync(join(tmpdir(), 'bh-labs-'));
  chmodSync(labs, 0o755); // for the server, who is nobody
});
afterAll(() => rmSync(labs, { recursive: true }));

async function run(script: string, ...args: string[]): Promise<{ status: number; said: string }> {
  const child = spawn(process.execPath, [join(ROOT, 'scripts', script), ...args], { stdio: 'pipe' });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text.replaceAll(`${labs}/`, '');
    });
  const [status] = await once(child, 'close');
  return { status, said };
}
const lab = (...args: string[]) => run('lab.ts', ...args, '--labs', labs);
const prove = (slug: string) => run('prove-lab.ts', join(labs, slug));

function change(path: string, from: string, to: string): void {
  const file = join(labs, path);
  const before = readFileSync(file, 'utf8');
  expect(before).toContain(from);
  writeFileSync(file, before.replace(from, to));
}

describe('a lab that was just begun', () => {
  test('is sound, and is not begun over', async () => {
    expect((await lab('new', 'leave-a-note')).status).toBe(0);
    expect(await lab('check')).toEqual({
      status: 0,
      said: 'leave-a-note: Leave a note (steps: 1, files: 1)\n',
    });
    expect(await lab('new', 'leave-a-note')).toEqual({
      status: 1,
      said: 'bulkhead: leave-a-note is there already\n',
    });
  });

  test('with mistakes in it has each named, with file and line and what was expected', async () => {
    await lab('new', 'careless');
    change('careless/lab.mdx', 'minutes: 5', 'minutes: many');
    change('careless/lab.mdx', 'right={1}', 'right={7}');
    const { status, said } = await lab('check', 'careless');
    expect(status).toBe(1);
    expect(said).toMatch(/^careless\/lab\.mdx:6: minutes: Invalid input: expected number/m);
    expect(said).toMatch(/^careless\/lab\.mdx:24: right of <Predict>: Too big: expected number to be <=5$/m);
    expect(said).toContain('bulkhead: there are 2 mistakes');
  });

  test.each([
    ['no lab', ['check', 'nowhere'], 1, /there is no lab nowhere; new begins one/],
    ['no name of a lab', ['new', 'My_Lab'], 1, /My_Lab cannot be the name of a lab: a-z/],
    ['nothing to do', ['prove', 'leave-a-note'], 2, /^Usage: npm run lab -- new SLUG/],
    ['an option that is not there', ['check', '--fast'], 2, /Unknown option '--fast'/],
  ])('is not %s, which is said as well', async (_, args, status, words) => {
    const answer = await lab(...args);
    expect(answer.status).toBe(status);
    expect(answer.said).toMatch(words);
  });
});

describe('on a real machine', () => {
  const limit = { timeout: patiently(60_000) };

  test('a lab that was just begun is proved', limit, async () => {
    await lab('new', 'just-begun');
    const { status, said } = await prove('just-begun');
    expect([status, said.split('\n').length]).toEqual([0, 4]);
    expect(said).toMatch(/^note +box +host +\d+ ms +\d+ ms {2}There is no file \/root\/note yet\.$/m);
    expect(said).toMatch(/^just-begun is proved: /m);
  });

  test.each([
    [
      'whose check says yes at once',
      'easy',
      ['steps/note/check', 'exit 1', 'exit 0'],
      'steps/note/check: expected no on a fresh machine; it says yes\n',
    ],
    [
      'whose solution fails',
      'failing',
      ['steps/note/solve', '> /root/note', '> /no/note'],
      'steps/note/solve: expected it to end with 0; it ends with 2:\n',
    ],
  ])(
    'one %s is not, and the file is named',
    limit,
    async (_, slug, [path = '', from = '', to = ''], words) => {
      await lab('new', slug);
      change(`${slug}/${path}`, from, to);
      const { status, said } = await prove(slug);
      expect(status).toBe(1);
      expect(said).toContain(`${slug}/${words}`);
    },
  );
});
