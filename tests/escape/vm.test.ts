// What a stranger tries who is root in a VM: against the link, against what keeps QEMU, and with the groups that a nested
// container on cgroup v2 owns.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LinkHost } from '../../sandbox-server/src/broker/link.ts';
import { patiently } from '../patience.ts';
import { Arena, PROFILES } from './arena.ts';
import { expectStopped, GROUPS } from './table.ts';

let arena: Arena;
let guest: LinkHost;
beforeAll(async () => {
  arena = await Arena.open();
  guest = await arena.guest();
});
afterAll(() => arena.close());

const LIMIT = { timeout_ms: 30_000, max_output_bytes: 65_536 };
const inContainer = (machine: string, command: string) =>
  guest.request('exec', { machine, command: ['/bin/sh', '-c', command], ...LIMIT }, { timeoutMs: 40_000 });

describe('QEMU, should a guest get out into it', () => {
  it('holds nothing of the host: sockets and pipes made for it, and the image to read', async () => {
    const pid = await arena.pidOf('guest');
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      expect(readlinkSync(`/proc/${pid}/fd/${fd}`)).toMatch(
        /^(socket:|pipe:|anon_inode:|\/dev\/null$|\/image\/disk\.img$|\/memfd:)/,
      );
      const flags = /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))?.[1];
      if (readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('/image'))
        expect(Number.parseInt(flags ?? '2', 8) & 3).toBe(0);
    }
  });

  it('shares its user with no process but its own helper, so it can signal and trace nobody else', async () => {
    const uidOf = (pid: string | number): string | undefined =>
      /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    const pid = await arena.pidOf('guest');
    const uid = uidOf(pid);
    expect(Number(uid)).toBeGreaterThan(65_536);
    const others = readdirSync('/proc').filter((name) => {
      try {
        if (!/^\d+$/.test(name) || Number(name) === pid || uidOf(name) !== uid) return false;
        // Other brokers on this machine, of other tests, give out the same ids.
        return readFileSync(`/proc/${name}/cgroup`, 'utf8').includes(`/${arena.broker.cgroup}/`);
      } catch {
        return false; // it has ended
      }
    });
    for (const other of others)
      expect(readFileSync(`/proc/${other}/comm`, 'utf8').trim()).toBe('console-log');
  });
});

describe('a nested container in a VM', () => {
  it('owns its control groups within bounds, and can be deleted with whatever it made of them', async () => {
    const limits = { memory_bytes: 96 * 2 ** 20, pids: 64, cpu_millis: 1_000, disk_bytes: 2 ** 24 };
    const wanted = { image: 'base', profile: 'nested', hostname: 'nest', limits, labels: {} } as const;
    await guest.request('container.create', { machine: 'nest', ...wanted }, { timeoutMs: 30_000 });
    const deep = 'n=0; while mkdir g && cd g; do n=$((n + 1)); done; echo deep $n';
    const wide = 'cd /sys/fs/cgroup; seq -f h%g 400 | xargs mkdir; echo wide $(ls -d h* | wc -l)';
    const { stdout, stderr } = await inContainer('nest', `cd /sys/fs/cgroup; ${deep}; ${wide}`);
    expect(stdout).toMatch(/^deep 16\nwide 240\n$/);
    expect(stderr).toContain('Resource temporarily unavailable');
    const raise = 'for f in cgroup.max.depth memory.max pids.max; do echo max > /sys/fs/cgroup/$f; done';
    expect((await inContainer('nest', raise)).stderr.match(/Permission denied/g)).toHaveLength(3);
    await guest.request('machine.delete', { machine: 'nest' }, { timeoutMs: 30_000 });
  });
});

// A kernel of the VM's own, so that it may be set up as nobody should set up a host.
describe('containers in a VM that was set up carelessly', () => {
  const asRoot = (command: string) => inContainer('host', command);
  const inside = async (profile: string, attempt: string) => {
    const command = ['/root/attempts', ...attempt.split(' ')];
    return (
      await guest.request(
        'exec',
        { machine: `careless-${profile}`, command, ...LIMIT },
        { timeoutMs: 40_000 },
      )
    ).stdout.trim();
  };

  beforeAll(async () => {
    const program = readFileSync(arena.program);
    const unpack = 'base64 -d | gunzip > /root/attempts && chmod 755 /root/attempts';
    const bring = { command: ['/bin/sh', '-c', unpack], stdin: gzipSync(program).toString('base64') };
    for (const profile of PROFILES) {
      const limits = { memory_bytes: 64 * 2 ** 20, pids: 64, cpu_millis: 1_000, disk_bytes: 2 ** 24 };
      const machine = `careless-${profile}`;
      const wanted = { machine, image: 'base', profile, hostname: machine, limits, labels: {} } as const;
      await guest.request('container.create', wanted, { timeoutMs: 30_000 });
      await guest.request('exec', { machine, ...bring, ...LIMIT }, { timeoutMs: 40_000 });
    }
  }, patiently(120_000));

  // Before anything is set up carelessly. Another kernel and another version of control groups than the host's.
  for (const profile of PROFILES) {
    it(`${profile}: what is stopped on the host is stopped there as well`, async () => {
      for (const attempts of Object.values(GROUPS)) {
        const all = attempts.map(({ run }) => `/root/attempts ${run} 2>&1; echo ====`).join('\n');
        const { stdout } = await inContainer(`careless-${profile}`, all);
        const said = stdout.split('====\n');
        for (const [at, attempt] of attempts.entries())
          expectStopped(said[at]?.trim() ?? '', attempt.run.startsWith('own_limit') ? '' : attempt[profile]);
      }
    });
  }

  it('start no program of the host’s by a crash (core_pattern with a bar)', async () => {
    const handler = (file: string) =>
      asRoot(`echo '|/root/attempts core_handler ${file}' > /proc/sys/kernel/core_pattern`);
    await handler('/dev/shm/by-container');
    for (const profile of PROFILES) expect(await inside(profile, 'crash')).toMatch(/^GOT to crash/);
    await handler('/dev/shm/by-host');
    expect(await arena.inGuest('crash')).toMatch(/^GOT to crash/);
    await expect.poll(async () => (await asRoot('ls /dev/shm')).stdout.trim()).toBe('by-host');
  });

  it('take no huge page that was set aside', async () => {
    await asRoot('echo 8 > /proc/sys/vm/nr_hugepages');
    expect(await arena.inGuest('huge_pages')).toMatch(/^GOT/);
    for (const profile of PROFILES) expect(await inside(profile, 'huge_pages')).toBe('STOPPED mmap: ENOMEM');
  });

  it('trace nobody who comes in, also where all may be traced (fs.suid_dumpable)', async () => {
    await asRoot('echo 1 > /proc/sys/fs/suid_dumpable');
    const comeIn = async () => {
      for (let round = 0; round < 5; round++)
        await guest.request(
          'exec',
          { machine: 'careless-nested', command: ['/bin/true'], ...LIMIT },
          { timeoutMs: 40_000 },
        );
    };
    const [outside] = await Promise.all([arena.inGuest('trace_newcomers 4'), comeIn()]);
    expect(outside).toMatch(/^GOT/);
    const [said] = await Promise.all([inside('nested', 'trace_newcomers 4'), comeIn()]);
    expect(said).toMatch(/^STOPPED met it [1-9]/);
  });

  it('register no kind of file but their own (binfmt_misc)', async () => {
    const registered = () => asRoot('mount -t binfmt_misc none /mnt; ls /mnt; umount /mnt');
    expect(await inside('hardened', 'binfmt')).toBe('STOPPED mount: EPERM');
    // Since Linux 6.7 each user namespace may have kinds of its own.
    expect(await inside('nested', 'binfmt')).toMatch(/^(GOT|STOPPED mount: EPERM)/);
    expect((await registered()).stdout).not.toContain('bulkhead-escape');
    expect(await arena.inGuest('binfmt')).toMatch(/^GOT/);
    expect((await registered()).stdout).toContain('bulkhead-escape');
  });
});

// Last, for the guest is not the same afterwards.
it('noise on the link harms the VM that makes it, and nobody else', async () => {
  const flood = arena.inGuest('flood_link').catch((error: Error) => error.message);
  for (let round = 0; round < 10; round++)
    expect(await arena.broker.shell('hardened', 'echo still here')).toBe('still here');
  expect(await flood).toMatch(/GOT to write [1-9]|no JSON|time|answer|lost/);
  await arena.broker.control.request('machine.delete', { machine: 'guest' });
  expect(await arena.broker.shell('nested', 'echo still here')).toBe('still here');
});
