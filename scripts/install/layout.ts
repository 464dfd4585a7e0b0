// Laying an installation out: everything it needs in one directory, which takes the place of the one before in one step.
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { exampleConfig } from '../../sandbox-server/src/operator/config.ts';
import { type Place, units } from './units.ts';

export interface Layout {
  /** The checkout, with what was built in it. */
  from: string;
  /** Where the native programs were built. */
  native: string;
  /** The root of the system that is installed into; / unless an image is being made. */
  root: string;
  place: Place;
}

/** Directories of the checkout that an installed server reads. */
const READ = ['sandbox-server', 'site/dist', 'labs'];
/** Of those, what it does not. */
const LEFT_OUT = /(\.test\.ts$|\/testing$|\/node_modules$|^labs\/images$)/;
const PROGRAMS = ['bulkhead', 'bulkheadd', 'bulkhead-monitor'];

export const UNITS = '/etc/systemd/system';
export const COMMAND = '/usr/local/bin/bulkhead-operate';

/** Writes the new programs beside the old and gives them their name; what runs goes on with the old ones, which stay
 * until the next time. Then units, the operator's command, and a configuration file unless there is one. */
export const layOut = (layout: Layout): void => {
  const { root, place } = layout;
  const programs = join(root, place.programs);
  const [next, previous] = [`${programs}.new`, `${programs}.previous`];
  rmSync(next, { recursive: true, force: true });
  fill(next, layout);
  rmSync(previous, { recursive: true, force: true });
  if (existsSync(programs)) renameSync(programs, previous);
  renameSync(next, programs);

  for (const [name, text] of Object.entries(units(place))) write(join(root, UNITS, name), text);
  write(join(root, COMMAND), operateCommand(place), 0o755);
  write(join(programs, 'uninstall'), uninstallCommand(place), 0o755);
  const config = join(root, place.config);
  if (!existsSync(config)) write(config, exampleConfig());
};

const fill = (target: string, { from, native }: Layout): void => {
  for (const name of PROGRAMS) copy(join(native, name), join(target, 'bin', name));
  copy(join(from, 'node_modules/node/bin/node'), join(target, 'bin/node'));
  for (const directory of READ.filter((one) => existsSync(join(from, one)))) {
    cpSync(join(from, directory), join(target, directory), {
      recursive: true,
      filter: (path) => !LEFT_OUT.test(relative(from, path)),
    });
  }
  for (const file of ['LICENSE', 'package.json']) copy(join(from, file), join(target, file));
  for (const path of packagesOf(join(from, 'sandbox-server'), from)) {
    cpSync(path, join(target, relative(from, path)), { recursive: true, dereference: true });
  }
};

/** The directories of the npm packages that the package in `directory` needs when it runs, found as Node finds them. */
export const packagesOf = (directory: string, top: string, found = new Set<string>()): Set<string> => {
  const { dependencies = {} } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as {
    dependencies?: Record<string, string>;
  };
  for (const name of Object.keys(dependencies)) {
    const path = lookUp(name, directory, top);
    if (found.has(path)) continue;
    found.add(path);
    packagesOf(path, top, found);
  }
  return found;
};

const lookUp = (name: string, from: string, top: string): string => {
  for (let at = from; at.startsWith(top); at = dirname(at)) {
    const path = join(at, 'node_modules', name);
    if (existsSync(join(path, 'package.json'))) return path;
  }
  throw new Error(`the npm package ${name} is not installed; run npm ci`);
};

const operateCommand = ({ programs }: Place): string => `#!/bin/sh
# The operator's commands of Bulkhead; without any it says which there are.
exec ${programs}/bin/node ${programs}/sandbox-server/src/operator/main.ts "$@"
`;

const uninstallCommand = ({ programs, config, state, user }: Place): string => `#!/bin/sh
# Ends every machine and removes what was installed; with --purge also what was configured and remembered.
set -eu
[ "$(id -u)" = 0 ] || { echo 'uninstall: must be root' >&2; exit 1; }
if [ -d /run/systemd/system ]; then
  systemctl disable --now bulkhead-server bulkheadd
  systemctl stop bulkhead-machines bulkhead.slice
fi
rm -f ${Object.keys(units({ programs, config, state, user }))
  .map((name) => `${UNITS}/${name}`)
  .join(' ')} ${COMMAND}
[ ! -d /run/systemd/system ] || systemctl daemon-reload
if [ "\${1-}" = --purge ]; then
  rm -rf --one-file-system ${state} ${dirname(config)}
  ! id ${user} >/dev/null 2>&1 || userdel ${user}
fi
rm -rf --one-file-system ${programs}.previous ${programs}
`;

const copy = (from: string, to: string): void => {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { dereference: true });
};

const write = (path: string, text: string, mode = 0o644): void => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
};
