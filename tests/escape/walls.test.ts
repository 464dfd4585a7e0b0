// What lies on the other side of a container's walls: the host's processes, sockets, files and programs, and a neighbour.
// Each attempt is first made on the host, where it gets what it is after.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Arena, PROFILES } from './arena.ts';

let arena: Arena;
/** A process of the host that anybody may want to reach. */
const bystander = spawn('sleep', ['1000'], { stdio: 'ignore' });
const servers: Server[] = [];

const listen = async (where: object): Promise<Server> => {
  const server = createServer((socket) => socket.destroy()).listen(where);
  servers.push(server);
  await once(server, 'listening');
  return server;
};

beforeAll(async () => {
  arena = await Arena.open();
  await arena.machine('neighbour', 'hardened');
});
afterAll(async () => {
  bystander.kill('SIGKILL');
  for (const server of servers) server.close();
  await arena.close();
});

const expectBothStopped = async (attempt: string, why: RegExp) => {
  for (const profile of PROFILES) expect(await arena.inside(profile, attempt)).toMatch(why);
};

describe('processes outside', () => {
  for (const attempt of ['kill', 'trace', 'root_of']) {
    it(`are not there to ${attempt.replace('_of', '')}, by any number that they have on the host`, async () => {
      const neighbour = await arena.pidOf('neighbour');
      for (const pid of [bystander.pid, arena.broker.pid, neighbour]) {
        if (attempt !== 'trace' || pid === bystander.pid)
          expect(arena.onHost(`${attempt} ${pid}`)).toMatch(/^GOT/);
        await expectBothStopped(`${attempt} ${pid}`, /^STOPPED.*(ESRCH|ENOENT)/);
      }
      expect(arena.onHost(`kill ${neighbour}`)).toMatch(/^GOT/);
    });
  }

  it('survive a signal to everything', async () => {
    for (const profile of PROFILES) await arena.broker.shell(profile, 'kill -9 -1');
    expect(bystander.exitCode).toBe(null);
    expect(await arena.broker.shell('neighbour', 'echo here')).toBe('here');
  });
});

describe('sockets outside', () => {
  it('cannot be reached by their abstract name', async () => {
    await listen({ path: '\0bulkhead-escape' });
    expect(arena.onHost('connect_unix @bulkhead-escape')).toMatch(/^GOT/);
    await expectBothStopped('connect_unix @bulkhead-escape', /ECONNREFUSED/);
  });

  it('cannot be reached by the host’s addresses, nor is there a way to any other', async () => {
    const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    const outside = addresses.filter(({ internal }) => !internal).map(({ address }) => address);
    for (const address of ['127.0.0.1', '::1', ...outside]) {
      if (!addresses.some((one) => one.address === address) || address.startsWith('fe80')) continue;
      const server = await listen({ host: address, port: 0 });
      const at = server.address();
      const attempt = `connect_tcp ${address} ${typeof at === 'object' ? at?.port : 0}`;
      expect(arena.onHost(attempt)).toMatch(/^GOT/);
      await expectBothStopped(attempt, /ECONNREFUSED|ENETUNREACH|EADDRNOTAVAIL/);
    }
    await expectBothStopped('connect_tcp 169.254.169.254 80', /ENETUNREACH/);
  });

  it('cannot be reached in a neighbour’s network, which has the same addresses', async () => {
    for (const address of ['127.0.0.1', '::1']) {
      const terminal = await arena.broker.open('neighbour', ['/root/attempts', 'listen_tcp', address]);
      const viewer = await arena.broker.attach('neighbour', terminal);
      await viewer.untilText('GOT port');
      const attempt = `connect_tcp ${address} ${/port (\d+)/.exec(viewer.text())?.[1]}`;
      expect(await arena.inside('neighbour', attempt)).toMatch(/^GOT/);
      await expectBothStopped(attempt, /ECONNREFUSED/);
      await arena.broker.control.request('terminal.close', { machine: 'neighbour', terminal });
    }
  });

  it('cannot be reached by path: the broker’s, and those of terminals', async () => {
    const terminal = await arena.broker.open('neighbour');
    const attach = join(arena.broker.state, `run/machines/neighbour/terminals/${terminal}.sock`);
    for (const path of [arena.broker.socket, attach]) {
      expect(arena.onHost(`connect_unix ${path}`)).toMatch(/^GOT/);
      await expectBothStopped(`connect_unix ${path}`, /ENOENT/);
    }
  });
});

describe('files outside', () => {
  it('are not above the root, however it is left', async () => {
    const marker = join(arena.directory, 'marker');
    writeFileSync(marker, '');
    // On the host in a chroot, which is the wall that this attempt walks through.
    expect(arena.inChroot(`chroot_breakout ${marker}`)).toMatch(/^GOT/);
    expect(await arena.inside('hardened', `chroot_breakout ${marker}`)).toBe('STOPPED chroot: EPERM');
    expect(await arena.inside('nested', `chroot_breakout ${marker}`)).toBe(`STOPPED ${marker}: ENOENT`);
  });

  it('are not among the descriptors of a command, of a shell, or of the first process', async () => {
    expect(arena.onHost('inherited_fds', 'exec 9</; ')).toMatch(/^GOT fd 9/);
    await expectBothStopped('inherited_fds', /nothing but 0, 1, 2/);
    for (const profile of PROFILES) {
      // catatonit has a signalfd of its own.
      expect(await arena.broker.shell(profile, 'readlink /proc/1/fd/*')).toMatch(
        /^(pipe:\[\d+\]\n){3}anon_inode:\[signalfd\]$/,
      );
      const terminal = await arena.broker.open(profile);
      const viewer = await arena.broker.attach(profile, terminal);
      viewer.type('ls -l /proc/$$/fd | cut -d" " -f 9-; echo end""ed\n');
      await viewer.untilText('ended');
      // 255 is bash's own copy of its terminal.
      const fds = [...viewer.text().matchAll(/(\d+) -> (\S+)/g)].map(([, fd, file]) => `${fd} ${file}`);
      expect(fds).toEqual(['0', '1', '2', '255'].map((fd) => expect.stringMatching(`^${fd} /dev/pts/\\d+$`)));
    }
  });

  it('do not take what is written to the descriptors of the first process', async () => {
    for (const profile of PROFILES)
      await arena.broker.shell(
        profile,
        'for fd in 0 1 2; do echo forged line > /proc/1/fd/$fd & done; sleep 0.2',
      );
    expect(arena.broker.log).not.toContain('forged');
  });

  it('tell no address of the kernel', async () => {
    expect(await arena.broker.shell('hardened', 'cat /proc/kallsyms | wc -c')).toBe('0');
    expect(await arena.broker.shell('nested', "cut -d' ' -f1 /proc/kallsyms | sort -u")).toMatch(/^0+$/);
  });

  it('tell nothing in the environment', async () => {
    const names = ['HOME', 'LANG', 'PATH', 'PWD', 'TERM'];
    for (const profile of PROFILES) {
      const own = (await arena.broker.shell(profile, 'tr "\\0" "\\n" < /proc/1/environ')).split('\n');
      expect(own.map((line) => line.split('=')[0]).sort()).toEqual(names.filter((name) => name !== 'PWD'));
      const command = await arena.broker.exec(profile, ['env']);
      for (const line of command.stdout.trim().split('\n')) expect(names).toContain(line.split('=')[0]);
    }
  });

  it('are no devices', async () => {
    for (const profile of PROFILES) {
      // By stat: what is mounted there is a device, what it is mounted on a file.
      const list =
        'for f in /dev/* /dev/pts/ptmx; do [ -b $f ] || [ -c $f ] && readlink -f $f; done | sort -u';
      const names = ['full', 'null', 'pts/ptmx', 'random', 'tty', 'urandom', 'zero'];
      expect(await arena.broker.shell(profile, list)).toBe(names.map((name) => `/dev/${name}`).join('\n'));
    }
  });

  it('are not the runtime’s program, though it runs inside for a moment (CVE-2019-5736)', async () => {
    // Shown to work: a program that is running is opened, and written once it has ended.
    const copy = join(arena.directory, 'victim');
    writeFileSync(copy, readFileSync('/bin/sleep'), { mode: 0o755 });
    const attempt = spawn(arena.program, ['overwrite_exe', copy], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    attempt.stdout.on('data', (bytes) => {
      said += bytes;
    });
    await once(attempt.stdout, 'data');
    await once(spawn(copy, ['0.3']), 'exit');
    await once(attempt, 'close');
    expect(said).toContain('GOT');

    for (const profile of PROFILES) {
      // A link to /proc/self/exe: what the runtime is asked to run is the runtime. It is its mount's root, so "/".
      await arena.broker.shell(profile, 'ln -s /proc/self/exe /root/self');
      const watch = arena.inside(profile, 'overwrite_exe /');
      let over = false;
      void watch.finally(() => {
        over = true;
      });
      while (!over) {
        const { stdout } = await arena.broker.exec(profile, ['/root/self', 'features']);
        expect(stdout).toContain('ociVersionMax');
      }
      expect(await watch).toMatch(/STOPPED open for writing: (EROFS|EACCES)/);
    }
  });
});

describe('a command that is brought in later', () => {
  /** What a watcher says that looks for newcomers while one comes after the other. */
  const whileTheyCome = async (profile: string, watch: Promise<string>): Promise<string> => {
    let over = false;
    void watch.finally(() => {
      over = true;
    });
    while (!over) await arena.broker.exec(profile, ['/bin/true']);
    return watch;
  };

  it('shows no path of the host while it is still the runtime', async () => {
    // The host has many processes to look through, and each newcomer is there for milliseconds.
    let outside = '';
    for (let round = 0; round < 10 && !outside.startsWith('GOT'); round++)
      outside = await whileTheyCome('hardened', arena.onHostMeanwhile('read_newcomers 2'));
    expect(outside).toMatch(/^GOT/);
    for (const profile of PROFILES) {
      const said = await whileTheyCome(profile, arena.inside(profile, 'read_newcomers 2'));
      expect(said).toMatch(/^STOPPED met it [1-9]/);
    }
  });

  it('cannot be traced while it is still the runtime', async () => {
    const said = await whileTheyCome('nested', arena.inside('nested', 'trace_newcomers 2'));
    expect(said).toMatch(/^STOPPED met it [1-9]/);
  });

  it.concurrent('keeps nobody waiting when it is stopped on the way', async () => {
    await arena.machine('stops', 'nested');
    const watch = arena.inside('stops', 'stop_newcomers 14');
    const asked = { timeout_ms: 1_000 };
    // It may slip through a few times.
    let stopped = false;
    for (let round = 0; round < 20 && !stopped; round++)
      stopped = (await arena.broker.exec('stops', ['/bin/true'], asked)).timed_out;
    expect(stopped).toBe(true);
    let opened = '';
    for (let round = 0; round < 20 && !opened.startsWith('BrokerError'); round++)
      opened = await arena.broker.open('stops').catch(String);
    expect(opened).toContain('stopped or frozen inside');
    expect(await watch).toMatch(/^GOT to stop [1-9]/);
    await arena.broker.control.request('machine.delete', { machine: 'stops' });
    const runtimes = arena.broker.census().processes.filter((line) => / exec .*stops/.test(line));
    expect(runtimes).toEqual([]);
  });

  it.concurrent('begins inside, though its folder is exchanged with a way out without a pause', async () => {
    const marker = join(arena.directory, 'marker-of-the-host');
    writeFileSync(marker, '');
    for (const profile of PROFILES) {
      const machine = `${profile}-planted`;
      await arena.machine(machine, profile);
      await arena.broker.shell(machine, 'cp /root/attempts /tmp');
      for (const way of [
        '/proc/1/root/../../..',
        '/proc/self/fd/4/..',
        '/proc/self/cwd/../..',
        '/dev/fd/5',
      ]) {
        await arena.broker.shell(machine, `ln -sfn ${way} /way-out`);
        const terminal = await arena.broker.open(machine, ['/tmp/attempts', 'exchange', '/root', '/way-out']);
        const viewer = await arena.broker.attach(machine, terminal);
        await viewer.untilText('GOT');
        for (let round = 0; round < 6; round++) {
          const look = ['/bin/sh', '-c', `pwd; ls .${marker} ..${marker} 2> /dev/null`];
          const said = await arena.broker.exec(machine, look).then(({ stdout }) => stdout, String);
          expect(said).toMatch(/^\/|process\.cwd/);
          expect(said).not.toContain('marker-of-the-host');
        }
        await arena.broker.control.request('terminal.close', { machine, terminal });
        await arena.broker.shell(
          machine,
          'test -L /root && /tmp/attempts exchange /root /way-out < /dev/null',
        );
      }
      await arena.broker.control.request('machine.delete', { machine });
    }
  });

  it.concurrent('takes its terminal from a /dev/pts and from nothing put in its place (CVE-2025-52565)', async () => {
    await arena.machine('pts', 'nested');
    const places = [
      'ln -s /dev/zero ptmx',
      'mkfifo ptmx',
      'echo > ptmx',
      'ln -s /proc/self/fd/4 ptmx',
      'touch ptmx; mount --bind /dev/zero ptmx',
    ];
    for (const place of places) {
      const cover = `mount -t tmpfs covered /dev/pts && cd /dev/pts && ${place}`;
      expect(await arena.broker.shell('pts', cover)).toBe('');
      await expect(arena.broker.open('pts')).rejects.toThrow(/\/dev\/pts\/ptmx/);
      expect(await arena.broker.shell('pts', 'umount /dev/pts/ptmx 2> /dev/null; umount /dev/pts')).toBe('');
    }
    const terminal = await arena.broker.open('pts');
    const viewer = await arena.broker.attach('pts', terminal);
    await viewer.untilText('#');
    await arena.broker.control.request('machine.delete', { machine: 'pts' });
  });

  it('is confined as the first process is', async () => {
    const status = (profile: string, pid: string) =>
      arena.broker.shell(
        profile,
        `grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)' /proc/${pid}/status; cat /proc/${pid}/oom_score_adj /proc/${pid}/limits /proc/${pid}/uid_map; readlink /proc/${pid}/ns/*`,
      );
    for (const profile of PROFILES) {
      const first = await status(profile, '1');
      expect(first.split('\n').length).toBeGreaterThan(30);
      expect(await status(profile, '$$')).toBe(first);
    }
  });

  it('is in the machine’s control group, or one below it', async () => {
    for (const profile of PROFILES) {
      const command = arena.broker.exec(profile, ['sleep', '1.5']);
      await expect.poll(() => arena.broker.shell(profile, 'pgrep -c sleep')).not.toBe('0');
      const groups = readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .flatMap((pid) => {
          try {
            const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
            return line === 'sleep\0' + '1.5\0' ? [readFileSync(`/proc/${pid}/cgroup`, 'utf8')] : [];
          } catch {
            return []; // it has ended
          }
        });
      expect(groups.length).toBeGreaterThan(0);
      for (const text of groups)
        for (const controller of ['memory', 'pids', 'devices', 'cpu'])
          expect(text).toMatch(
            new RegExp(
              `(:|,)${controller}(,[^:]*)?:/${arena.broker.cgroup}/${profile}(/|\\n)|^0::/${arena.broker.cgroup}/`,
              'm',
            ),
          );
      await command;
    }
  });
});
