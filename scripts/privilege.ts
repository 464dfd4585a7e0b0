// Running commands as root: directly when we are root, through sudo otherwise.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { PlainError } from './progress.ts';

export const isRoot = process.getuid?.() === 0;

/** Asks for the sudo password once, while a person is watching. Throws PlainError when there is no way to become root. */
export const ensureRoot = (): void => {
  if (isRoot) return;
  const sudo = spawnSync('sudo', ['-v'], { stdio: 'inherit' });
  if (sudo.error)
    throw new PlainError(
      'not root and no sudo here; run `npm start` as root, or install sudo and add your user to its group',
    );
  if (sudo.status !== 0)
    throw new PlainError(
      'sudo was refused; Bulkhead makes containers and VMs, which needs root once: ask your administrator',
    );
};

const asRoot = (command: string, args: readonly string[]): [string, string[]] =>
  isRoot ? [command, [...args]] : ['sudo', ['-n', '--', command, ...args]];

/** How long a command's output is still waited for when the command itself is over. */
const LINGER_MS = 2_000;

/** What `run` has under way. */
const running = new Set<ChildProcess>();

/** Ends the commands that are still running, so that an interrupted set-up leaves none behind. */
export const interruptRunning = (): void => {
  for (const child of running) child.kill('SIGTERM');
};

export type Finished = { status: number; stdout: string; stderr: string };

type RunOptions = {
  readonly root?: boolean;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Called with each line of standard output and standard error as it comes. */
  readonly onLine?: (line: string, stream: 'stdout' | 'stderr' | 'status') => void;
  /** Opens file descriptor 3 of the command and reports its lines as stream `status`. */
  readonly statusFd?: boolean;
};

/** Runs a command to its end and collects what it prints. Throws PlainError when it cannot be started. */
export const run = (
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> => {
  const [program, programArgs] = options.root ? asRoot(command, args) : [command, [...args]];
  return new Promise((resolve, reject) => {
    const child = spawn(program, programArgs, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe', options.statusFd ? 'pipe' : 'ignore'],
    });
    running.add(child);
    const collected = { stdout: '', stderr: '', status: '' };
    const follow = (index: 1 | 2 | 3, name: keyof typeof collected): void => {
      const stream = child.stdio[index];
      if (!stream || !('setEncoding' in stream)) return;
      stream.setEncoding('utf8');
      let rest = '';
      stream.on('data', (text: string) => {
        collected[name] += text;
        const lines = (rest + text).split(/[\n\r]/);
        rest = lines.pop() ?? '';
        for (const line of lines) if (line !== '') options.onLine?.(line, name);
      });
    };
    follow(1, 'stdout');
    follow(2, 'stderr');
    if (options.statusFd) follow(3, 'status');
    child.on('error', (error) => reject(new PlainError(`cannot run ${program}: ${error.message}`)));
    // What it started and left behind may hold its output open for ever. It has had its say when it is over itself.
    child.on('exit', () => {
      setTimeout(() => {
        for (const stream of child.stdio) stream?.destroy();
      }, LINGER_MS).unref();
    });
    child.on('close', (status) => {
      running.delete(child);
      resolve({ status: status ?? 1, stdout: collected.stdout, stderr: collected.stderr });
    });
  });
};

/** Starts a long-lived program in a process group of its own, so that a Ctrl-C on the terminal does not reach it directly. */
export const start = (
  command: string,
  args: readonly string[],
  options: { readonly root?: boolean; readonly env?: NodeJS.ProcessEnv } = {},
): ChildProcess => {
  const [program, programArgs] = options.root ? asRoot(command, args) : [command, [...args]];
  return spawn(program, programArgs, {
    env: options.env ?? process.env,
    stdio: ['pipe', 'inherit', 'pipe'],
    detached: true,
  });
};
