// Fields of config.json that the broker does not use: each as a container's processes find it.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Config, runtime, Workshop, withoutUser } from './bundle.ts';

const able = process.getuid?.() === 0 && existsSync(runtime);

describe.skipIf(!able)('config.json (needs root and native/build)', () => {
  let shop: Workshop;
  beforeAll(() => {
    shop = new Workshop();
    for (const path of ['data', 'var', 'srv']) mkdirSync(join(shop.image, path));
    writeFileSync(join(shop.image, 'data/kept'), 'kept\n');
    writeFileSync(join(shop.image, 'root/secret'), 'secret\n');
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
        config.process.capabilities.bounding = ['CAP_SETGID'];
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

  describe('devices and paths', () => {
    test('a node of each kind, with its mode and owner; a pipe too', () => {
      const { stdout, stderr } = shop.inside(
        'stat -c "%n %F %a %u:%g %t:%T" /dev/c /dev/b /dev/u /srv/deep/p',
        (config) => {
          withoutUser(config);
          const numbers = { major: 1, minor: 3 };
          Object.assign(config.linux, {
            devices: [
              { path: '/dev/c', type: 'c', ...numbers, fileMode: 0o640, uid: 5, gid: 6 },
              { path: '/dev/b', type: 'b', major: 7, minor: 0, fileMode: 0o60600 }, // as stat(2) gives it
              { path: '/dev/u', type: 'u', ...numbers },
              { path: '/srv/deep/p', type: 'p', fileMode: 0o622, uid: 1, gid: 2 },
            ],
          });
        },
      );
      expect(stderr).toBe('');
      expect(stdout.trim().split('\n')).toEqual([
        '/dev/c character special file 640 5:6 1:3',
        '/dev/b block special file 600 0:0 7:0',
        '/dev/u character special file 666 0:0 1:3',
        '/srv/deep/p fifo 622 1:2 0:0',
      ]);
    });

    test('a default device that is listed is made as it says; what an image has as something else is refused', () => {
      const listed = (path: string, change = withoutUser) =>
        shop.inside('stat -c "%F %a %u:%g %t:%T" /dev/full; stat -c %a /dev/null', (config) => {
          change(config);
          const device = { path, type: 'c', major: 1, minor: 7, fileMode: 0o600, uid: 5, gid: 6 };
          Object.assign(config.linux, { devices: [device] });
        });
      expect(listed('/dev/full').stdout).toBe('character special file 600 5:6 1:7\n666\n');
      expect(listed('/dev/full', () => {}).stdout).toMatch(/ 1:7\n666\n$/);
      expect(listed('/etc/motd').stderr).toContain(
        'linux.devices[0]: /etc/motd is something else in the image',
      );
      expect(shop.shell('stat -c %a /dev/full').stdout).toBe('666\n'); // the host's own
    });

    test('what every container has, and what is no device', () => {
      const { stdout } = shop.inside(
        'stat -c "%n %t:%T" /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty; for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done',
      );
      expect(stdout.trim().split('\n')).toEqual([
        ...[
          '/dev/null 1:3',
          '/dev/zero 1:5',
          '/dev/full 1:7',
          '/dev/random 1:8',
          '/dev/urandom 1:9',
          '/dev/tty 5:0',
        ],
        ...['/proc/self/fd', '/proc/self/fd/0', '/proc/self/fd/1', '/proc/self/fd/2', 'pts/ptmx'],
      ]);
      const refused = (device: unknown) =>
        shop.inside('true', (config) => Object.assign(config.linux, { devices: [device] })).stderr;
      expect(refused({ path: '/srv/pipe', type: 'p', fileMode: 0o600 })).toBe(''); // also in a user namespace
      expect(refused({ path: '/dev/x', type: 'c', major: 1, minor: 3, fileMode: 0o60600 })).toContain(
        'linux.devices[0].fileMode 060600 is not of a device of type c',
      );
      expect(refused({ path: 'dev/x', type: 'c', major: 1, minor: 3 })).toContain(
        'linux.devices[0].path must be',
      );
      expect(refused({ path: '/dev/x', type: 's', major: 1, minor: 3 })).toContain(
        'linux.devices[0].type must be',
      );
      expect(refused({ path: '/dev/x', type: 'c', minor: 3 })).toContain(
        'linux.devices[0] needs major and minor',
      );
    });

    test('masked and read-only paths, of files and of folders, and those that are not there', () => {
      const { stdout, stderr } = shop.inside(
        [
          'wc -c < /etc/motd; ls -A /root | wc -l; touch /root/x 2>/dev/null || echo not there',
          'cat /data/kept; (echo > /data/kept) 2>/dev/null || echo read-only',
          'touch /var/new 2>/dev/null || echo read-only',
        ].join(';'),
        (config) => {
          config.linux.maskedPaths = ['/etc/motd', '/root', '/no/such'];
          config.linux.readonlyPaths = ['/data/kept', '/var', '/no/such'];
        },
      );
      expect(stderr).toBe('');
      expect(stdout).toBe('0\n0\nnot there\nkept\nread-only\nread-only\n');
      for (const field of ['maskedPaths', 'readonlyPaths'])
        expect(
          shop.inside('true', (config) => Object.assign(config.linux, { [field]: ['etc'] })).stderr,
        ).toContain(`linux.${field}[0] must be an absolute path`);
    });

    test('a root that is read-only, with mounts that are not', () => {
      const { stdout } = shop.inside(
        'touch /x 2>/dev/null || echo read-only; touch /tmp/x && echo written',
        (config) => {
          config.root.readonly = true;
        },
      );
      expect(stdout).toBe('read-only\nwritten\n');
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
      expect(mounted({ options: ['idmap'] }, 'true').stderr).toContain('mounts[7]: idmap needs a bind mount');
    });

    test('uidMappings and gidMappings show it with ids of their own, with and without a user namespace', () => {
      const folder = join(shop.directory, 'mapped');
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'file'), '');
      const map = (hostID: number) => [{ containerID: 0, hostID, size: 10 }];
      const seen = (hostID: number, change?: (config: Config) => void, more = {}): string => {
        const mount = { type: 'bind', source: folder, options: ['bind'] };
        const maps = { uidMappings: map(hostID), gidMappings: map(hostID + 1), ...more };
        const done = mounted({ ...mount, ...maps }, 'stat -c %u:%g /m/file', change);
        return done.stdout + done.stderr;
      };
      expect(seen(100_007)).toBe('7:8\n'); // the container's own begin at 100000
      expect(seen(4200, withoutUser)).toBe('4200:4201\n');
      expect(seen(5, withoutUser, { gidMappings: [] })).toContain(
        'mounts[7] needs uidMappings and gidMappings, or neither',
      );
    });

    test('every attribute of the specification’s table, of a mount and of all below it', () => {
      const words: [string, string][] = [
        ['ro', 'ro'],
        ['nosuid', 'nosuid'],
        ['nodev', 'nodev'],
        ['noexec', 'noexec'],
        ['noatime', 'noatime'],
        ['nodiratime', 'nodiratime'],
        ['nosymfollow', 'nosymfollow'],
      ];
      const opposites = ['rw', 'suid', 'dev', 'exec', 'atime', 'diratime', 'symfollow'];
      // A tmpfs with another below it, bound to /b with the words under test.
      const seen = (...options: string[]): string[] => {
        const { stdout, stderr } = shop.inside(
          'for m in /b /b/deep; do grep " $m " /proc/self/mountinfo | cut -d" " -f6; done',
          (config) => {
            withoutUser(config);
            config.mounts.push({
              destination: '/b',
              type: 'bind',
              source: tree,
              options: ['rbind', ...options],
            });
          },
        );
        expect(stderr).toBe('');
        return stdout.trim().split('\n');
      };
      const tree = join(shop.directory, 'tree');
      shop.shell(
        `mkdir -p ${tree} && mount -t tmpfs tree ${tree} && mkdir ${tree}/deep && mount -t tmpfs deep ${tree}/deep`,
      );
      try {
        for (const [word, shown] of words) {
          const [here, below] = seen(word);
          expect(here?.split(','), word).toContain(shown);
          expect(below?.split(','), word).not.toContain(shown);
          for (const line of seen(`r${word}`)) expect(line.split(','), `r${word}`).toContain(shown);
        }
        for (const line of seen('rstrictatime')) expect(line).toBe('rw');
        const all = words.map(([word]) => `r${word}`);
        for (const line of seen(...all, ...opposites.map((word) => `r${word}`)))
          expect(line).toBe('rw,relatime');
      } finally {
        shop.shell(`umount ${tree}/deep ${tree}`);
      }
    });

    test('what belongs to a file system goes to it, and is refused for a bind', () => {
      const shown = (...options: string[]) =>
        mounted({ options }, 'grep " /m " /proc/self/mountinfo | sed "s/.* - //"').stdout;
      expect(shown('sync', 'dirsync', 'lazytime', 'size=32k')).toMatch(/ rw,sync,dirsync,lazytime,size=32k/);
      expect(shown('sync', 'async', 'lazytime', 'nolazytime', 'silent', 'loud', 'defaults')).not.toMatch(
        /sync|lazytime/,
      );
      for (const option of ['sync', 'size=5', 'context=x'])
        expect(mounted({ type: 'bind', source: '/tmp', options: ['bind', option] }, 'true').stderr).toContain(
          `mounts[7].options: ${option} is an option of a file system, and a bind makes none`,
        );
    });

    test('remount gives an earlier mount other attributes', () => {
      const remounted = (destination: string, ...options: string[]) =>
        mounted(
          { options: ['nosuid'] },
          options.length ? 'grep " /m " /proc/self/mountinfo | cut -d" " -f6' : 'true',
          (config) =>
            config.mounts.push({
              destination,
              type: 'none',
              source: 'none',
              options: ['remount', ...options],
            }),
        );
      expect(remounted('/m', 'ro', 'noexec').stdout).toBe('ro,nosuid,noexec,relatime\n');
      expect(remounted('/etc', 'ro').stderr).toContain(
        'mounts[8]: remount (only a mount that is in the container can be)',
      );
      expect(remounted('/m', 'size=1m').stderr).toContain('and remount makes none');
    });

    test('a source relative to the bundle, a file, and each kind of propagation', () => {
      const bundle = shop.bundle(
        'cat /etc/given; grep " /m " /proc/self/mountinfo | cut -d" " -f7',
        (config) => {
          withoutUser(config);
          config.mounts.push({
            destination: '/etc/given',
            type: 'bind',
            source: 'given',
            options: ['bind', 'ro'],
          });
          config.mounts.push({ destination: '/m', type: 'tmpfs', source: 'tmpfs', options: ['shared'] });
        },
      );
      writeFileSync(join(bundle, 'given'), 'from the bundle\n');
      expect(shop.run(['run', '--bundle', bundle, 'given']).stdout).toMatch(
        /^from the bundle\nshared:\d+\n$/,
      );
      const kind = (option: string): string =>
        mounted({ options: [option] }, 'grep " /m " /proc/self/mountinfo | cut -d" " -f7').stdout.trim();
      for (const word of ['private', 'rprivate', 'slave', 'rslave']) expect(kind(word), word).toBe('-');
      for (const word of ['shared', 'rshared']) expect(kind(word), word).toMatch(/^shared:/);
      for (const word of ['unbindable', 'runbindable']) expect(kind(word), word).toBe('unbindable');
    });

    test('the root’s propagation is what config.json says', () => {
      const root = (rootfsPropagation: string): string =>
        shop
          .inside(
            'grep " / / " /proc/self/mountinfo | grep -o -E "(shared|master|unbindable)[: ]" | head -1',
            (config) => Object.assign(config.linux, { rootfsPropagation }),
          )
          .stdout.trim();
      for (const word of ['private', 'rprivate', 'slave', 'rslave']) expect(root(word), word).toBe('');
      for (const word of ['shared', 'rshared']) expect(root(word), word).toBe('shared:');
      for (const word of ['unbindable', 'runbindable']) expect(root(word), word).toBe('unbindable');
      expect(
        shop.inside('true', (config) => Object.assign(config.linux, { rootfsPropagation: 'wide' })).stderr,
      ).toContain('linux.rootfsPropagation "wide" is not known');
    });
  });

  test('what is not supported is refused by its path, with the reason', () => {
    const refused = (change: (config: Config) => void): string => shop.inside('true', change).stderr;
    expect(refused((c) => Object.assign(c, { windows: { x: 1 } }))).toContain(
      'windows is not supported: it is not for Linux',
    );
    expect(refused((c) => Object.assign(c.linux, { memoryPolicy: { mode: 'x' } }))).toContain(
      'linux.memoryPolicy is not supported: it is newer',
    );
    expect(spawnSync(runtime, ['--version'], { encoding: 'utf8' }).stdout).toContain('spec: 1.2.1');
  });
});
