// A workshop where cgroup v2 is whatever this machine has: the runtime as it was just built and its bundles in one VM of
// ours, driven over the VM's link.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { LinkHost } from '../../sandbox-server/src/broker/link.ts';
import { GUEST_ITSELF } from '../../sandbox-server/src/broker/link.ts';
import type { BrokerParams } from '../../sandbox-server/src/protocol/broker.ts';
import { MIB, TestBroker } from './broker.ts';
import { type Config, documented, type Outcome, runtime } from './bundle.ts';
import { bootGuest } from './guest.ts';

/** A request on the link is a line of at most 1 MiB. */
const PIECE = 512 * 1024;
const ROOT_FILE_SYSTEM = '/run/bulkhead/images/base/rootfs';

/** One VM, in it a directory for one test file. Everything is gone with `end`, for the VM is. */
export class GuestWorkshop {
  readonly directory = '/run/workshop';
  readonly runtime = `${this.directory}/bulkhead --root ${this.directory}/state`;
  /** Of the containers, below the root of the tree. */
  readonly cgroup = 'workshop';
  readonly link: LinkHost;
  readonly #broker: TestBroker;
  /** Scripts that write bundles, until the next script runs. */
  readonly #unwritten: string[] = [];
  #bundles = 0;

  private constructor(broker: TestBroker, link: LinkHost) {
    this.#broker = broker;
    this.link = link;
  }

  static async start(features?: BrokerParams<'vm.create'>['features']): Promise<GuestWorkshop> {
    const broker = await TestBroker.start();
    try {
      const directory = join(broker.state, 'run/machines/guest');
      const { link } = await bootGuest(broker.control, 'guest', directory, 384 * MIB, features);
      const shop = new GuestWorkshop(broker, link);
      await shop.shell(`mkdir -p ${shop.directory}`);
      // Not the one in the VM's image, which may be older.
      await shop.bring(runtime, 'bulkhead');
      return shop;
    } catch (error) {
      await broker.dispose();
      throw error;
    }
  }

  /** Copies a program from here to the workshop's directory. */
  async bring(path: string, name: string): Promise<void> {
    const text = gzipSync(readFileSync(path)).toString('base64');
    const there = join(this.directory, name);
    for (let at = 0; at < text.length; at += PIECE)
      await this.shell(`base64 -d >> ${there}.gz <<'END'\n${text.slice(at, at + PIECE)}\nEND`);
    await this.shell(`gunzip -f ${there}.gz && chmod 755 ${there}`);
  }

  /** Runs a shell script in the VM itself; what it leaves behind is killed, unless it is in a group of its own. */
  async shell(script: string): Promise<Outcome> {
    // Every program costs an emulated processor dearly, every request too: so bundles are written by the script that
    // first uses one, and the shell reads it all from where it comes.
    const params = {
      machine: GUEST_ITSELF,
      command: ['/bin/sh', '/dev/stdin'],
      stdin: `exec </dev/null\n${this.#unwritten.splice(0).join('')}${script}\n`,
      timeout_ms: 60_000,
      max_output_bytes: 65_536,
    };
    const done = await this.link.request('exec', params, { timeoutMs: 70_000 });
    if (done.timed_out || done.truncated) throw new Error(`no end of: ${script}\n${done.stdout}`);
    return {
      status: done.signal ? 128 + done.signal : done.status,
      stdout: done.stdout,
      stderr: done.stderr,
    };
  }

  /** Runs the runtime with these arguments, which the shell splits. */
  run(args: string): Promise<Outcome> {
    return this.shell(`${this.runtime} ${args}`);
  }

  /** A new bundle whose program is `command`, in the shell; `change` edits its config.json. Returns the folder. */
  bundle(command: string, change: (config: Config) => void = () => {}): string {
    const path = `${this.directory}/bundle-${++this.#bundles}`;
    const config = documented();
    config.root.path = ROOT_FILE_SYSTEM;
    config.process.args = ['/bin/sh', '-c', command];
    delete config.linux.seccomp; // tested on the host; to compile it takes an emulated processor long
    config.linux.cgroupsPath = `${this.cgroup}/${this.#bundles}`;
    change(config);
    this.#unwritten.push(`mkdir ${path}\ncat >${path}/config.json <<'END'\n${JSON.stringify(config)}\nEND\n`);
    return path;
  }

  /** The command that starts `bundle` as container `id`, which lives on. */
  starting(id: string, bundle: string, verb = 'run --detach'): string {
    return `${this.runtime} ${verb} --bundle ${bundle} ${id} >/dev/null`;
  }

  /** Runs `command` in a container of its own, from start to end. */
  async inside(command: string, change?: (config: Config) => void): Promise<Outcome> {
    const bundle = this.bundle(command, change);
    return this.run(`run --bundle ${bundle} c${this.#bundles}`);
  }

  async end(): Promise<void> {
    this.link.close('the test is over');
    await this.#broker.dispose();
  }
}
