// Times commands with timer.c, which is small and starts all of them alike: a Node that forks itself takes longer than
// what is to be measured.
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';

/** A command to time. Steps of one group run in their order; a step called `-` is run and not told. */
export interface Step {
  group: string;
  name: string;
  command: readonly string[];
}

export interface Timing {
  name: string;
  round: number;
  /** From just before the command is started until it has been waited for. */
  wallMs: number;
  /** Until the first instruction of what the container runs; undefined where that was not seen. */
  payloadMs?: number;
  /** Processor time of the command and of every process it waited for. */
  cpuMs: number;
}

/** Where cgroup v2 is mounted although the controllers are v1's; undefined on hosts that have one version. */
export const emptyUnifiedTree = (
  mountinfo = readFileSync('/proc/self/mountinfo', 'utf8'),
): string | undefined => {
  const mounts = mountinfo.split('\n').map((line) => {
    const [left = '', right = ''] = line.split(' - ');
    return { at: left.split(' ')[4], type: right.split(' ')[0] };
  });
  if (!mounts.some(({ type }) => type === 'cgroup')) return undefined;
  return mounts.find(({ type }) => type === 'cgroup2')?.at;
};

/** crun refuses a host with both versions. Covered in a mount namespace of our own, the v2 tree is not there for it, and
 * everybody is timed under the same conditions. */
const asOneVersion = (command: readonly string[]): readonly string[] => {
  const unified = emptyUnifiedTree();
  if (!unified) return command;
  const script = 'mount -t tmpfs none "$0" && exec "$@"';
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, unified, ...command];
};

/** Runs every step `rounds` times, groups in a new order each round, `gapMs` of idleness before each step. */
export const time = (timer: string, steps: readonly Step[], rounds: number, gapMs: number): Timing[] => {
  const [program = '', ...args] = asOneVersion([timer, String(rounds), String(gapMs), '1']);
  const input = steps.map(({ group, name, command }) => [group, name, ...command].join('\t')).join('\n');
  // To a file: a container that lives on keeps its standard error, and nobody shall wait for a pipe's end.
  const errors = `${timer}.stderr`;
  const stderr = openSync(errors, 'w+');
  const done = spawnSync(program, args, {
    input: `${input}\n`,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', stderr],
    maxBuffer: 1 << 26,
  });
  closeSync(stderr);
  const said = readFileSync(errors, 'utf8').trim();
  rmSync(errors);
  if (done.status !== 0) throw new Error(`timer ended with status ${done.status}: ${said}`);
  return done.stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [name = '', round, wall, payload, cpu, status] = line.split('\t');
      if (status !== '0') throw new Error(`${name} failed with status ${status}: ${said}`);
      const began = Number(payload) / 1e6;
      return {
        name,
        round: Number(round),
        wallMs: Number(wall) / 1e6,
        cpuMs: Number(cpu) / 1e6,
        ...(began > 0 ? { payloadMs: began } : {}),
      };
    });
};
