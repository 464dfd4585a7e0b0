// QEMU is the wall around a VM. This is what stands behind that wall: system calls made in the name of a QEMU that runs a
// guest, as whoever had taken it over would make them. Each is made first by a process of the host, where nothing stops it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MIB, TestBroker } from '../integration/broker.ts';
import { askMonitor } from '../integration/vm.ts';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { buildAttempts } from './arena.ts';
import { Copies, type Copy } from './copies.ts';

const directory = temporaryFolder('escape');
const program = join(directory, 'attempts');
const bystander = spawn('sleep', ['1000'], { stdio: 'ignore' });
let broker: TestBroker;
let copies: Copies;
let neighbour: Copy;
let server: Server;

beforeAll(async () => {
  buildAttempts(program);
  server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  broker = await TestBroker.start();
  copies = new Copies(broker.control, broker.state, program);
  neighbour = await copies.make('neighbour');
}, patiently(120_000));
afterAll(async () => {
  copies.close();
  server.close();
  bystander.kill('SIGKILL');
  await broker.dispose();
  rmSync(directory, { recursive: true });
});

const zeros = (count: number) => '00'.repeat(count);
/** A sockaddr_in of 127.0.0.1 with the port of a server of this test. */
const loopback = () => {
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  return `hex:0200${port.toString(16).padStart(4, '0')}7f000001${zeros(8)} 16`;
};
/** A sockaddr_un. */
const unix = (path: string) => `hex:0100${Buffer.from(path).toString('hex')}00 ${path.length + 3}`;

type Attempt = readonly [title: string, calls: () => string, stop: string, works?: 'nowhere'];

/** What stops them: the errno, or the signal that ends all of QEMU. */
const ATTEMPTS: readonly Attempt[] = [
  ['connects to the host’s 127.0.0.1', () => `socket 2 1 0 -- connect %0 ${loopback()}`, 'EAFNOSUPPORT'],
  ['uses IPv6', () => 'socket 10 1 0', 'EAFNOSUPPORT'],
  ['asks the kernel for routes (netlink)', () => 'socket 16 3 0', 'EAFNOSUPPORT'],
  ['calls the host by AF_VSOCK, which no namespace holds', () => 'socket 40 1 0', 'EAFNOSUPPORT', 'nowhere'],
  ['the same with a bit that the kernel ignores', () => 'socket 0x100000028 1 0', 'EAFNOSUPPORT', 'nowhere'],
  ['connects to the broker', () => `socket 1 1 0 -- connect %0 ${unix(broker.socket)}`, 'ENOENT'],
  [
    'connects to another VM’s QEMU',
    () => `socket 1 1 0 -- connect %0 ${unix(copies.file('neighbour', 'qmp.sock'))}`,
    'ENOENT|ECONNREFUSED',
    'nowhere', // the broker is connected to it only while it asks something, and QEMU takes one caller at a time
  ],
  ['reads the host’s passwords', () => 'open @/etc/shadow 0', 'ENOENT'],
  ['reads another machine’s record', () => `open @${copies.file('neighbour', 'machine.json')} 0`, 'ENOENT'],
  ['looks at other processes in /proc', () => 'open @/proc/self/maps 0', 'ENOENT'],
  ['writes to the image of all VMs', () => 'open @/image/disk.img 2', 'EROFS|EACCES', 'nowhere'],
  ['leaves a file beside the host’s programs', () => 'open @/usr/bulkhead-escape 66 420', 'EROFS', 'nowhere'],
  ['signals a process of the host', () => `kill ${bystander.pid} 0`, 'EPERM'],
  ['signals the broker', () => `kill ${broker.pid} 0`, 'EPERM'],
  ['signals another QEMU', () => `kill ${neighbour.pid} 0`, 'EPERM'],
  ['waits for io_uring to be of use', () => `io_uring_setup 4 hex:${zeros(120)}`, 'ENOSYS'],
  ['handles page faults by itself', () => 'userfaultfd 1', 'EPERM'],
  ['loads a BPF program’s map', () => `bpf 0 hex:020000000400000004000000010000${zeros(110)} 120`, 'EPERM'],
  [
    'counts performance events',
    () => `perf_event_open hex:0100000070${zeros(107)} 0 -1 -1 0`,
    'EPERM',
    'nowhere',
  ],
  ['leaves a key for others in the broker’s session', () => 'add_key @user @escape @x 1 -3', 'EPERM'],
  ['reads a keyring', () => 'keyctl 0 -3 1', 'EPERM'],
  // From here on each ends QEMU, and the VM with it.
  ['becomes root', () => 'setuid 0', 'SIGSYS'],
  ['starts a process', () => 'fork', 'SIGSYS'],
  ['executes a program of the host', () => 'execve @/usr/bin/true 0 0', 'SIGSYS'],
  ['executes one by its directory', () => 'execveat -100 @/usr/bin/true 0 0 0', 'SIGSYS'],
  ['makes a user namespace, where it would be root', () => 'unshare 0x10000000', 'SIGSYS'],
  ['traces another QEMU', () => `ptrace 16 ${neighbour.pid} 0 0`, 'SIGSYS', 'nowhere'],
  ['takes a descriptor of the broker', () => `pidfd_open ${broker.pid} 0 -- pidfd_getfd %0 0 0`, 'SIGSYS'],
  ['mounts a file system', () => 'mount @x @/dev @tmpfs 0 0', 'SIGSYS', 'nowhere'],
  [
    'makes a file larger than a snapshot can be',
    () => 'memfd_create @x 0 -- ftruncate %0 0x10000000000',
    'EFBIG',
  ],
];

/** A process of the host's root, for one attempt. */
const withBystander = async (attempt: (pid: number) => string): Promise<string> => {
  const child: ChildProcess = spawn('sleep', ['1000'], { stdio: 'ignore' });
  await once(child, 'spawn');
  try {
    return attempt(child.pid ?? 0);
  } finally {
    child.kill('SIGKILL');
  }
};

/** The words of a pattern in what QEMU's own monitor answers. */
const told = async (command: string, pattern: RegExp): Promise<string[]> => {
  const answer = await askMonitor(copies.file('neighbour', 'qmp.sock'), [command]);
  return [...answer.matchAll(pattern)].map(([, word]) => word ?? '').sort();
};

describe('what there is in a VM', () => {
  it('on its buses, says QEMU: a disk, a serial port, a byte for panics, and what makes it a computer', async () => {
    expect(await told('qom-list /machine/peripheral', /\(child<(.*)>\)/g)).toEqual([]);
    expect(await told('qom-list /machine/peripheral-anon', /\(child<(.*)>\)/g)).toEqual([
      'pvpanic',
      'virtio-blk-pci',
      'virtio-serial-pci',
      'virtserialport',
    ]);
    // Host bridge, disk, serial ports, ISA bridge.
    const pci = ['1af4:1001', '1af4:1003', '8086:2918', '8086:29c0'];
    expect(await told('info pci', /PCI device (\S+)/g)).toEqual(pci);
  });

  it('of ways out of it, says QEMU: four of them, none to a network, and a disk that nobody can write to', async () => {
    expect(await told('info chardev', /^(\w+): /gm)).toEqual(['console', 'events', 'link', 'qmp']);
    expect(await told('info network', /(\S+)/g)).toEqual([]);
    expect(await told('info block', /^(\w+: .*)\r?$/gm)).toEqual(['disk: /image/disk.img (raw, read-only)']);
  });

  it('says its own kernel: the same, and nothing with which to make VMs', async () => {
    const ask = (command: string) => copies.run(neighbour, command, 50_000);
    const each = 'for d in *; do echo $(cat $d/vendor):$(cat $d/device); done | sed s/0x//g | sort';
    const ids = await ask(`cd /sys/bus/pci/devices; ${each}`);
    expect(ids.split('\n')).toEqual(['1af4:1001', '1af4:1003', '8086:2918', '8086:29c0']);
    expect(await ask('ls -x /sys/bus/virtio/devices')).toMatch(/^virtio0\s+virtio1$/);
    expect(await ask('ls /sys/class/net')).toBe('lo');
    expect(await ask('ls /sys/class/virtio-ports | wc -l; cat /sys/class/virtio-ports/*/name')).toBe(
      '1\norg.bulkhead.link',
    );
    expect(await ask('ls -d /sys/bus/usb /sys/bus/scsi /sys/class/drm /sys/class/sound 2>/dev/null')).toBe(
      '',
    );
    expect(await ask('grep -cE "\\b(vmx|svm)\\b" /proc/cpuinfo')).toBe('0');
    const nested = await ask('modprobe kvm_amd; modprobe kvm_intel; mknod /tmp/kvm c 10 232; cat /tmp/kvm');
    expect(nested.match(/Operation not supported/g)).toHaveLength(2);
    expect(nested).toContain('No such device');
  });
});

describe('a QEMU that was taken over', () => {
  for (const [title, calls, stop, works] of ATTEMPTS) {
    it(`${title}: stopped`, async () => {
      if (works !== 'nowhere')
        expect(await withBystander((pid) => copies.puppet(pid, calls()))).toMatch(/^GOT/);
      const { pid, machine } = await copies.victim();
      expect(copies.puppet(pid, calls())).toMatch(new RegExp(`^STOPPED.*(${stop})$`));
      // All of it ends, or it is as it was.
      const ends = /SIG|EFBIG/.test(stop);
      await expect
        .poll(async () => (await copies.record(machine))?.state, { timeout: patiently(10_000) })
        .toBe(ends ? 'exited' : 'running');
      if (ends) expect(await copies.run(neighbour, 'echo still here')).toBe('still here');
    });
  }

  it('reaches nobody but the keeper of its own console with a signal to everybody', async () => {
    const { pid, machine } = await copies.victim();
    expect(copies.puppet(pid, 'kill -1 9')).toMatch(/^GOT/);
    expect((await copies.record(machine))?.state).toBe('running');
    expect(bystander.exitCode).toBeNull();
    expect(await copies.run(neighbour, 'echo still here')).toBe('still here');
    expect((await broker.control.request('probe', {})).depth).toBe('host');
  });

  it('has no more processes, files and size of them than it needs', () => {
    const limits = readFileSync(`/proc/${neighbour.pid}/limits`, 'utf8');
    expect(limits).toMatch(/^Max core file size +1 +1 /m);
    expect(limits).toMatch(/^Max open files +256 +256 /m);
    expect(limits).toMatch(new RegExp(`^Max file size +${(256 + 64) * MIB} `, 'm'));
  });
});
