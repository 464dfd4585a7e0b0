// `npm run build:static`: the site as a folder for any web host and any path of it, with a Linux for the reader's tab.
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureRoot } from './privilege.ts';
import { PlainError } from './progress.ts';
import { buildSite, IMAGES, inStep, ROOT } from './setup.ts';
import { writeStaticSite } from './static/site.ts';
import { buildTabImage } from './tab-image.ts';

const HELP = `Usage: npm run build:static -- [options]

Writes the site into a folder that works from any web host, at its root or below, with no server side.
BULKHEAD_SITE_URL=https://example.org/walls/ names the address where it will be read: for canonical links, cards,
the feed, the sitemap and the page for what is not there.

  --out DIR      where it goes [build/static]
  --linux DIR    an image of the Linux for the tab that was built elsewhere (labs/images/build --only tab);
                 without it, it is built here, which takes root and, the first time, some minutes
  --no-linux     without one: the pages, and nothing that runs
  --help         this text
`;

const linuxImage = async (given: string | undefined): Promise<string> => {
  if (given !== undefined) return resolve(given);
  ensureRoot();
  if (!(await buildTabImage(IMAGES, (line) => console.log(`      ${line}`))))
    throw new PlainError('there is no Linux for the tab to go along; --no-linux builds without one');
  return join(IMAGES, 'tab');
};

try {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: join(ROOT, 'build/static') },
      linux: { type: 'string' },
      'no-linux': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) process.stdout.write(HELP);
  else {
    const out = resolve(values.out);
    let linux: string | null = null;
    await inStep(1, 3, 'Site', (step) => buildSite(step, process.env.BULKHEAD_SITE_URL ?? ''));
    await inStep(2, 3, 'Linux', async () => {
      if (!values['no-linux']) linux = await linuxImage(values.linux);
      return linux ?? 'none goes along';
    });
    await inStep(3, 3, 'Folder', async () => {
      const image = writeStaticSite({ dist: join(ROOT, 'site/dist'), linux, out });
      return image ? `with Linux ${image.release}` : 'pages only';
    });
    console.log(`\n${out} is ready: put it on a web host, or look at it with npm run preview:static\n`);
  }
} catch (error) {
  const own = error instanceof PlainError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  console.error(`bulkhead: ${own ? (error as Error).message : error instanceof Error ? error.stack : error}`);
  process.exit(1);
}
