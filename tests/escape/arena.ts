// Where attempts are made: a container of each profile with a neighbour, a VM whose root may do anything, and the host.
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { LinkHost } from '../../sandbox-server/src/broker/link.ts';
import type { BrokerResult } from '../../sandbox-server/src/protocol/broker.ts';
import { TestBroker } from '../integration/broker.ts';
import { bootGuest } from '../integration/guest.ts';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';

export const PROFILES = ['hardened', 'nested'] as const;
export type Profile = (typeof PROFILES)[number];

const SOURCES = join(import.meta.dirname, 'attempts');
const LIMIT = { timeout_ms: 30_000, max_output_bytes: 65_536 };

/** Makes the program of all attempts. */
export function buildAttempts(path: string): void {
  const sources = readdirSync(SOURCES).filter((name) => name.endsWith('.c'));
  const options = ['-static', '-O1', '-s', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror'];
  execFileSync('cc', [...options, '-o', path, ...sources.map((name) => join(SOURCES, name))]);
}

/** Everything that one test file needs, made with `open` and gone with `close`. */
export class Arena {
  readonly directory = temporaryFolder('escape');
  readonly program = join(this.directory, 'attempts');
  readonly broker: TestBroker;
  #guest: LinkHost | null = null;

  private constructor(broker: TestBroker) {
    this.broker = broker;
  }

  static async open(): Promise<Arena> {
    const arena = new Arena(await TestBroker.start());
    try {
      buildAttempts(arena.program);
      for (const profile of PROFILES) await arena.machine(profile, profile);
      return arena;
    } catch (error) {
      await arena.close();
      throw error;
    }
  }

  /** A container with the attempts in its /root. */
  async machine(machine: string, profile: Profile): Promise<void> {
    await this.broker.create(machine, { profile });
    await this.#bring((command, stdin) => this.broker.exec(machine, command, { stdin }));
  }

  /** A VM, whose root is as far from being stopped as root on a computer of its own. Booted when first asked for. */
  async guest(): Promise<LinkHost> {
    if (this.#guest) return this.#guest;
    const directory = join(this.broker.state, 'run/machines/guest');
    const { link: guest } = await bootGuest(this.broker.control, 'guest', directory, 256 * 2 ** 20);
    await this.#bring((command, stdin) =>
      guest.request('exec', { machine: 'host', command, stdin, ...LIMIT }),
    );
    this.#guest = guest;
    return guest;
  }

  /** What an attempt says in a container: `GOT …` or `STOPPED step: ERRNO`. */
  async inside(machine: string, attempt: string): Promise<string> {
    return said(await this.broker.exec(machine, ['/root/attempts', ...attempt.split(' ')]));
  }

  async inGuest(attempt: string): Promise<string> {
    const guest = await this.guest();
    const command = ['/root/attempts', ...attempt.split(' ')];
    return said(await guest.request('exec', { machine: 'host', command, ...LIMIT }, { timeoutMs: 40_000 }));
  }

  /** The same as root on the host, in a mount namespace that ends with it; `before` is shell text that comes first. */
  onHost(attempt: string, before = ''): string {
    const script = `${before}exec "$0" "$@"`;
    return this.#onHost(['sh', '-c', script, this.program, ...attempt.split(' ')]);
  }

  /** As root on the host, for an attempt that takes its time. */
  async onHostMeanwhile(attempt: string): Promise<string> {
    const { stdout } = await promisify(execFile)(this.program, attempt.split(' ')).catch(
      (failure) => failure,
    );
    return String(stdout).trim();
  }

  /** As root on the host in a chroot, which is no wall. */
  inChroot(attempt: string): string {
    const root = mkdtempSync(join(this.directory, 'root-'));
    copyFileSync(this.program, join(root, 'attempts'));
    return this.#onHost(['chroot', root, '/attempts', ...attempt.split(' ')]);
  }

  #onHost(command: string[]): string {
    // Nothing but the three standard descriptors: what the test's own caller leaks would be found instead.
    const clean = 'for fd in $(ls /proc/$$/fd); do [ $fd -gt 2 ] && eval "exec $fd<&-"; done; exec "$@"';
    const args = ['--mount', '--propagation', 'private', 'bash', '-c', clean, 'bash', ...command];
    const outcome = spawnSync('unshare', args, { encoding: 'utf8', timeout: patiently(30_000) });
    return `${outcome.stdout}${outcome.stderr}`.trim();
  }

  /** The pid on the host of a machine's first process. */
  async pidOf(machine: string): Promise<number> {
    const { machines } = await this.broker.control.request('machine.list', {});
    return machines.find((one) => one.machine === machine)?.pid ?? 0;
  }

  async close(): Promise<void> {
    this.#guest?.close('the test is over');
    await this.broker.dispose();
    rmSync(this.directory, { recursive: true });
  }

  async #bring(exec: (command: string[], stdin: string) => Promise<BrokerResult<'exec'>>): Promise<void> {
    const packed = gzipSync(readFileSync(this.program)).toString('base64');
    const unpack = 'base64 -d | gunzip > /root/attempts && chmod 755 /root/attempts';
    const { status, stderr } = await exec(['/bin/sh', '-c', unpack], packed);
    if (status !== 0) throw new Error(`cannot bring the attempts in: ${stderr}`);
  }
}

function said(outcome: BrokerResult<'exec'>): string {
  const end = outcome.signal ? `killed by signal ${outcome.signal}` : '';
  return `${outcome.stdout}${outcome.stderr}${end}`.trim();
}
