// The Linux in the tab without a browser: its saved state, restored in Node, with the client that the page uses.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Conversation } from '../../sandbox-server/src/broker/conversation.ts';
import {
  ATTACH_VERSION,
  decodeFrame,
  encodeFrame,
  FrameSplitter,
  prefixFrame,
  RING_BYTES,
} from '../../sandbox-server/src/protocol/frames.ts';
import { Emulator } from '../../site/src/tab/emulator.ts';
import { PieceDisk } from '../../site/src/tab/piece-disk.ts';
import { renewIdentity } from '../../site/src/tab/renew.ts';
import { patiently } from '../patience.ts';
import { readImage, readPiece, readState } from './place.ts';

const PATIENCE = patiently(240_000);
const image = readImage();
const v86 = dirname(createRequire(import.meta.url).resolve('v86'));

class Machine {
  readonly emulator: Emulator;
  readonly guest: Conversation;
  readonly ended: Promise<void>;

  private constructor(emulator: Emulator) {
    this.emulator = emulator;
    this.ended = new Promise((resolve) => emulator.onRestart(resolve));
    emulator.run();
    this.guest = new Conversation(() => Promise.resolve(emulator.port));
  }

  /** A copy of the saved machine, with an identity of its own. */
  static async restore(hostname: string): Promise<Machine> {
    const disk = new PieceDisk(image.disk.bytes, image.disk.pieceBytes, readPiece);
    const wasm = await WebAssembly.compile(readFileSync(join(v86, 'v86.wasm')));
    const emulator = await Emulator.make(wasm, { memoryBytes: image.memoryBytes, disk });
    await emulator.restore(readState(image));
    const machine = new Machine(emulator);
    await machine.guest.greeted(PATIENCE);
    await renewIdentity(machine.guest, hostname);
    return machine;
  }

  async run(machine: string, script: string): Promise<string> {
    const { stdout, stderr } = await this.guest.request(
      'exec',
      { machine, command: ['/bin/bash', '-c', script], timeout_ms: 60_000, max_output_bytes: 8_192 },
      { timeoutMs: PATIENCE },
    );
    return stdout + stderr;
  }

  async container(machine: string, profile: 'hardened' | 'nested') {
    const limits = { memory_bytes: 32 * 2 ** 20, pids: 64, cpu_millis: 1_000, disk_bytes: 2 ** 24 };
    const params = { machine, image: 'base', profile, hostname: machine, limits, labels: {} };
    return this.guest.request('container.create', params, { timeoutMs: PATIENCE });
  }

  async close(): Promise<void> {
    this.guest.close('the test is over');
    await this.emulator.destroy();
  }
}

describe('the Linux in the tab', { timeout: 2 * PATIENCE }, () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await Machine.restore('first');
  }, PATIENCE);
  afterAll(() => machine.close());

  it('makes a container, tells each step of it, and runs a command there', async () => {
    const { trace } = await machine.container('box', 'hardened');
    expect(trace.map(({ step }) => step)).toEqual(
      expect.arrayContaining(['clone3', 'seccomp', 'cgroup', 'exec']),
    );
    const told = await machine.run('box', 'id -u; hostname; uname -m; grep Seccomp: /proc/self/status');
    expect(told).toMatch(/^\d+\nbox\ni686\nSeccomp:\t2\n$/);
  });

  it('opens a terminal, in which a shell answers', async () => {
    const { terminal } = await machine.guest.request(
      'terminal.open',
      { machine: 'box', columns: 80, rows: 24 },
      { timeoutMs: PATIENCE },
    );
    const stream = await machine.guest.attach('box', terminal);
    const say = (frame: Parameters<typeof encodeFrame>[0]) => stream.write(prefixFrame(encodeFrame(frame)));
    const splitter = new FrameSplitter();
    let screen = '';
    let typed = false;
    const seen = new Promise<void>((resolve, reject) => {
      const take = (whole: Uint8Array) => {
        const frame = decodeFrame(whole);
        if (frame.type === 'output') screen += new TextDecoder().decode(frame.bytes);
        if (screen.includes('it is 42')) resolve();
        // Nothing may be typed before the monitor grants it, which it first does in its WELCOME.
        if (frame.type === 'welcome' && !typed) {
          typed = true;
          say({ type: 'input', bytes: new TextEncoder().encode('echo it is $((6 * 7))\n') });
        }
      };
      stream.open({
        data: (bytes) => splitter.push(bytes, take),
        closed: (reason) => reject(new Error(reason)),
      });
    });
    say({ type: 'role', mayType: true });
    say({ type: 'attach', version: ATTACH_VERSION, offset: 0, credit: RING_BYTES, columns: 80, rows: 24 });
    await seen;
    stream.close('seen');
  });

  it('writes, lists and reads files, and counts what a machine uses', async () => {
    const content = Buffer.from('written from outside\n').toString('base64');
    await machine.guest.request(
      'file.write',
      { machine: 'box', path: '/tmp/note', content },
      { timeoutMs: PATIENCE },
    );
    expect(await machine.run('box', 'cat /tmp/note')).toBe('written from outside\n');
    const { entries } = await machine.guest.request(
      'file.list',
      { machine: 'box', path: '/tmp' },
      { timeoutMs: PATIENCE },
    );
    expect(entries.map(({ name }) => name)).toEqual(['note']);
    const stats = await machine.guest.request('machine.stats', { machine: 'box' }, { timeoutMs: PATIENCE });
    expect(stats.memory_bytes).toBeGreaterThan(0);
    expect(stats.pids).toBeGreaterThan(0);
  });

  it('lets its learner build partitions in a nested container', async () => {
    await machine.container('inner', 'nested');
    expect(
      await machine.run('inner', 'unshare --user --map-root-user --pid --fork --mount-proc ps -o pid= -C ps'),
    ).toMatch(/^ *1\n$/);
  });

  it('kills what passes its memory limit, and nothing else', async () => {
    const told = await machine.run('box', 'python3 -c "b = b\'x\' * (64 << 20)"; echo "status $?"');
    expect(told).toContain('status 137');
    expect(await machine.run('box', 'echo still here')).toBe('still here\n');
  });

  it('is somebody else in each tab, and one may panic while the other lives', async () => {
    const other = await Machine.restore('second');
    const identity = 'hostname; cat /etc/machine-id; head -c 16 /dev/urandom | od -An -tx1; date +%s';
    const [mine = '', theirs = ''] = await Promise.all([
      machine.run('host', identity),
      other.run('host', identity),
    ]);
    const [name, id, random, time] = mine.split('\n');
    const [otherName, otherId, otherRandom] = theirs.split('\n');
    expect([name, otherName]).toEqual(['first', 'second']);
    expect(id).not.toBe(otherId);
    expect(random).not.toBe(otherRandom);
    expect(Math.abs(Number(time) - Date.now() / 1_000)).toBeLessThan(600);

    other.guest
      .request('exec', {
        machine: 'host',
        command: ['/bin/sh', '-c', 'echo c > /proc/sysrq-trigger'],
        timeout_ms: 60_000,
        max_output_bytes: 1_024,
      })
      .catch(() => {}); // nobody answers any more
    await other.ended;
    expect(other.emulator.console.join('\n')).toMatch(/Kernel panic/);
    await other.close();
    expect(await machine.run('host', 'echo alive')).toBe('alive\n');
  });
});
