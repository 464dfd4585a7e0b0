// Launches of which one system call fails, or at which a process is killed, and what is left of them on the host. How
// that is brought about: oci-fault/tracer.c.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { patiently } from '../patience.ts';
import { runtime, type Workshop } from './bundle.ts';

/** Which call: of process 0, the command itself, of 1, the first process it made, and so on; calls count from 1. */
export type Fault = { readonly process: number; readonly call: number; readonly kill?: boolean };

type Said = {
  /** The call that failed; null where the process made fewer. */
  readonly call: string | null;
  /** Traced processes that outlived the command. */
  readonly left: readonly number[];
};
export type Attempt = Said & {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

/** How far it is from one call to the next that is tried: `BULKHEAD_FAULTS=all` tries each, which takes minutes. */
export const STRIDE = process.env.BULKHEAD_FAULTS === 'all' ? 1 : 17;

/** Tries one fault after the other until the chosen process makes no more calls; `first` is where to begin. */
export const untilUnreached = async (
  first: number,
  attempt: (call: number) => Promise<Said>,
): Promise<void> => {
  for (let call = first; (await attempt(call)).call !== null; call += STRIDE)
    if (call > 5000) throw new Error('no end');
};

export const buildTracer = (directory: string): string => {
  const program = join(directory, 'tracer');
  const options = ['-O1', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror'];
  const source = join(import.meta.dirname, 'oci-fault/tracer.c');
  execFileSync('cc', [...options, '-o', program, source, '-lseccomp'], { stdio: 'inherit' });
  return program;
};

const choice = (fault: Fault): string[] => [
  ...['--process', `${fault.process}`, '--call', `${fault.call}`],
  ...(fault.kill ? ['--kill'] : []),
];

const contents = (directory: string): string[] =>
  existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : [];

/** A zombie has nothing any more, and waits only for whoever reaps orphans here. */
export const isAlive = (pid: number): boolean => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

/** Faults of commands of the runtime. */
export class Faults {
  readonly #tracer: string;
  readonly #shop: Workshop;

  constructor(shop: Workshop) {
    this.#shop = shop;
    this.#tracer = buildTracer(shop.directory);
  }

  /** Runs the runtime with these arguments and lets `fault` happen to it. */
  run(args: readonly string[], fault: Fault): Attempt {
    const command = [...choice(fault), runtime, '--root', this.#shop.state, ...args];
    // Files, not pipes: a created container keeps them, and the end of a pipe would be waited for.
    const [stdout, stderr] = ['out', 'err'].map((name) => join(this.#shop.directory, name)) as [
      string,
      string,
    ];
    const files = [stdout, stderr].map((path) => openSync(path, 'w')) as [number, number];
    const done = spawnSync(this.#tracer, command, {
      encoding: 'utf8',
      timeout: patiently(30_000),
      stdio: ['ignore', ...files, 'pipe'],
    });
    for (const file of files) closeSync(file);
    if (done.error) throw done.error;
    const said = JSON.parse(done.output[3] ?? '{}') as Said;
    return {
      status: done.status,
      stdout: readFileSync(stdout, 'utf8'),
      stderr: readFileSync(stderr, 'utf8'),
      ...said,
    };
  }

  /** The cgroups of this workshop's containers. */
  groups(): string[] {
    const hierarchies = ['/sys/fs/cgroup', ...contents('/sys/fs/cgroup')];
    return hierarchies.flatMap((hierarchy) =>
      contents(join(hierarchy, this.#shop.cgroup)).filter((path) => existsSync(join(path, 'cgroup.procs'))),
    );
  }

  /**
   * What is there on the host of this workshop's containers, and of an attempt: processes, mounts, cgroups, folders.
   * Given a moment, for whoever hears only now that it is alone is still ending.
   */
  async leftovers(bundle: string, processes: readonly number[] = []): Promise<string[]> {
    for (const end = Date.now() + 10_000; ; await new Promise((resolve) => setTimeout(resolve, 2))) {
      const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
      const left = [
        ...processes.filter(isAlive).map((pid) => `/proc/${pid}`),
        ...mounts.filter((line) => line.includes(this.#shop.directory)),
        ...this.groups(),
        ...contents(this.#shop.state).filter((path) => !path.endsWith('/.seccomp')),
        ...contents(bundle).filter((path) => !path.endsWith('/config.json')),
      ];
      if (left.length === 0 || Date.now() > end) return left;
    }
  }
}

/** A fault of a process that runs already, and of the processes that it makes from now on. */
export class AttachedFault {
  readonly #tracer: ChildProcess;
  #said = '';

  private constructor(tracer: ChildProcess) {
    this.#tracer = tracer;
  }

  static async attach(program: string, pid: number, fault: Fault): Promise<AttachedFault> {
    const tracer = spawn(program, [...choice(fault), '--attach', `${pid}`], {
      stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    });
    const attached = new AttachedFault(tracer);
    await new Promise<void>((resolve, reject) => {
      tracer.once('exit', (status) => reject(new Error(`the tracer ended with ${status}`)));
      (tracer.stdio[3] as Readable).setEncoding('utf8').on('data', (text: string) => {
        attached.#said += text;
        if (attached.#said.startsWith('ready\n')) resolve();
      });
    });
    return attached;
  }

  /** Lets go; returns what happened. */
  async end(): Promise<Said> {
    const closed = once(this.#tracer, 'close');
    this.#tracer.kill('SIGTERM');
    await closed;
    return JSON.parse(this.#said.slice('ready\n'.length)) as Said;
  }
}
