// `npm run record`: sets up as the tests do, then plays the scenes of tests/recordings on real machines and writes what their
// terminals print to site/src/recordings; all of them, or those named: `npm run record -- panic boot`.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureRoot, isRoot } from './privilege.ts';
import { PlainError } from './progress.ts';
import { IMAGES, NODE, PROGRAMS, ROOT, setUp } from './setup.ts';

try {
  ensureRoot();
  await setUp({ state: '/var/lib/bulkhead', images: IMAGES, forTests: true, steps: 5 });
  const places = [`BULKHEAD_IMAGES=${IMAGES}`, `BULKHEAD_PROGRAMS=${PROGRAMS}`];
  const command = [NODE, join(ROOT, 'tests/recordings/record.ts'), ...process.argv.slice(2)];
  const [program = '', ...args] = [...(isRoot ? [] : ['sudo', '-n']), 'env', ...places, ...command];
  const { status } = spawnSync(program, args, { stdio: 'inherit', cwd: ROOT });
  if (status !== 0)
    throw new PlainError('not everything could be recorded; what is there is as it was before');
  console.log('Look at them under /recordings/ after the site was built again.');
} catch (error) {
  console.error(
    `bulkhead: ${error instanceof PlainError ? error.message : error instanceof Error ? error.stack : error}`,
  );
  process.exit(1);
}
