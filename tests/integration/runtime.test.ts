// The OCI runtime on real containers: what is inside is shut in, limits hold, and nothing is left behind.
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asNested, runtime, Workshop } from './bundle.ts';

const root = process.getuid?.() === 0;
const built = existsSync(runtime);

/** Directories of the test's cgroup, in whatever hierarchies there are. */
const cgroups = (name: string): string[] =>
  ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((one) => join('/sys/fs/cgroup', one))]
    .map((hierarchy) => join(hierarchy, name))
    .filter((path) => existsSync(path));

const children = (path: string): string[] =>
  readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(path, entry.name));

const field = (status: string, name: string): string | undefined =>
  new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1]?.trim();

describe.skipIf(!root || !built)('bulkhead, the runtime (needs root and native/build)', () => {
  let shop: Workshop;
  beforeAll(() => {
    shop = new Workshop();
  });
  afterAll(() => shop.end());

  describe('a hardened container', () => {
    test('sees itself as pid 1 of few, under its own name', () => {
      const { stdout, status } = shop.inside('echo $$; ls /proc | grep -c "^[0-9]"; hostname');
      expect(stdout.split('\n').slice(0, 3)).toEqual(['1', expect.stringMatching(/^[1-4]$/), 'box']);
      expect(status).toBe(0);
    });

    test('has none of the host’s mounts and no way up from its root', () => {
      const { stdout } = shop.inside('cut -d" " -f5 /proc/self/mountinfo; echo ---; cd /..; cd ../..; ls');
      const [mounts, up] = stdout.split('---\n');
      for (const path of mounts?.trim().split('\n') ?? [])
        expect(path).toMatch(/^\/(proc|sys|dev|tmp)?(\/.*)?$/);
      expect(
        mounts
          ?.trim()
          .split('\n')
          .filter((path) => path === '/'),
      ).toHaveLength(1);
      expect(up?.trim().split('\n')).toEqual(['bin', 'dev', 'etc', 'proc', 'root', 'sys', 'tmp']);
    });

    test('has a loopback interface and nothing else', () => {
      const { stdout } = shop.inside('ls /sys/class/net; ip -o addr show lo; ip route');
      expect(stdout).toMatch(/^lo\n/);
      expect(stdout).toContain('127.0.0.1/8');
      expect(stdout).not.toMatch(/eth|default/);
    });

    test('has no capability, cannot gain one, and is under a seccomp filter', () => {
      const { stdout } = shop.inside('cat /proc/self/status');
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
        expect(field(stdout, set)).toBe('0000000000000000');
      expect(field(stdout, 'NoNewPrivs')).toBe('1');
      expect(field(stdout, 'Seccomp')).toBe('2');
      expect(field(stdout, 'Groups')).toBe('');
    });

    test('has eight namespaces of its own', () => {
      const kinds = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'time', 'user', 'uts'];
      const { stdout } = shop.inside(`cd /proc/self/ns; for n in ${kinds.join(' ')}; do readlink $n; done`);
      const inside = stdout.trim().split('\n');
      expect(inside).toHaveLength(8);
      for (const [index, kind] of kinds.entries())
        expect(inside[index]).not.toBe(readlinkSync(`/proc/self/ns/${kind}`));
    });

    test('finds masked paths empty and read-only ones read-only', () => {
      const { stdout } = shop.inside(
        'cat /proc/keys /proc/timer_list; ls -A /sys/firmware; echo 1 > /proc/sys/kernel/sysrq; echo b > /proc/sysrq-trigger; echo end',
      );
      expect(stdout).toBe('end\n');
    });

    test('cannot mount, unshare, or use a device that is not its own', () => {
      const { stdout } = shop.inside(
        'mount -t tmpfs t /tmp || echo no mount; unshare -U true || echo no unshare; mknod /tmp/d b 254 0 || echo no node; chroot / true || echo no chroot',
      );
      expect(stdout).toBe('no mount\nno unshare\nno node\nno chroot\n');
    });

    test('has exactly the standard fds, also when its caller leaks more', () => {
      const { stdout } = shop.inside('ls /proc/self/fd; ls -l /proc/self/fd | grep -c -v " [0-3] "');
      expect(stdout.split('\n').slice(0, 4)).toEqual(['0', '1', '2', '3']); // 3 is ls's own
    });

    test('writes to a layer of its own, whose image belongs to its root and stays as it was', () => {
      const { stdout } = shop.inside(
        'stat -c %u:%g /etc/motd; echo changed > /etc/motd; cat /etc/motd; rm -r /root',
      );
      expect(stdout).toBe('0:0\nchanged\n');
      expect(readFileSync(join(shop.image, 'etc/motd'), 'utf8')).toBe('of the image\n');
      expect(existsSync(join(shop.image, 'root'))).toBe(true);
    });

    test('runs as ids of its range on the host', () => {
      const bundle = shop.bundle('sleep 1000');
      shop.detach('ids', bundle, ['run', '--detach', '--pid-file', join(bundle, 'pid')]);
      const status = readFileSync(`/proc/${readFileSync(join(bundle, 'pid'), 'utf8')}/status`, 'utf8');
      expect(field(status, 'Uid')).toBe('100000\t100000\t100000\t100000');
      expect(shop.run(['delete', '--force', 'ids']).status).toBe(0);
    });

    test('leaves none of its mounts in the host’s table while it runs', () => {
      const before = readFileSync('/proc/self/mountinfo', 'utf8');
      shop.detach('quiet', shop.bundle('sleep 1000'));
      expect(readFileSync('/proc/self/mountinfo', 'utf8')).toBe(before);
      shop.run(['delete', '--force', 'quiet']);
    });
  });

  describe('limits', () => {
    test('a process that takes more memory than allowed is killed, the container’s first one lives on', () => {
      const { stdout } = shop.inside(
        'sh -c "dd if=/dev/zero of=/dev/null bs=100M count=1"; echo status $?',
        (config) => {
          config.linux.resources.memory.limit = 32 << 20;
        },
      );
      expect(stdout).toBe('status 137\n');
    });

    test('a fork bomb is stopped at the number of processes allowed', () => {
      const { stdout, stderr } = shop.inside(
        'for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; ls /proc | grep -c "^[0-9]"; echo end',
        (config) => {
          config.linux.resources.pids.limit = 6;
        },
      );
      expect(stderr).toContain("can't fork");
      expect(stdout).not.toContain('9');
    });

    test('files end where the tmpfs does', () => {
      const { stdout, stderr } = shop.inside(
        'dd if=/dev/zero of=/root/big bs=1M count=8; stat -c %s /root/big',
        (config) => {
          config.annotations = { 'dev.bulkhead.overlay.size': String(4 << 20) };
        },
      );
      expect(stderr).toContain('No space left on device');
      expect(Number(stdout)).toBeLessThanOrEqual(4 << 20);
    });

    test('files end where the inodes do', () => {
      const { stdout } = shop.inside(
        'cd /root; i=0; while [ $i -lt 200 ]; do true > f$i || break; i=$((i+1)); done 2>/dev/null; ls | wc -l',
        (config) => {
          config.annotations = {
            'dev.bulkhead.overlay.size': String(4 << 20),
            'dev.bulkhead.overlay.inodes': '100',
          };
        },
      );
      expect(Number(stdout)).toBeGreaterThan(10);
      expect(Number(stdout)).toBeLessThan(100);
    });
  });

  describe('a nested container', () => {
    test('is root enough to make namespaces, mount, and hang a fresh /proc', () => {
      const { stdout, stderr } = shop.inside(
        'mount -t tmpfs t /tmp && unshare -m -p -f -U -r --mount-proc sh -c "echo pid \\$\\$; ls /proc | grep -c ^[0-9]"',
        asNested,
      );
      expect(stderr).toBe('');
      expect(stdout).toMatch(/^pid 1\n[1-4]\n$/);
    });

    test('may change groups, and is none of the host’s root for all that', () => {
      const { stdout } = shop.inside(
        'cat /proc/self/setgroups /proc/self/uid_map; echo 1 > /proc/sys/kernel/sysrq || echo no; cat /proc/kcore || echo no',
        asNested,
      );
      expect(stdout).toMatch(/^allow\n\s+0\s+100000\s+65536\nno\nno\n$/);
    });
  });

  describe('exec', () => {
    test('confines a process exactly as the first one', () => {
      shop.detach('busy', shop.bundle('sleep 1000'));
      const look =
        'grep -E "^(Cap|NoNew|Seccomp|Groups|Uid|Gid)" /proc/$P/status; cat /proc/$P/cgroup; for n in /proc/$P/ns/*; do readlink $n; done; cat /proc/$P/limits /proc/$P/oom_score_adj';
      const first = shop.run(['exec', 'busy', '/bin/sh', '-c', `P=1; ${look}`]);
      const second = shop.run(['exec', 'busy', '/bin/sh', '-c', `P=$$; ${look}`]);
      expect(first.stderr).toBe('');
      expect(first.stdout.split('\n').length).toBeGreaterThan(30);
      expect(second.stdout).toBe(first.stdout);
      expect(shop.run(['delete', '--force', 'busy']).status).toBe(0);
    });

    test('passes on status, input, environment, user and directory, and says what cannot be run', () => {
      shop.detach('busy', shop.bundle('sleep 1000'));
      expect(shop.run(['exec', 'busy', '/bin/sh', '-c', 'exit 7']).status).toBe(7);
      expect(shop.run(['exec', 'busy', '/bin/sh', '-c', 'kill -9 $$']).status).toBe(137);
      expect(shop.run(['exec', 'busy', 'cat'], { input: 'hello' }).stdout).toBe('hello');
      const changed = shop.run([
        'exec',
        '--env',
        'A=b',
        '--env',
        'TERM=x',
        '--user',
        '5:6',
        '--cwd',
        '/tmp',
        'busy',
        '/bin/sh',
        '-c',
        'echo $A $TERM; id -u; id -g; pwd',
      ]);
      expect(changed.stdout).toBe('b x\n5\n6\n/tmp\n');
      const missing = shop.run(['exec', 'busy', 'no-such-program']);
      expect(missing.status).toBe(1);
      expect(missing.stderr).toContain('cannot run process.args[0] "no-such-program"');
      shop.run(['delete', '--force', 'busy']);
    });

    test('takes a process document', () => {
      shop.detach('busy', shop.bundle('sleep 1000'));
      const path = join(shop.directory, 'process.json');
      writeFileSync(
        path,
        JSON.stringify({ args: ['/bin/sh', '-c', 'echo $X $PWD'], env: ['X=1'], cwd: '/etc' }),
      );
      expect(shop.run(['exec', '--process', path, 'busy']).stdout).toBe('1 /etc\n');
      writeFileSync(path, JSON.stringify({ args: ['true'], cwd: '/', commandLine: 'a' }));
      expect(shop.run(['exec', '--process', path, 'busy']).stderr).toContain(
        'process.commandLine is not supported: it is not for Linux',
      );
      shop.run(['delete', '--force', 'busy']);
    });
  });

  describe('the verbs', () => {
    test('lead a container from created to running to stopped to gone', () => {
      const state = (): string => JSON.parse(shop.run(['state', 'life']).stdout).status;
      const bundle = shop.bundle('sleep 1000');
      shop.detach('life', bundle, ['create']);
      expect(state()).toBe('created');
      expect(shop.run(['create', '--bundle', bundle, 'life']).stderr).toContain('already exists');
      expect(shop.run(['start', 'life']).status).toBe(0);
      expect(state()).toBe('running');
      expect(shop.run(['start', 'life']).stderr).toContain('only a created one can be started');
      expect(shop.run(['delete', 'life']).stderr).toContain('is running');
      expect(shop.run(['list', '--quiet']).stdout).toBe('life\n');
      expect(shop.run(['kill', 'life', 'KILL']).status).toBe(0);
      const deadline = Date.now() + 5000;
      while (state() !== 'stopped' && Date.now() < deadline);
      expect(state()).toBe('stopped');
      expect(shop.run(['delete', 'life']).status).toBe(0);
      expect(shop.run(['state', 'life']).stderr).toContain('container life does not exist');
      expect(shop.run(['delete', '--force', 'life']).status).toBe(0);
    });

    test('leave no cgroup, process or mount, also when the launch fails half-way', () => {
      const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
      shop.inside('sleep 1000 & sleep 1000 & exit 3');
      expect(
        shop.inside('true', (config) => config.process.args.splice(0, 3, 'no-such-program')).status,
      ).toBe(1);
      expect(
        shop.inside('true', (config) =>
          config.mounts.push({ destination: '/x', type: 'no-such-fs', source: 'x', options: [] }),
        ).status,
      ).toBe(1);
      expect(cgroups(shop.cgroup).flatMap(children)).toEqual([]);
      expect(readdirSync(shop.state).filter((name) => !name.startsWith('.'))).toEqual([]);
      expect(readFileSync('/proc/self/mountinfo', 'utf8')).toBe(mounts);
    });

    test('refuse what they do not support, by its path', () => {
      const refused = (change: Parameters<Workshop['inside']>[1]): string =>
        shop.inside('true', change).stderr;
      expect(refused((config) => Object.assign(config, { vm: { kernel: {} } }))).toContain(
        'vm is not supported',
      );
      expect(refused((config) => Object.assign(config.linux, { intelRdt: { closID: 'a' } }))).toContain(
        'linux.intelRdt is not supported',
      );
      expect(refused((config) => config.mounts[0]?.options.push('mand'))).toContain(
        'mounts[0].options: mand is not supported',
      );
      expect(refused((config) => Object.assign(config.process, { terminal: true }))).toContain(
        'process.terminal needs --console-socket',
      );
    });

    test('need root', () => {
      expect(shop.run(['list'], { uid: 65534 }).stderr).toContain('only root');
    });
  });

  test('links in the root file system lead nowhere out of it', () => {
    const hostile = new Workshop();
    try {
      rmdirSync(join(hostile.image, 'dev'));
      symlinkSync('/etc', join(hostile.image, 'dev'));
      const { stdout, stderr } = hostile.inside(
        'ls -l /etc/null; cut -d" " -f5 /proc/self/mountinfo | grep etc/null',
      );
      expect(stderr).toBe('');
      expect(stdout).toMatch(/^c.*\/etc\/null\n\/etc\/null\n$/);
      expect(existsSync('/etc/null')).toBe(false);

      rmdirSync(join(hostile.image, 'sys'));
      symlinkSync(hostile.state, join(hostile.image, 'sys')); // exists on the host only
      expect(hostile.inside('true').stderr).toMatch(
        /mounts\[5\]: cannot (open|create).* inside the container's root/,
      );
    } finally {
      hostile.end();
    }
  });

  test('a launch trace tells every step, inside and out, with times and the line that did it', () => {
    const path = join(shop.directory, 'trace');
    const script = `exec 7>${path}; exec ${runtime} --root ${shop.state} --trace-fd 7 run --bundle ${shop.bundle('ls /proc/self/fd')} traced`;
    const done = shop.shell(script);
    expect(done.stdout).toBe('0\n1\n2\n3\n');
    const steps = readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(steps.map((step) => step.step)).toEqual(
      expect.arrayContaining([
        'config.json',
        'cgroup',
        'clone3',
        'id maps',
        'root',
        'mount',
        'masks',
        'pivot_root',
        'privileges',
        'exec',
      ]),
    );
    for (const { start_ns, end_ns, source } of steps) {
      expect(end_ns).toBeGreaterThanOrEqual(start_ns);
      const [, file, line] = /^(native\/runtime\/\w+\.c):(\d+)$/.exec(source) ?? [];
      const text = readFileSync(join(import.meta.dirname, '../..', file ?? ''), 'utf8').split('\n');
      expect(text[Number(line) - 1]).toMatch(/trace_step|;/);
    }
  });
});
