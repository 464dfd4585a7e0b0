// `npm run lab -- new|check|test SLUG`: begins a lab, says what is wrong with it, and proves it on real machines.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { labSlugSchema } from '../sandbox-server/src/protocol/people.ts';
import { checkLab } from '../site/src/labs/check.ts';
import { skeleton } from './lab-skeleton.ts';
import { ensureRoot, isRoot } from './privilege.ts';
import { PlainError } from './progress.ts';
import { IMAGES, NODE, PROGRAMS, ROOT, setUp } from './setup.ts';

const LABS = join(ROOT, 'labs');
const usage = `Usage: npm run lab -- new SLUG       a lab to begin with, in labs/SLUG
       npm run lab -- check [SLUG]    says every mistake in a lab, or in all, with file and line
       npm run lab -- test SLUG       proves a lab on real machines; asks for root, as npm test does
`;

function begin(slug: string): void {
  const folder = join(LABS, slug);
  if (!labSlugSchema.safeParse(slug).success)
    throw new PlainError(
      `${slug} cannot be the name of a lab: a-z, 0-9 and -, at most 64, not starting with -`,
    );
  if (existsSync(folder)) throw new PlainError(`labs/${slug} is there already`);
  for (const [path, { text, mode }] of Object.entries(skeleton(slug))) {
    const whole = join(folder, path);
    mkdirSync(join(whole, '..'), { recursive: true });
    writeFileSync(whole, text);
    chmodSync(whole, mode);
    console.log(`labs/${slug}/${path}`);
  }
  console.log(`Write it, and look with \`npm run lab -- check ${slug}\`; docs/writing-labs.md tells how.`);
}

function check(slugs: readonly string[]): void {
  let count = 0;
  for (const slug of slugs) {
    const { lab, mistakes } = checkLab(join(LABS, slug));
    for (const { message } of mistakes) console.log(message.replace(`${ROOT}/`, ''));
    count += mistakes.length;
    if (lab && mistakes.length === 0)
      console.log(`${slug}: ${lab.matter.title} (steps: ${lab.steps.length}, files: ${lab.files.length})`);
  }
  if (count > 0) throw new PlainError(count === 1 ? 'there is a mistake' : `there are ${count} mistakes`);
}

async function prove(slug: string): Promise<void> {
  check([slug]);
  ensureRoot();
  await setUp({ state: '/var/lib/bulkhead', images: IMAGES, forTests: true, steps: 5 });
  const command = [NODE, join(ROOT, 'scripts/prove-lab.ts'), join(LABS, slug)];
  const places = [`BULKHEAD_IMAGES=${IMAGES}`, `BULKHEAD_PROGRAMS=${PROGRAMS}`];
  const [program = '', ...args] = [...(isRoot ? [] : ['sudo', '-n']), 'env', ...places, ...command];
  const { status } = spawnSync(program, args, { stdio: 'inherit', cwd: ROOT });
  if (status !== 0) throw new PlainError(`${slug} is not proved`);
}

const all = () =>
  readdirSync(LABS, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(LABS, entry.name, 'lab.mdx')))
    .map(({ name }) => name);

try {
  const [verb, slug, ...more] = process.argv.slice(2);
  if (verb === 'check' && more.length === 0) check(slug ? [slug] : all());
  else if (verb === 'new' && slug && more.length === 0) begin(slug);
  else if (verb === 'test' && slug && more.length === 0) await prove(slug);
  else {
    process.stdout.write(usage);
    process.exitCode = verb === undefined || verb === '--help' ? 0 : 2;
  }
} catch (error) {
  if (!(error instanceof PlainError)) throw error;
  console.error(`bulkhead: ${error.message}`);
  process.exitCode = 1;
}
