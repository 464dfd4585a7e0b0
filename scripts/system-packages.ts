// What Bulkhead needs from the distribution, and installing what is missing of it.
import { existsSync, readFileSync } from 'node:fs';
import { run } from './privilege.ts';
import { PlainError, type Step } from './progress.ts';

/** To build and run. Each line says what for. */
const TO_RUN = [
  'gcc make libc6-dev', // native/
  'libjansson-dev libseccomp-dev libcap-dev', // native/: JSON, seccomp filters, capabilities; all linked statically
  'util-linux mount passwd', // unshare, setpriv, useradd: the server's private view of the project and its user
  'qemu-system-x86 seabios', // VMs
  'mmdebstrap debian-archive-keyring', // images, from the machine's own mirror
  'cpio xz-utils zstd kmod erofs-utils', // the VM image: initramfs, modules, disk
  'secilc', // its SELinux policy
];

/** To test, further. */
const TO_TEST = [
  'clang libclang-rt-dev',
  'libcmocka-dev',
  'busybox-static',
  'catatonit',
  'apparmor', // its parser: a profile for a VM's kernel
  'procps',
  'strace',
  'podman',
];

/** Whom `npm run bench -- launch` compares with; it does without those that cannot be had. */
const TO_COMPARE = ['crun', 'runc', 'bubblewrap'];

/** For `npm run memory`. */
const FOR_MEMORY = ['valgrind'];

export type Distribution = { readonly id: string; readonly version: string; readonly name: string };

/** Reads /etc/os-release. Returns undefined where there is none. */
export const distribution = (file = '/etc/os-release'): Distribution | undefined => {
  if (!existsSync(file)) return undefined;
  const fields = new Map(
    readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.split(/=(.*)/s, 2))
      .map(([key = '', value = '']) => [key, value.replace(/^"|"$/g, '')]),
  );
  return {
    id: fields.get('ID') ?? 'unknown',
    version: fields.get('VERSION_ID') ?? '',
    name: fields.get('PRETTY_NAME') ?? 'an unknown system',
  };
};

const SUPPORTED = 'Debian 12 and 13 and Ubuntu 24.04';

/** Throws PlainError unless packages can be installed here with apt. Newer releases than the tested ones are let through. */
export const checkDistribution = (found: Distribution | undefined): Distribution => {
  const oldest: Record<string, number> = { debian: 12, ubuntu: 24.04 };
  const minimum = found ? oldest[found.id] : undefined;
  // Debian testing and unstable have no VERSION_ID.
  if (found && minimum !== undefined && (found.version === '' || Number(found.version) >= minimum))
    return found;
  throw new PlainError(
    `${found?.name ?? 'this system'} is not supported; Bulkhead sets itself up on ${SUPPORTED}: use one of them, or a VM with one`,
  );
};

/** The packages of `wanted` that are not installed. */
const missing = async (wanted: readonly string[]): Promise<string[]> => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own format
  const { stdout } = await run('dpkg-query', ['-W', '-f', '${db:Status-Status} ${Package}\\n', ...wanted]);
  const installed = new Set(
    stdout
      .split('\n')
      .filter((line) => line.startsWith('installed '))
      .map((line) => line.slice('installed '.length)),
  );
  return wanted.filter((name) => !installed.has(name));
};

const apt = async (args: readonly string[], step: Step, doing: string): Promise<void> => {
  const { status, stderr, stdout } = await run(
    'apt-get',
    ['-q', '-y', '-o', 'APT::Status-Fd=3', '-o', 'DPkg::Lock::Timeout=120', ...args],
    {
      root: true,
      statusFd: true,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
      onLine: (line, stream) => {
        if (stream !== 'status') return;
        const [kind, what = '', percent = ''] = line.split(':');
        if (kind === 'dlstatus') step.say(`${Math.round(Number(percent))} % · ${doing}: downloading`);
        if (kind === 'pmstatus') step.say(`${Math.round(Number(percent))} % · ${doing}: ${what}`);
      },
    },
  );
  if (status === 0) return;
  const output = `${stdout}\n${stderr}`;
  const unknown = /Unable to locate package (\S+)|Package '?(\S+?)'? has no installation candidate/.exec(
    output,
  );
  if (unknown)
    throw new PlainError(
      `the package ${unknown[1] ?? unknown[2]} cannot be had from this system's package sources; check /etc/apt/sources.list* (on Ubuntu, enable "universe")`,
    );
  if (/No space left|enough free space/.test(output))
    throw new PlainError(
      'the disk is full: installing packages needs about 1.5 GB; free some space, then run this again',
    );
  const line = output.split('\n').find((one) => /^E:|^Err:/.test(one));
  throw new PlainError(
    `apt-get ${args[0]} failed: ${line ?? `status ${status}`}; run it by hand to see more`,
  );
};

/** Installs what is missing; returns what to tell. */
export const installSystemPackages = async (step: Step, forTests: boolean): Promise<string> => {
  const found = checkDistribution(distribution());
  const wanted = [...TO_RUN, ...(forTests ? [...TO_TEST, browserPackage(found)] : [])].flatMap((line) =>
    line.split(' '),
  );
  const needed = await missing(wanted);
  if (needed.length === 0) return `all ${wanted.length} are there`;
  step.say(`${needed.length} to install`);
  await apt(['update'], step, 'package lists');
  await apt(['install', '--no-install-recommends', ...needed], step, 'installing');
  const still = await missing(needed);
  if (still.length > 0)
    throw new PlainError(
      `apt-get said it installed ${still.join(' ')}, but dpkg does not list it; run \`dpkg --configure -a\``,
    );
  return `${needed.length} installed: ${needed.join(' ')}`.slice(0, 70);
};

const installAll = async (wanted: readonly string[], step: Step): Promise<string> => {
  const needed = await missing(wanted);
  if (needed.length === 0) return `all ${wanted.length} are there`;
  step.say(`${needed.length} to install`);
  await apt(['install', '--no-install-recommends', ...needed], step, 'installing');
  return `${needed.length} installed: ${needed.join(' ')}`;
};

/** Installs the peers that benchmarks compare with; returns what to tell. */
export const installPeers = (step: Step): Promise<string> => installAll(TO_COMPARE, step);

/** Installs what watches over memory; returns what to tell. */
export const installForMemory = (step: Step): Promise<string> => installAll(FOR_MEMORY, step);

/** Ubuntu's package brings the browser as a snap. */
const browserPackage = (found: Distribution): string =>
  found.id === 'ubuntu' ? 'chromium-browser' : 'chromium';
