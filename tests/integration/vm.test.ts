// Real VMs: what is in the guest, what QEMU may do on the host, and what is left of a VM that was ended.
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LinkHost } from '../../sandbox-server/src/broker/link.ts';
import { SocketHost } from '../../sandbox-server/src/broker/socket.ts';
import { patiently } from '../patience.ts';
import { census } from './census.ts';
import { BOOTS_LIMIT_MS, bootGuest } from './guest.ts';
import { Stack } from './stack.ts';
import { processStatus, qemuDevices, rootOf, run, Screen } from './vm.ts';

const GREET_LIMIT_MS = patiently(20_000);
const CONSOLE_MAX = 65_536;
const MEMORY = 256 * 2 ** 20;

/** Everything that QEMU may have built into the machine (the names of QEMU 7.2 to 10). */
const DEVICES = [
  'ICH9-LPC',
  'fw_cfg_io',
  'i8257',
  'ioapic',
  'isa-i8259',
  'isa-pcspk',
  'isa-pit',
  'isa-serial',
  'kvmvapic',
  'mc146818rtc',
  'mch',
  'port92',
  'pvpanic',
  'q35-pcihost',
  'virtio-blk-device',
  'virtio-blk-pci',
  'virtio-serial-device',
  'virtio-serial-pci',
  'virtserialport',
];

const stack = new Stack({}, 0);
let host: SocketHost;

beforeAll(async () => {
  await stack.startBroker();
  host = new SocketHost(join(stack.state, 'run/control.sock'));
  await host.start();
});
afterAll(async () => {
  host.close();
  await stack.stop();
});

const fileOf = (machine: string, name: string) => join(host.machineDirectory(machine), name);

async function createVm(machine: string) {
  const limits = { memory_bytes: MEMORY, cpu_millis: 1_000 };
  return host.request('vm.create', { machine, image: 'vm', hostname: machine, limits, labels: {} });
}

describe('a VM', () => {
  let pid = 0;
  let link: LinkHost;

  beforeAll(async () => {
    ({ link, pid } = await bootGuest(host, 'guest', host.machineDirectory('guest'), MEMORY));
  }, BOOTS_LIMIT_MS);
  afterAll(() => link.close('the test is over'));

  test('has a kernel of its own, and the broker as its init', async () => {
    const { stdout } = await run(link, 'host', 'uname -r; cat /proc/1/comm; hostname; cat /proc/1/cmdline');
    const [kernel, init, hostname, command] = stdout.split('\n');
    expect(kernel).not.toBe(release());
    expect([init, hostname, command]).toEqual(['bulkheadd', 'guest', '/bin/bulkheadd\0']);
  });

  test('has the same user land as containers, a machine id of its own, and every cgroup controller', async () => {
    const { stdout } = await run(
      link,
      'host',
      'grep VERSION_CODENAME /etc/os-release; wc -c < /etc/machine-id; cat /sys/fs/cgroup/cgroup.subtree_control',
    );
    expect(stdout).toMatch(/^VERSION_CODENAME=trixie\n33\n(.*\b(cpu|memory|pids|io|cpuset)\b){5}/);
  });

  test('has no network device but loopback, and that is up', async () => {
    const { stdout } = await run(
      link,
      'host',
      'ls /sys/class/net; ping -c 1 -W 5 127.0.0.1 > /dev/null && echo up',
    );
    expect(stdout).toBe('lo\nup\n');
  });

  test('offers no virtual machines within', async () => {
    const { stdout } = await run(
      link,
      'host',
      'grep -cE "\\b(vmx|svm)\\b" /proc/cpuinfo; ls /dev/kvm 2>&1 | tail -n 1',
    );
    expect(stdout).toMatch(/^0\n.*No such file/);
  });

  test('tells how it booted, step by step, with the source of each', async () => {
    const { depth, boot = [] } = await link.request('probe', {});
    expect(depth).toBe('guest');
    expect(boot.map(({ step }) => step)).toEqual([
      'kernel',
      'kernel views',
      'modules',
      'root file system',
      'programs',
      'switch root',
      'terminals and memory',
      'cgroups',
      'identity',
      'loopback',
      'init',
    ]);
    expect(boot[0]?.start_us).toBe(0);
    for (const [index, step] of boot.entries()) {
      expect(step.end_us).toBeGreaterThanOrEqual(step.start_us);
      if (index > 0) expect(step.source).toMatch(/^native\/guest\/\w+\.c:\d+$/);
    }
    // One after the other; init is what all of them but the kernel are parts of.
    const [kernel, ...parts] = boot.slice(0, -1);
    const init = boot.at(-1);
    let before = kernel?.end_us ?? Number.NaN;
    expect(init?.start_us).toBeGreaterThanOrEqual(before);
    for (const part of parts) {
      expect(part.start_us).toBeGreaterThanOrEqual(before);
      before = part.end_us;
    }
    expect(init?.end_us).toBeGreaterThanOrEqual(before);
  });

  test('has terminals that follow the size of the window and outlive a lost connection', async () => {
    const { terminal } = await link.request('terminal.open', { machine: 'host', columns: 80, rows: 24 });
    const screen = new Screen(await link.attach('host', terminal), 80, 24);
    await screen.shows(/guest\S*:~# $/);
    screen.resize(101, 33);
    screen.type('stty size; kept=$((6 * 7))\r');
    await screen.shows(/33 101\r\n/);

    link.close('the connection is lost');
    link = new LinkHost(fileOf('guest', 'link.sock'));
    await link.greeted(GREET_LIMIT_MS);
    const again = new Screen(await link.attach('host', terminal), 80, 24);
    await again.shows(/33 101\r\n/);
    again.type('echo "kept $kept"; exit 3\r');
    await again.shows(/kept 42\r\n/);
    await again.shows(/exit|logout/);
  });

  test('answers a host that goes and comes back at once, however often', async () => {
    for (let round = 0; round < 10; round++) {
      link.close('the connection is lost');
      link = new LinkHost(fileOf('guest', 'link.sock'));
      await link.greeted(GREET_LIMIT_MS);
      const { stdout } = await run(link, 'host', `echo ${round}`);
      expect(stdout).toBe(`${round}\n`);
    }
  });

  test('makes containers like any other host', async () => {
    const limits = { memory_bytes: 64 * 2 ** 20, cpu_millis: 1_000, pids: 64, disk_bytes: 32 * 2 ** 20 };
    const wanted = {
      machine: 'inner',
      image: 'base',
      profile: 'hardened',
      hostname: 'inner',
      limits,
      labels: {},
    } as const;
    const { trace } = await link.request('container.create', wanted, { timeoutMs: 30_000 });
    expect(trace.map(({ step }) => step)).toContain('pivot_root');
    const { stdout } = await run(
      link,
      'inner',
      'hostname; id -u; uname -r; touch /root/mine && echo written',
    );
    const guest = await run(link, 'host', 'uname -r');
    expect(stdout).toBe(`inner\n0\n${guest.stdout}written\n`);
    await link.request('machine.delete', { machine: 'inner' }, { timeoutMs: 30_000 });
  });

  test('is run by a QEMU that owns nothing and can gain nothing', () => {
    expect(processStatus(pid, 'Uid').split('\t')).not.toContain('0');
    expect(new Set(processStatus(pid, 'Uid').split('\t')).size).toBe(1);
    expect(processStatus(pid, 'Groups')).toBe('');
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'])
      expect(processStatus(pid, set)).toMatch(/^0+$/);
    expect(processStatus(pid, 'NoNewPrivs')).toBe('1');
    expect(processStatus(pid, 'Seccomp')).toBe('2');
  });

  test('is run by a QEMU that sees no network and none of the host’s files but what it needs', () => {
    for (const name of ['net', 'mnt', 'ipc', 'uts'])
      expect(readlinkSync(`/proc/${pid}/ns/${name}`)).not.toBe(readlinkSync(`/proc/self/ns/${name}`));
    expect(
      readFileSync(`/proc/${pid}/net/dev`, 'utf8')
        .match(/^\s*\w+:/gm)
        ?.map((name) => name.trim()),
    ).toEqual(['lo:']);
    expect(rootOf(pid).filter((name) => !name.startsWith('lib'))).toEqual(['dev', 'image', 'usr']);
    expect(rootOf(pid, 'dev')).toEqual(['null', 'urandom']);
    const mounts = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').trim().split('\n');
    for (const mount of mounts) expect(mount.split(' ')[5]).toMatch(/^ro,nosuid\b/);
    expect(readlinkSync(`/proc/${pid}/fd/0`)).toBe('/dev/null');
  });

  test('is held in a cgroup of its own', async () => {
    expect(readFileSync(`/proc/${pid}/cgroup`, 'utf8')).toContain(`/${stack.cgroup}/guest`);
    const stats = await host.request('machine.stats', { machine: 'guest' });
    expect(stats.memory_bytes).toBeGreaterThan(32 * 2 ** 20);
    expect(stats.memory_bytes).toBeLessThan(2 * MEMORY + 2 ** 28);
    expect(stats.host?.processes).toBe(2); // QEMU, and the keeper of console.log
  });

  test('is made of the devices on the list and no others', async () => {
    const devices = await qemuDevices(fileOf('guest', 'qmp.sock'));
    expect(devices.filter((name) => !DEVICES.includes(name))).toEqual([]);
    expect(devices).toEqual(expect.arrayContaining(['virtio-blk-pci', 'virtserialport', 'isa-serial']));
  });

  test('cannot fill the host’s disk through its serial console', async () => {
    const log = fileOf('guest', 'console.log');
    const flood = await run(
      link,
      'host',
      'yes flood | head -c 300000 > /dev/ttyS0; echo the last line > /dev/ttyS0',
    );
    expect(flood).toMatchObject({ status: 0, timed_out: false });
    await expect
      .poll(() => readFileSync(log, 'utf8').slice(-100), { timeout: patiently(20_000) })
      .toContain('the last line');
    expect(statSync(log).size).toBeLessThanOrEqual(CONSOLE_MAX);
    expect(readFileSync(log, 'utf8')).toContain('flood\r\nflood');
  });

  test('that powers itself off is seen to have ended, and leaves nothing once it is deleted', async () => {
    const ended = new Promise<string>((resolve) =>
      host.events.add((event) => {
        if (event.event === 'machine.exited' && event.machine === 'guest') resolve(event.reason);
      }),
    );
    run(link, 'host', 'busybox poweroff -f || kill 1').catch(() => {}); // no answer comes from a machine that is off
    expect(await ended).not.toBe('');
    await host.request('machine.delete', { machine: 'guest' });
    const { processes, mounts, cgroups } = census(stack.state, stack.cgroup);
    expect(mounts).toEqual([]);
    expect(processes).toHaveLength(1); // the broker
    expect(cgroups.filter((path) => path.endsWith('/guest'))).toEqual([]);
  });
});

test('a VM that is deleted while it boots leaves nothing', async () => {
  const { machine } = await createVm('brief');
  await host.request('machine.delete', { machine: 'brief' });
  expect(() => statSync(`/proc/${machine.pid}`)).toThrow();
  expect(() => statSync(host.machineDirectory('brief'))).toThrow();
  expect(census(stack.state, stack.cgroup).processes).toHaveLength(1);
});
