// `npm run lab -- new|check|test SLUG`: begins a lab, says what is wrong with it, and proves it on real machines.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { labSlugSchema } from '../sandbox-server/src/protocol/people.ts';
import { checkLab } from '../site/src/labs/check.ts';
import { skeleton } from './lab-skeleton.ts';
import { ensureRoot, isRoot } from './privilege.ts';
import { PlainError } from './progress.ts';
import { IMAGES, NODE, PROGRAMS, ROOT, setUp } from './setup.ts';
import { buildTabImage } from './tab-image.ts';

const usage = `Usage: npm run lab -- new SLUG       a lab to begin with, in labs/SLUG
       npm run lab -- check [SLUG]    says every mistake in a lab, or in all, with file and line
       npm run lab -- test SLUG       proves a lab on real machines; asks for root, as npm test does
       npm run lab -- test [SLUG] --tab    the same on the Linux in the tab; without SLUG all labs, some minutes each
Option: --labs DIR     the folder of labs; the project's own unless stated
`;

/** A folder of labs. */
class Labs {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = resolve(folder);
  }

  get slugs(): string[] {
    if (!existsSync(this.#folder)) throw new PlainError(`there is no folder ${this.#folder}`);
    return readdirSync(this.#folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && existsSync(join(entry.parentPath, entry.name, 'lab.mdx')))
      .map(({ name }) => name)
      .sort();
  }

  begin(slug: string): void {
    const folder = join(this.#folder, slug);
    if (!labSlugSchema.safeParse(slug).success)
      throw new PlainError(
        `${slug} cannot be the name of a lab: a-z, 0-9 and -, at most 64, not starting with -`,
      );
    if (existsSync(folder)) throw new PlainError(`${shown(folder)} is there already`);
    for (const [path, { text, mode }] of Object.entries(skeleton(slug))) {
      const whole = join(folder, path);
      mkdirSync(join(whole, '..'), { recursive: true });
      writeFileSync(whole, text);
      chmodSync(whole, mode);
      console.log(shown(whole));
    }
    console.log(`Write it, and look with \`npm run lab -- check ${slug}\`; docs/writing-labs.md tells how.`);
  }

  /** Throws PlainError when there is a mistake, after every one was said. */
  check(slugs: readonly string[]): void {
    let count = 0;
    for (const slug of slugs) {
      const folder = join(this.#folder, slug);
      if (!existsSync(folder)) throw new PlainError(`there is no lab ${shown(folder)}; new begins one`);
      const { lab, mistakes } = checkLab(folder);
      for (const { message } of mistakes) console.log(shown(message));
      count += mistakes.length;
      if (lab && mistakes.length === 0)
        console.log(`${slug}: ${lab.matter.title} (steps: ${lab.steps.length}, files: ${lab.files.length})`);
    }
    if (count > 0) throw new PlainError(count === 1 ? 'there is a mistake' : `there are ${count} mistakes`);
  }

  /** `tab`: on the Linux in the tab, which is built first where it is not there. */
  async prove(slugs: readonly string[], tab: boolean): Promise<void> {
    this.check(slugs);
    ensureRoot();
    await setUp({ state: '/var/lib/bulkhead', images: IMAGES, forTests: true, steps: 5 });
    if (tab && !(await buildTabImage(IMAGES, console.log)))
      throw new PlainError('there is no Linux for the tab to prove a lab on');
    const wrong = slugs.filter((slug) => !this.#isProved(slug, tab));
    if (wrong.length > 0)
      throw new PlainError(`${wrong.join(', ')} ${wrong.length === 1 ? 'is' : 'are'} not proved`);
  }

  #isProved(slug: string, tab: boolean): boolean {
    const script = [join(ROOT, 'scripts/prove-lab.ts'), join(this.#folder, slug), ...(tab ? ['--tab'] : [])];
    const places = [`BULKHEAD_IMAGES=${IMAGES}`, `BULKHEAD_PROGRAMS=${PROGRAMS}`];
    const [program = '', ...args] = [...(isRoot ? [] : ['sudo', '-n']), 'env', ...places, NODE, ...script];
    return spawnSync(program, args, { stdio: 'inherit', cwd: ROOT }).status === 0;
  }
}

/** With the paths of the project's files as seen from its root. */
const shown = (text: string) => text.replace(`${ROOT}/`, '');

try {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      labs: { type: 'string', default: join(ROOT, 'labs') },
      tab: { type: 'boolean', default: false },
      help: { type: 'boolean' },
    },
  });
  const [verb, slug, ...more] = positionals;
  const labs = new Labs(values.labs);
  if (verb === 'check' && more.length === 0) labs.check(slug ? [slug] : labs.slugs);
  else if (verb === 'new' && slug && more.length === 0) labs.begin(slug);
  else if (verb === 'test' && (slug || values.tab) && more.length === 0)
    await labs.prove(slug ? [slug] : labs.slugs, values.tab);
  else {
    process.stdout.write(usage);
    process.exitCode = verb === undefined || values.help ? 0 : 2;
  }
} catch (error) {
  const wrongOption =
    error instanceof Error && 'code' in error && `${error.code}`.startsWith('ERR_PARSE_ARGS');
  if (!(error instanceof PlainError) && !wrongOption) throw error;
  console.error(`bulkhead: ${(error as Error).message}`);
  process.exitCode = wrongOption ? 2 : 1;
}
