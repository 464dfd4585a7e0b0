// The set-up that `npm start` and `npm test` share: everything from a bare distribution to a built tree, each step cached
// by the content it depends on.
import { existsSync, mkdirSync, readFileSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fingerprint, Stamp } from './fingerprint.ts';
import { run } from './privilege.ts';
import { PlainError, Step } from './progress.ts';
import { installSystemPackages } from './system-packages.ts';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
export const PROGRAMS = join(ROOT, 'native/build');
/** The Node this runs on: the pinned one, since bootstrap.mjs. */
export const NODE = process.execPath;
/** Where `npm start` and `npm test` keep the images by default. */
export const IMAGES = '/var/lib/bulkhead/images';
/** The unprivileged system user the server runs as. */
export const SERVER_USER = 'bulkhead';

const stamp = (name: string): Stamp => new Stamp(join(ROOT, 'node_modules/.cache/bulkhead', name));
const GIB = 2 ** 30;

/** Bytes free on the file system that holds `path` or its nearest existing parent. */
const freeBytes = (path: string): number => {
  let at = path;
  while (!existsSync(at)) at = dirname(at);
  const { bavail, bsize } = statfsSync(at);
  return bavail * bsize;
};

/** Throws PlainError when less than `bytes` are free where `path` is or will be. */
export const checkDisk = (path: string, bytes: number, what: string): void => {
  const free = freeBytes(path);
  if (free < bytes)
    throw new PlainError(
      `the disk is full: ${what} needs ${(bytes / GIB).toFixed(1)} GiB at ${path} and ${(free / GIB).toFixed(1)} GiB are free; free some space or choose another place with --state`,
    );
};

const tail = (text: string): string =>
  text
    .trim()
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-1)
    .join('')
    .slice(0, 300);

const buildNative = async (step: Step): Promise<string> => {
  const key = fingerprint([join(ROOT, 'native')], readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const built = stamp('native');
  if (built.matches(key) && existsSync(join(PROGRAMS, 'bulkheadd'))) return 'up to date';
  let files = 0;
  const make = await run('make', ['-C', join(ROOT, 'native'), '-j2'], {
    onLine: (line) => {
      if (line.includes(' -c -o ')) step.say(`${++files} files · compiling`);
    },
  });
  if (make.status !== 0)
    throw new PlainError(`native/ does not build: ${firstError(make.stderr)}; run \`make -C native\``);
  built.write(key);
  return `built (${files} files)`;
};

const firstError = (stderr: string): string =>
  stderr.split('\n').find((line) => /\berror\b/i.test(line)) ?? tail(stderr);

const buildImages = async (step: Step, imagesDir: string): Promise<string> => {
  if (!existsSync(join(imagesDir, 'vm/image.json'))) checkDisk(imagesDir, 2 * GIB, 'building the images');
  const finished: string[] = [];
  let task = '';
  const build = await run(join(ROOT, 'labs/images/build'), ['--out', imagesDir, '--programs', PROGRAMS], {
    root: true,
    onLine: (line, stream) => {
      const text = line.replace(/^images: /, '');
      const soFar = /^ +still at it: [\d.]+ s, (.*)/.exec(text)?.[1];
      if (soFar) step.say(`${soFar} · ${task}`);
      else if (/^(base|vm): \d+ MB /.test(text)) finished.push(text.replace(/ in \/[^ ,]+/, ''));
      else if (stream === 'stdout' && !text.startsWith(' ')) {
        task = text;
        step.say(`0 MB · ${task}`);
      }
    },
  });
  if (build.status !== 0) throw new PlainError(`the images could not be built: ${tail(build.stderr)}`);
  return finished.join('; ') || 'up to date';
};

/** `address` is where the site will be read, for what must name it in full; empty if nobody said. */
export const buildSite = async (step: Step, address: string): Promise<string> => {
  const key = fingerprint(
    ['site', 'sandbox-server/src', 'labs', 'package-lock.json'].map((path) => join(ROOT, path)),
    address,
  );
  const built = stamp('site');
  if (built.matches(key) && existsSync(join(ROOT, 'site/dist/index.html'))) return 'up to date';
  const astro = await run(NODE, [join(ROOT, 'node_modules/astro/bin/astro.mjs'), 'build'], {
    cwd: join(ROOT, 'site'),
    env: { ...process.env, BULKHEAD_SITE_URL: address, ASTRO_TELEMETRY_DISABLED: '1', NO_COLOR: '1' },
    onLine: (line) => step.say(line.replace(/^\d\d:\d\d:\d\d /, '').slice(0, 100)),
  });
  if (astro.status !== 0)
    throw new PlainError(`the site does not build: ${tail(astro.stderr || astro.stdout)}`);
  built.write(key);
  return 'built';
};

/** Makes the server's user and the state directory. */
const prepareState = async (state: string): Promise<string> => {
  const user = await run('id', ['-u', SERVER_USER]);
  if (user.status !== 0) {
    const made = await run(
      'useradd',
      [
        '--system',
        '--user-group',
        '--no-create-home',
        '--home-dir',
        '/nonexistent',
        '--shell',
        '/usr/sbin/nologin',
        SERVER_USER,
      ],
      { root: true },
    );
    if (made.status !== 0)
      throw new PlainError(`cannot make the system user ${SERVER_USER}: ${tail(made.stderr)}`);
  }
  const commands: [string, string[]][] = [
    ['install', ['-d', '-m', '0755', state, join(state, 'app'), join(state, 'images')]],
    ['install', ['-d', '-m', '0700', '-o', SERVER_USER, '-g', SERVER_USER, join(state, 'server')]],
  ];
  for (const [command, args] of commands) {
    const { status, stderr } = await run(command, args, { root: true });
    if (status !== 0)
      throw new PlainError(
        `cannot make the state directory ${state}: ${tail(stderr)}; choose another with --state`,
      );
  }
  return `${state}, user ${SERVER_USER}`;
};

/** Runs one step, ending its line properly whatever happens. */
export const inStep = async (
  number: number,
  of: number,
  name: string,
  work: (step: Step) => Promise<string>,
): Promise<void> => {
  const step = new Step(number, of, name);
  try {
    step.done(await work(step));
  } catch (error) {
    step.abandon();
    throw error;
  }
};

/** Everything needed to start or to test. `steps` in all are announced; the caller may add its own after these five. */
export const setUp = async (settings: {
  state: string;
  images: string;
  forTests: boolean;
  steps: number;
  /** Where browsers reach the site, if that is known. */
  publicUrl?: string | undefined;
}): Promise<void> => {
  const { steps } = settings;
  mkdirSync(join(ROOT, 'node_modules/.cache/bulkhead'), { recursive: true });
  await inStep(1, steps, 'System packages', (step) => installSystemPackages(step, settings.forTests));
  await inStep(2, steps, 'State', () => prepareState(settings.state));
  await inStep(3, steps, 'Native programs', buildNative);
  await inStep(4, steps, 'Site', (step) => buildSite(step, settings.publicUrl ?? ''));
  await inStep(5, steps, 'Images', (step) => buildImages(step, settings.images));
};
