// Bundles for tests of the runtime: a root file system of one static busybox, and config.json as docs/runtime.md shows it.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { copyForAnyone } from './anyone.ts';

const repository = resolve(import.meta.dirname, '../..');
export const runtime = join(process.env.BULKHEAD_PROGRAMS ?? join(repository, 'native/build'), 'bulkhead');

/** config.json, as far as tests change it. */
export type Config = {
  hostname?: string;
  root: { path: string; readonly?: boolean };
  annotations?: Record<string, string>;
  process: {
    args: string[];
    env: string[];
    cwd: string;
    user: { uid: number; gid: number };
    noNewPrivileges: boolean;
    capabilities: Record<string, string[]>;
    [field: string]: unknown;
  };
  mounts: {
    destination: string;
    type: string;
    source: string;
    options: string[];
    [field: string]: unknown;
  }[];
  linux: {
    namespaces: { type: string; path?: string }[];
    resources: { memory: { limit: number }; pids: { limit: number }; [field: string]: unknown };
    cgroupsPath: string;
    maskedPaths: string[];
    readonlyPaths: string[];
    seccomp: unknown;
    [field: string]: unknown;
  };
  [field: string]: unknown;
};

export type Outcome = { status: number | null; stdout: string; stderr: string };

/** A seccomp profile of ours. */
export const profile = (name: 'hardened' | 'nested'): unknown =>
  JSON.parse(readFileSync(join(repository, `native/seccomp/${name}.json`), 'utf8'));

/** The document of docs/runtime.md, so that what is written there is what works. */
export const documented = (): Config => {
  const page = readFileSync(join(repository, 'docs/runtime.md'), 'utf8');
  const text = /## A `hardened` container.*?```json\n(.*?)```/s.exec(page)?.[1];
  if (!text) throw new Error('docs/runtime.md shows no config.json');
  return JSON.parse(text) as Config;
};

/** A folder for one test file: images, bundles and the runtime's state, all gone with `end`. */
export class Workshop {
  readonly directory = temporaryFolder('runtime');
  readonly cgroup = `bulkhead-runtime-test-${this.directory.slice(-6)}`;
  readonly image = join(this.directory, 'rootfs');
  readonly state = join(this.directory, 'state');
  #bundles = 0;

  constructor() {
    for (const path of ['bin', 'proc', 'sys', 'dev', 'tmp', 'etc', 'root'])
      mkdirSync(join(this.image, path), { recursive: true });
    copyFileSync('/bin/busybox', join(this.image, 'bin/busybox'));
    const applets = spawnSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).stdout.trim().split('\n');
    for (const applet of applets.filter((name) => name !== 'busybox'))
      symlinkSync('busybox', join(this.image, 'bin', applet));
    writeFileSync(join(this.image, 'etc/motd'), 'of the image\n');
  }

  /** Runs the runtime with these arguments. */
  run(args: string[], options: { input?: string; uid?: number } = {}): Outcome {
    const program = options.uid === undefined ? runtime : copyForAnyone(runtime, this.directory);
    const done = spawnSync(program, ['--root', this.state, ...args], {
      encoding: 'utf8',
      timeout: patiently(30_000),
      ...options,
    });
    if (done.error) throw done.error;
    return { status: done.status, stdout: done.stdout, stderr: done.stderr };
  }

  /** Starts `bundle` as container `id`, which lives on, without the pipes that a test would wait for. */
  detach(id: string, bundle: string, verb: string[] = ['run', '--detach']): void {
    const done = this.shell(
      `exec ${runtime} --root ${this.state} ${verb.join(' ')} --bundle ${bundle} ${id}`,
      true,
    );
    if (done.status !== 0) throw new Error(`${verb.join(' ')} ${id} failed with ${done.status}`);
  }

  /** Runs a shell script on the host. */
  shell(script: string, quiet = false): Outcome {
    const done = spawnSync('/bin/sh', ['-c', script], {
      encoding: 'utf8',
      timeout: patiently(30_000),
      stdio: quiet ? 'ignore' : 'pipe',
    });
    if (done.error) throw done.error;
    return { status: done.status, stdout: done.stdout ?? '', stderr: done.stderr ?? '' };
  }

  /** A new bundle whose program is `command`, in the shell; `change` edits its config.json. Returns the folder. */
  bundle(command: string, change: (config: Config) => void = () => {}): string {
    const path = join(this.directory, `bundle-${this.#bundles++}`);
    const config = documented();
    config.root.path = this.image;
    config.process.args = ['/bin/sh', '-c', command];
    config.linux.seccomp = profile('hardened');
    config.linux.cgroupsPath = `${this.cgroup}/${this.#bundles}`;
    change(config);
    mkdirSync(path);
    writeFileSync(join(path, 'config.json'), JSON.stringify(config));
    return path;
  }

  /** Runs `command` in a container of its own, from start to end. */
  inside(command: string, change?: (config: Config) => void): Outcome {
    return this.run(['run', '--bundle', this.bundle(command, change), `c${this.#bundles}`]);
  }

  end(): void {
    for (const id of this.run(['list', '--quiet']).stdout.split('\n').filter(Boolean))
      this.run(['delete', '--force', id]);
    rmSync(this.directory, { recursive: true, force: true });
    // The runtime leaves parents it made to whoever named them.
    for (const hierarchy of ['', ...readdirSync('/sys/fs/cgroup')]) {
      const path = join('/sys/fs/cgroup', hierarchy, this.cgroup);
      if (existsSync(path)) rmdirSync(path);
    }
  }
}

/** As `nested` differs from `hardened` in docs/runtime.md. */
export const asNested = (config: Config): void => {
  const all = [
    'CAP_CHOWN',
    'CAP_DAC_OVERRIDE',
    'CAP_FOWNER',
    'CAP_KILL',
    'CAP_SETFCAP', // or unshare -r may not map root

    'CAP_SETGID',
    'CAP_SETUID',
    'CAP_SYS_ADMIN',
  ];
  for (const set of ['bounding', 'effective', 'permitted']) config.process.capabilities[set] = all;
  config.process.noNewPrivileges = false;
  config.linux.seccomp = profile('nested');
  config.linux.maskedPaths = [];
  config.linux.readonlyPaths = [];
};

/** A container whose ids are the host's. */
export const withoutUser = (config: Config): void => {
  config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'user');
  delete config.linux.uidMappings;
  delete config.linux.gidMappings;
};
