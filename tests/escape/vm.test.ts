// What a stranger tries who is root in a VM: against the link, against what keeps QEMU, and with the groups that a nested
// container on cgroup v2 owns.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LinkHost } from '../../sandbox-server/src/broker/link.ts';
import { Arena } from './arena.ts';

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

// Last, for the guest is not the same afterwards.
it('noise on the link harms the VM that makes it, and nobody else', async () => {
  const flood = arena.inGuest('flood_link').catch((error: Error) => error.message);
  for (let round = 0; round < 10; round++)
    expect(await arena.broker.shell('hardened', 'echo still here')).toBe('still here');
  expect(await flood).toMatch(/GOT to write [1-9]|no JSON|time|answer|lost/);
  await arena.broker.control.request('machine.delete', { machine: 'guest' });
  expect(await arena.broker.shell('nested', 'echo still here')).toBe('still here');
});
