// On a system that is not Linux there is no kernel to partition, but everything there is to read.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Options } from './options.ts';
import { PlainError } from './progress.ts';
import { NODE, ROOT } from './setup.ts';

/** Builds the site if need be and serves it with Astro's own preview server until Ctrl-C. */
export const serveReadingPages = async (options: Options): Promise<void> => {
  const astro = join(ROOT, 'node_modules/astro/bin/astro.mjs');
  const env = { ...process.env, ASTRO_TELEMETRY_DISABLED: '1', ASTRO_PREVIEW_BACKGROUND: '0' };
  console.log(`Containers and VMs are made by a Linux kernel, and this is ${process.platform}: serving the pages to read.
For the live parts, run the same command on Debian 12 or 13 or Ubuntu 24.04: a cloud machine,
or a Linux VM on this computer (Lima or UTM on macOS, WSL 2 on Windows), and open its address from here.\n`);
  if (!existsSync(join(ROOT, 'site/dist/index.html'))) {
    const built = spawnSync(NODE, [astro, 'build'], { cwd: join(ROOT, 'site'), env, stdio: 'inherit' });
    if (built.status !== 0) throw new PlainError('the site does not build; see the messages above');
  }
  spawnSync(NODE, [astro, 'preview', '--host', options.address, '--port', options.port], {
    cwd: join(ROOT, 'site'),
    env,
    stdio: 'inherit',
  });
};
