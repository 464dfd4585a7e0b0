// Fields of config.json that the broker does not use: each as a container's processes find it.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Config, runtime, Workshop } from './bundle.ts';

const able = process.getuid?.() === 0 && existsSync(runtime);

/** A container whose ids are the host's. */
const withoutUser = (config: Config): void => {
  config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'user');
  delete config.linux['uidMappings'];
  delete config.linux['gidMappings'];
};

describe.skipIf(!able)('config.json (needs root and native/build)', () => {
  let shop: Workshop;
  beforeAll(() => {
    shop = new Workshop();
  });
  afterAll(() => shop.end());

  describe('process', () => {
    test('limits, and none: 2^64 - 1', () => {
      const bundle = shop.bundle('cat /proc/self/limits');
      const file = join(bundle, 'config.json');
      // As text, for JavaScript's numbers do not reach so far.
      writeFileSync(
        file,
        readFileSync(file, 'utf8').replace(
          /"rlimits":\[.*?\]/,
          '"rlimits":[{"type":"RLIMIT_CORE","soft":1024,"hard":4096},{"type":"RLIMIT_CPU","soft":18446744073709551615,"hard":18446744073709551615}]',
        ),
      );
      const { stdout } = shop.run(['run', '--bundle', bundle, 'limits']);
      expect(stdout).toMatch(/Max core file size +1024 +4096/);
      expect(stdout).toMatch(/Max cpu time +unlimited +unlimited/);
    });

    test('user, groups, umask, oom score, working directory, environment', () => {
      const { stdout } = shop.inside('id; umask; cat /proc/self/oom_score_adj; pwd; echo $HERE', (config) => {
        Object.assign(config.process, { oomScoreAdj: 321, cwd: '/new/folder' });
        Object.assign(config.process.user, { uid: 5, gid: 6, umask: 0o77, additionalGids: [8, 9] });
        config.process.capabilities['bounding'] = ['CAP_SETGID'];
        config.process.env.push('HERE=there');
      });
      expect(stdout).toBe('uid=5 gid=6 groups=8,9\n0077\n321\n/new/folder\nthere\n');
    });

    test('host and domain name, and annotations in the state', () => {
      const names = shop.inside('hostname; cat /proc/sys/kernel/domainname', (config) =>
        Object.assign(config, { hostname: 'ship', domainname: 'sea.example' }),
      );
      expect(names.stdout).toBe('ship\nsea.example\n');
      shop.detach(
        'noted',
        shop.bundle('sleep 100', (config) => {
          config.annotations = { ...config.annotations, 'org.example.note': 'kept' };
        }),
      );
      expect(JSON.parse(shop.run(['state', 'noted']).stdout).annotations).toMatchObject({
        'org.example.note': 'kept',
      });
    });

    test('kernel parameters of its own namespaces, and none of the host’s', () => {
      const set = (sysctl: Record<string, string>) => (config: Config) =>
        Object.assign(config.linux, { sysctl });
      const { stdout, stderr } = shop.inside(
        'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax',
        set({ 'net.ipv4.ip_forward': '1', 'kernel.msgmax': '4242' }),
      );
      expect(stderr).toBe('');
      expect(stdout).toBe('1\n4242\n');
      expect(shop.inside('true', set({ 'vm.swappiness': '1' })).stderr).toContain(
        'linux.sysctl.vm.swappiness',
      );
    });
  });

  describe('namespaces by path', () => {
    /** A process in namespaces of its own, whose files /proc/<pid>/ns are the paths. */
    const holder = async (flags: string[], run: (ns: string) => void): Promise<void> => {
      const child = spawn('unshare', [...flags, '--', 'sh', '-c', 'echo ready; exec sleep 1000'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      try {
        await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
        run(`/proc/${child.pid}/ns`);
      } finally {
        const exited = child.exitCode === null ? once(child, 'exit') : undefined;
        child.kill('SIGKILL');
        await exited;
      }
    };
    const by = (config: Config, type: string, path: string): void => {
      config.linux.namespaces = config.linux.namespaces.map((one) =>
        one.type === type ? { type, path } : one,
      );
    };

    for (const [type, flag, file] of [
      ['network', '--net', 'net'],
      ['ipc', '--ipc', 'ipc'],
      ['uts', '--uts', 'uts'],
      ['cgroup', '--cgroup', 'cgroup'],
      ['mount', '--mount', 'mnt'],
    ] as const)
      test(`${type}`, async () => {
        await holder([flag], (ns) => {
          const { stdout, stderr } = shop.inside(`readlink /proc/self/ns/${file}`, (config) => {
            withoutUser(config);
            delete config.hostname;
            by(config, type, join(ns, file));
          });
          expect(stderr).toBe('');
          expect(stdout.trim()).toBe(readlinkSync(join(ns, file)));
        });
      });

    test('pid and time', async () => {
      await holder(
        ['--pid', '--fork', '--kill-child', '--mount-proc', '--time', '--boottime', '100000'],
        (ns) => {
          for (const [type, file] of [
            ['pid', 'pid_for_children'],
            ['time', 'time_for_children'],
          ] as const) {
            const name = file.replace('_for_children', '');
            const { stdout, stderr } = shop.inside(`readlink /proc/self/ns/${name}`, (config) => {
              withoutUser(config);
              by(config, type, join(ns, file));
            });
            expect(stderr).toBe('');
            expect(stdout.trim()).toBe(readlinkSync(join(ns, file)));
          }
        },
      );
    });

    test('user, with a network of that user namespace', async () => {
      await holder(['--user', '--map-root-user', '--net'], (ns) => {
        const { stdout, stderr } = shop.inside(
          'readlink /proc/self/ns/user; readlink /proc/self/ns/net; cat /proc/self/uid_map; id -u',
          (config) => {
            withoutUser(config);
            config.linux.namespaces.push({ type: 'user', path: join(ns, 'user') });
            by(config, 'network', join(ns, 'net'));
            // Group 5, the terminals', is not mapped there.
            for (const mount of config.mounts)
              mount.options = mount.options.filter((option) => option !== 'gid=5');
          },
        );
        expect(stderr).toBe('');
        const [user, net, map, uid] = stdout.trim().split('\n');
        expect([user, net]).toEqual([readlinkSync(join(ns, 'user')), readlinkSync(join(ns, 'net'))]);
        expect(map?.trim().split(/ +/)).toEqual(['0', '0', '1']);
        expect(uid).toBe('0');
      });
    });

    test('a path that is no namespace is refused', () => {
      const { stderr } = shop.inside('true', (config) => by(config, 'network', '/etc/passwd'));
      expect(stderr).toContain('/etc/passwd');
      expect(stderr).not.toContain('warning');
    });
  });

  describe('mounts', () => {
    const mounted = (mount: Partial<Config['mounts'][number]>, command: string, change = (_: Config) => {}) =>
      shop.inside(command, (config) => {
        config.mounts.push({ destination: '/m', type: 'tmpfs', source: 'tmpfs', options: [], ...mount });
        change(config);
      });
    const options =
      'grep " /m " /proc/self/mountinfo | cut -d" " -f6; grep -c " /m/.* ro" /proc/self/mountinfo';

    test('every option of a mount is there, and later ones win', () => {
      const { stdout } = mounted(
        { options: ['ro', 'nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime', 'nosymfollow', 'size=32k'] },
        options,
      );
      expect(stdout.split('\n')[0]).toBe('ro,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow');
      expect(mounted({ options: ['noexec', 'ro', 'rw', 'exec'] }, options).stdout).toMatch(/^rw,relatime\n/);
      expect(mounted({ options: ['no-such-option'] }, options).stderr).toContain('no-such-option');
    });

    test('rro makes what lies below read-only too, ro does not', () => {
      const bind = (option: string): string =>
        mounted(
          { type: 'bind', source: '/sys', options: ['rbind', option] },
          'grep " /m/fs/cgroup/" /proc/self/mountinfo | head -1 | cut -d" " -f6 | cut -c1-2',
          withoutUser,
        ).stdout;
      expect(bind('rro')).toBe('ro\n');
      expect(bind('ro')).toBe('rw\n');
    });

    test('tmpcopyup fills a tmpfs with what the image has there', () => {
      mkdirSync(join(shop.image, 'data/deep'), { recursive: true });
      writeFileSync(join(shop.image, 'data/deep/file'), 'kept\n', { mode: 0o640 });
      const { stdout, stderr } = mounted(
        { destination: '/data', options: ['tmpcopyup', 'size=64k', 'ro'] },
        'cat /data/deep/file; stat -c %a:%u /data/deep/file; stat -f -c %T /data; touch /data/x 2>/dev/null || echo read-only',
      );
      expect(stderr).toBe('');
      expect(stdout).toBe('kept\n640:0\ntmpfs\nread-only\n');
    });

    test('idmap shows a folder of the host with the container’s ids', () => {
      const folder = join(shop.directory, 'shared');
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'file'), 'of root\n', { mode: 0o600 });
      const seen = (options: string[]): string =>
        mounted(
          { type: 'bind', source: folder, options: ['bind', ...options] },
          'stat -c %u /m/file; cat /m/file 2>/dev/null',
        ).stdout;
      expect(seen(['idmap'])).toBe('0\nof root\n');
      expect(seen([])).toBe('65534\n');
      expect(mounted({ options: ['idmap'] }, 'true').stderr).toContain('idmap needs a bind mount');
    });

    test('the root’s propagation is what config.json says', () => {
      const root = (rootfsPropagation: string): string =>
        shop
          .inside(
            'grep " / / " /proc/self/mountinfo | grep -o -E "(shared|master|unbindable)[: ]" | head -1',
            (config) => Object.assign(config.linux, { rootfsPropagation }),
          )
          .stdout.trim();
      expect(root('private')).toBe('');
      expect(root('shared')).toBe('shared:');
      expect(root('unbindable')).toBe('unbindable');
    });
  });

  test('what is not supported is refused by its path', () => {
    const refused = (change: (config: Config) => void): string => shop.inside('true', change).stderr;
    expect(refused((c) => Object.assign(c.linux, { mountLabel: 'a:b:c:s0' }))).toContain(
      'linux.mountLabel is not supported',
    );
    expect(refused((c) => Object.assign(c.process, { selinuxLabel: 'a:b:c:s0' }))).toContain(
      'process.selinuxLabel is not supported',
    );
    expect(refused((c) => Object.assign(c.process, { apparmorProfile: 'x' }))).toContain(
      'process.apparmorProfile is not supported',
    );
    expect(refused((c) => Object.assign(c.process, { scheduler: { policy: 'SCHED_FIFO' } }))).toContain(
      'process.scheduler is not supported',
    );
    expect(spawnSync(runtime, ['--version'], { encoding: 'utf8' }).stdout).toContain('spec: 1.2.1');
  });
});
