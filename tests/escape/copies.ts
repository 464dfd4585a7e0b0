// VMs by the dozen for attacks that their kernels, or their QEMU, do not live through: each a copy of one template.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Host } from '../../sandbox-server/src/broker/host.ts';
import { LinkHost } from '../../sandbox-server/src/broker/link.ts';
import type { MachineRecord } from '../../sandbox-server/src/protocol/broker.ts';
import { patiently } from '../patience.ts';

const PATIENCE_MS = patiently(30_000);
/** The longest that a broker lets a command take. */
const COMMAND_MS = 60_000;
const MEMORY = 256 * 2 ** 20;

export type Copy = { readonly machine: string; readonly pid: number; readonly link: LinkHost };

/** Makes VMs at a broker whose state directory is `state`, and runs attempts of the program at `program` in them. */
export class Copies {
  readonly #host: Pick<Host, 'request'>;
  readonly #state: string;
  readonly #program: string;
  readonly #made: Copy[] = [];
  #victim: Copy | null = null;

  constructor(host: Pick<Host, 'request'>, state: string, program: string) {
    this.#host = host;
    this.#state = state;
    this.#program = program;
  }

  /** The first waits until there is a template: a boot. */
  async make(machine: string): Promise<Copy> {
    const limits = { memory_bytes: MEMORY, cpu_millis: 1_000 };
    const wanted = {
      machine,
      image: 'vm',
      hostname: machine,
      limits,
      labels: {},
      start: 'template',
    } as const;
    const { machine: made } = await this.#host.request('vm.create', wanted, {
      timeoutMs: patiently(120_000),
    });
    const link = new LinkHost(this.file(machine, 'link.sock'));
    const copy = { machine, pid: made.pid ?? 0, link };
    this.#made.push(copy);
    await link.greeted(PATIENCE_MS);
    return copy;
  }

  /** One to be attacked: the last one, or another if that has died. */
  async victim(): Promise<Copy> {
    const last = this.#victim;
    if (last && (await this.record(last.machine))?.state === 'running') return last;
    this.#victim = await this.make(`copy-${this.#made.length}`);
    return this.#victim;
  }

  file(machine: string, name: string): string {
    return join(this.#state, 'run/machines', machine, name);
  }

  async record(machine: string): Promise<MachineRecord | undefined> {
    const { machines } = await this.#host.request('machine.list', {});
    return machines.find((one) => one.machine === machine);
  }

  /** Brings the attempts into a VM. */
  async arm({ link }: Copy): Promise<void> {
    const stdin = gzipSync(readFileSync(this.#program)).toString('base64');
    const command = ['/bin/sh', '-c', 'base64 -d | gunzip > /root/attempts && chmod 755 /root/attempts'];
    const limits = { timeout_ms: COMMAND_MS, max_output_bytes: 4_096 };
    const params = { machine: 'host', command, stdin, ...limits };
    const { status, stderr } = await link.request('exec', params, { timeoutMs: PATIENCE_MS });
    if (status !== 0) throw new Error(`cannot bring the attempts in: ${stderr}`);
  }

  /** What a command says in a VM, for at most `limitMs`; why it says nothing, if the attack was too much for the guest. */
  async run({ link }: Copy, command: string, limitMs = 10_000): Promise<string> {
    const params = { machine: 'host', command: ['/bin/sh', '-c', command], max_output_bytes: 65_536 };
    try {
      const timed = { ...params, timeout_ms: limitMs };
      const { stdout, stderr } = await link.request('exec', timed, { timeoutMs: limitMs });
      return `${stdout}${stderr}`.trim();
    } catch (error) {
      return `NO ANSWER: ${error instanceof Error ? error.message : error}`;
    }
  }

  /** Calls made in the name of a process of the host (`puppet`). */
  puppet(pid: number, calls: string): string {
    const args = ['puppet', `${pid}`, ...calls.split(' ')];
    const { stdout, stderr } = spawnSync(this.#program, args, { encoding: 'utf8', timeout: PATIENCE_MS });
    return `${stdout}${stderr}`.trim();
  }

  close(): void {
    for (const { link } of this.#made) link.close('the test is over');
  }
}
