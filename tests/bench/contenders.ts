// Who is timed: `bulkhead run`, its peers with documents that ask for the same, and the steps between fork and floor.
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, cpSync, mkdtempSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, runtime, type Workshop } from '../integration/bundle.ts';
import { time } from './timer.ts';

export interface Contender {
  name: string;
  /** In words, for the table's legend. */
  what: string;
  command: string[];
}

export interface Skipped {
  name: string;
  reason: string;
}

const FIRST_ID = 2_000_000_000;

/** The programs of this folder, each one file of C. */
export interface Programs {
  /** A copy of the runtime, which may be built anew meanwhile. */
  bulkhead: string;
  timer: string;
  payload: string;
  clone3: string;
  floor: string;
}

/** Compiles what is measured with, statically: a dynamic loader takes longer than a clone. */
export const buildPrograms = (directory: string): Programs => {
  const build = (name: string): string => {
    const program = join(directory, name);
    const source = join(import.meta.dirname, `${name}.c`);
    const flags = ['-std=gnu17', '-O2', '-Wall', '-Wextra', '-Werror', '-static'];
    const done = spawnSync('cc', [...flags, '-o', program, source], { encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`tests/bench/${name}.c does not compile: ${done.stderr}`);
    return program;
  };
  const bulkhead = join(directory, 'bulkhead');
  copyFileSync(runtime, bulkhead);
  chmodSync(bulkhead, 0o755);
  return {
    bulkhead,
    timer: build('timer'),
    payload: build('payload'),
    clone3: build('clone3'),
    floor: build('floor'),
  };
};

/**
 * Has the shop, and the peers in folders of it, keep state where it belongs: in memory, as /run is on most hosts. The
 * journal of a disk would be timed otherwise. Returns the folder, to be removed in the end.
 */
export const keepStateInMemory = (shop: Workshop): string => {
  const memory = mkdtempSync('/dev/shm/bulkhead-bench-');
  symlinkSync(memory, shop.state);
  return memory;
};

/** Puts the payload into the image as /bin/payload; the folder is opened to the containers' users. */
export const prepareImage = (shop: Workshop, programs: Programs): void => {
  chmodSync(shop.directory, 0o755);
  copyFileSync(programs.payload, join(shop.image, 'bin/payload'));
  chmodSync(join(shop.image, 'bin/payload'), 0o755);
};

/** The image once more, as files of `uid`: runc and crun have no mount that shows it with other ids. */
const imageOf = (shop: Workshop, uid: number): string => {
  const copy = join(shop.directory, `rootfs-${uid}`);
  cpSync(shop.image, copy, { recursive: true, verbatimSymlinks: true });
  for (const path of [copy, ...readdirSync(copy).map((name) => join(copy, name))]) chownSync(path, uid, uid);
  return copy;
};

/** Gives the container user ids of its own, far from all that others use: some of what the kernel has is counted for a
 * user (keys: 200), and then somebody else's container could stop one that is timed. */
const useIds = (config: Config, slot: number): void => {
  const map = [{ containerID: 0, hostID: FIRST_ID + slot * 65536, size: 65536 }];
  Object.assign(config.linux, { uidMappings: map, gidMappings: map });
};

/** For bulkhead the page's document as it is; `id` names the cgroup. */
export const hardened = (shop: Workshop, id: string, slot = 0, args = ['/bin/payload']): string =>
  shop.bundle('', (config) => {
    useIds(config, slot);
    config.process.args = args;
    config.linux.cgroupsPath = `${shop.cgroup}/${id}`;
  });

/** The same for runc and crun, as they can do it: less a time namespace, and on a root that was made for them before. */
const asPeersCan = (shop: Workshop, id: string, image: string): string =>
  shop.bundle('', (config: Config) => {
    config.ociVersion = '1.0.2';
    config.root.path = image;
    delete config.annotations;
    useIds(config, 0);
    config.process.args = ['/bin/payload'];
    config.linux.cgroupsPath = `/${shop.cgroup}/${id}`;
    config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'time');
  });

const every = (shop: Workshop, programs: Programs, crun: string): Contender[] => {
  const image = imageOf(shop, FIRST_ID);
  const runtimeRun = (program: string, name: string): string[] => {
    const bundle = asPeersCan(shop, name, image);
    return [program, '--root', join(shop.state, `.${name}`), 'run', '--bundle', bundle, `bench-${name}`];
  };
  return [
    {
      name: 'bulkhead run',
      what: 'docs/runtime.md, `hardened`: user and seven more namespaces, overlay, limits, masks, seccomp',
      command: [
        programs.bulkhead,
        '--root',
        shop.state,
        'run',
        '--bundle',
        hardened(shop, 'bulkhead'),
        'bench-bulkhead',
      ],
    },
    {
      name: 'crun run',
      what: 'the same document without time namespace and overlay',
      command: runtimeRun(crun, 'crun'),
    },
    {
      name: 'runc run',
      what: 'the same document without time namespace and overlay',
      command: runtimeRun('runc', 'runc'),
    },
    {
      name: 'bubblewrap',
      what: '--unshare-all, no limits, no filter',
      command: [
        ...['bwrap', '--unshare-all', '--new-session', '--die-with-parent', '--ro-bind', shop.image, '/'],
        ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '/bin/payload'],
      ],
    },
    {
      name: 'floor',
      what: 'floor.c: a full container without user namespace and without one check',
      command: [programs.floor, shop.image, `${shop.cgroup}-floor`, '/bin/payload'],
    },
    {
      name: 'clone3',
      what: 'clone3.c: seven namespaces and exec',
      command: [programs.clone3, programs.payload],
    },
    { name: 'fork + exec', what: 'no partition at all', command: [programs.payload] },
  ];
};

/** Those of all contenders that work here, tried once, and why others do not. bulkhead itself has to. */
export const contenders = (
  shop: Workshop,
  programs: Programs,
  crun: string,
): { able: Contender[]; skipped: Skipped[] } => {
  const able: Contender[] = [];
  const skipped: Skipped[] = [];
  for (const contender of every(shop, programs, crun)) {
    const { name, command } = contender;
    const [program = '', ...args] = command;
    const found = spawnSync('sh', ['-c', 'command -v "$0"', program], { encoding: 'utf8' }).stdout.trim();
    if (!found) {
      skipped.push({ name, reason: `skipped: needs ${program}` });
      continue;
    }
    contender.command = [found, ...args];
    try {
      time(programs.timer, [{ group: name, name, command: contender.command }], 1, 0);
      able.push(contender);
    } catch (error) {
      if (name === 'bulkhead run') throw error;
      skipped.push({ name, reason: `skipped: ${error instanceof Error ? error.message : error}` });
    }
  }
  return { able, skipped };
};
