// `npm run bench`: sets up as the tests do, then runs every benchmark in tests/bench, or those named:
// `npm run bench -- launch --rounds=10`. Options are the benchmark's own.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureRoot, isRoot } from './privilege.ts';
import { PlainError } from './progress.ts';
import { IMAGES, inStep, NODE, PROGRAMS, ROOT, setUp } from './setup.ts';
import { installPeers } from './system-packages.ts';
import { buildTabImage } from './tab-image.ts';

try {
  ensureRoot();
  await setUp({ state: '/var/lib/bulkhead', images: IMAGES, forTests: true, steps: 6 });
  await inStep(6, 6, 'Peers', (step) =>
    installPeers(step).catch((error: Error) => `not all are there: ${error.message}`),
  );
  mkdirSync(join(ROOT, 'tests/results'), { recursive: true });
  const wanted = process.argv.slice(2).filter((word) => !word.startsWith('--'));
  const options = process.argv.slice(2).filter((word) => word.startsWith('--'));
  const all = readdirSync(join(ROOT, 'tests/bench')).filter((file) => file.endsWith('.bench.ts'));
  const chosen = all.filter((file) => wanted.length === 0 || wanted.some((name) => file.startsWith(name)));
  if (chosen.length === 0)
    throw new PlainError(`no benchmark is called ${wanted.join(' ')}; there are: ${all.join(', ')}`);
  if (chosen.includes('tab.bench.ts') && !(await buildTabImage(IMAGES, console.log)))
    throw new PlainError('the benchmark of the Linux in the tab needs its image');
  for (const file of chosen) {
    const command = [NODE, join(ROOT, 'tests/bench', file), ...options];
    const places = [`BULKHEAD_IMAGES=${IMAGES}`, `BULKHEAD_PROGRAMS=${PROGRAMS}`];
    const [program = '', ...args] = [...(isRoot ? [] : ['sudo', '-n']), 'env', ...places, ...command];
    const { status } = spawnSync(program, args, { stdio: 'inherit', cwd: ROOT });
    if (status !== 0) throw new PlainError(`${file} failed`);
  }
} catch (error) {
  console.error(
    `bulkhead: ${error instanceof PlainError ? error.message : error instanceof Error ? error.stack : error}`,
  );
  process.exit(1);
}
