// `npm run preview:static`: the folder of build:static as a plain web host would serve it.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { PlainError } from './progress.ts';
import { checkPort } from './services.ts';
import { ROOT } from './setup.ts';
import { filesIn, serveFiles } from './static/server.ts';

const HELP = `Usage: npm run preview:static -- [options]

  --dir DIR      the folder [build/static]
  --port N       [7090]
  --address IP   [127.0.0.1]; other devices need TLS before it, for browsers keep nothing for pages without
  --under PATH   the path that it is at, to see that any will do [/]
  --help         this text
`;

try {
  const { values } = parseArgs({
    options: {
      dir: { type: 'string', default: join(ROOT, 'build/static') },
      port: { type: 'string', default: '7090' },
      address: { type: 'string', default: '127.0.0.1' },
      under: { type: 'string', default: '/' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) process.stdout.write(HELP);
  else {
    const folder = resolve(values.dir);
    if (!existsSync(join(folder, 'index.html')))
      throw new PlainError(`there is no site in ${folder}: run npm run build:static`);
    const port = Number(values.port);
    await checkPort(values.address, port);
    const under = `/${values.under}/`.replace(/\/+/g, '/');
    const { url } = await serveFiles({ fileAt: filesIn(folder), under, address: values.address, port });
    console.log(`${folder} is at ${url}/   (Ctrl-C ends it)`);
  }
} catch (error) {
  const own = error instanceof PlainError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  console.error(`bulkhead: ${own ? (error as Error).message : error instanceof Error ? error.stack : error}`);
  process.exit(1);
}
