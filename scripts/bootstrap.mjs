// The first thing `npm start` and `npm test` run, on whatever Node the machine has: it installs the npm packages, the pinned
// Node 24 among them, and hands over to it. Plain JavaScript without imports of ours, because nothing is installed yet.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const onWindows = process.platform === 'win32';
const pinnedNode = join(root, 'node_modules/node/bin', onWindows ? 'node.exe' : 'node');
const stampFile = join(root, 'node_modules/.bulkhead-packages');
const [command, ...args] = process.argv.slice(2);

const fail = (message) => {
  console.error(`bulkhead: ${message}`);
  process.exit(1);
};

if (Number(process.versions.node.split('.')[0]) < 20)
  fail(
    `Node ${process.versions.node} is too old to start with; install Node 20 or newer (Debian 13: apt install nodejs npm)`,
  );

/** What the installed packages depend on: the lock file and every package.json of the workspaces. */
const packagesKey = () => {
  const hash = createHash('sha256');
  for (const file of [
    'package-lock.json',
    'package.json',
    'site/package.json',
    'sandbox-server/package.json',
  ])
    hash.update(readFileSync(join(root, file)));
  return hash.digest('hex');
};

const installed = () =>
  existsSync(pinnedNode) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === packagesKey();

if (!installed()) {
  const started = Date.now();
  console.log('Installing npm packages (about 600 MB; a minute or two) …');
  // npm prints what goes wrong itself; its notices about engines come from the outer Node and are harmless.
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: onWindows, // npm is a .cmd there
  });
  if (npm.error) fail(`cannot run npm (${npm.error.message}); install it (Debian, Ubuntu: apt install npm)`);
  if (npm.status !== 0)
    fail(
      'npm could not install the packages named in package-lock.json; see its message above, then run this again',
    );
  if (!existsSync(pinnedNode))
    fail(
      'npm left out the pinned Node: its install script was not allowed to run; run `npm rebuild node`, then this again',
    );
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, packagesKey());
  console.log(`npm packages installed in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

// The child shares this terminal's process group, so Ctrl-C reaches it directly; this process only waits for it.
for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => {});
const { spawn } = await import('node:child_process');
const child = spawn(pinnedNode, [join(root, 'scripts', `${command}.ts`), ...args], {
  stdio: 'inherit',
  cwd: root,
});
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (status, signal) => process.exit(signal ? 1 : (status ?? 1)));
