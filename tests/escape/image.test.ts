// An image and a config.json that were made to lead the runtime astray, run by `bulkhead` itself.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Config, profile, runtime, Workshop } from '../integration/bundle.ts';
import { buildAttempts } from './arena.ts';

let shop: Workshop;
beforeEach(() => {
  shop = new Workshop();
});
afterEach(() => shop.end());

/** No user namespace, every capability of a container's root that matters for a file, no filter. */
const withoutUserNamespace = (config: Config) => {
  config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'user');
  delete config.linux.uidMappings;
  delete config.linux.gidMappings;
  config.linux.seccomp = undefined;
  const all = ['CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_SYS_ADMIN', 'CAP_SYS_PTRACE'];
  for (const set of ['bounding', 'effective', 'permitted']) config.process.capabilities[set] = all;
};

describe('a working directory', () => {
  // CVE-2024-21626: a descriptor that the runtime had open was a way to the host's files.
  it('of /proc/self/fd/N leads to no file of the host, at the start or later', () => {
    const marker = join(shop.directory, 'marker');
    writeFileSync(marker, '');
    const look = `stat -c %n ../../../../../../../..${marker} .${marker} 2> /dev/null; echo at $(pwd)`;
    // Shown to be a way: a root that is entered while a folder of the host's is open.
    const naive = `exec 9</; cd ${shop.image}; exec chroot . /bin/sh -c 'cd /proc/self/fd/9; ${look}'`;
    const proc = `mount -t proc proc ${shop.image}/proc`;
    expect(shop.shell(`unshare --mount /bin/bash -c "${proc}; ${naive}"`).stdout).toContain('marker');
    for (let fd = 0; fd < 24; fd++) {
      const { status, stdout, stderr } = shop.inside(look, (config) => {
        config.process.cwd = `/proc/self/fd/${fd}`;
      });
      expect(stdout).not.toContain('marker');
      if (status !== 0) expect(stderr).toMatch(/process\.cwd|cannot create directory|cannot open/);
    }

    shop.detach('later', shop.bundle('sleep 1000'));
    for (let fd = 0; fd < 24; fd++) {
      const command = ['exec', '--cwd', `/proc/self/fd/${fd}`, 'later', '/bin/sh', '-c', look];
      expect(shop.run(command).stdout).not.toContain('marker');
    }
  });
});

// The same descriptors as the way to a program: close-on-exec comes too late for them, when the program has been found.
describe('a program', () => {
  it('that is a link by way of /proc/self/fd/N is none of the host’s: at the start, as a hook, or later', () => {
    const program = join(shop.directory, 'host-busybox');
    copyFileSync('/bin/busybox', program);
    chmodSync(shop.directory, 0o755);
    const link = join(shop.image, 'bin/busybox-outside');
    const say = ['/bin/busybox-outside', 'readlink', '/proc/self/exe'];
    const naive = `exec 9</proc; cd ${shop.image}; exec chroot . ${say.join(' ')}`;
    const proc = `mount -t proc proc ${shop.image}/proc`;
    symlinkSync(`/proc/self/fd/9/..${program}`, link);
    expect(shop.shell(`unshare --mount /bin/bash -c "${proc}; ${naive}"`).stdout).toContain('host-busybox');

    shop.detach('later', shop.bundle('sleep 1000'));
    for (let fd = 3; fd < 20; fd++) {
      rmSync(link);
      symlinkSync(`/proc/self/fd/${fd}/..${program}`, link);
      const first = shop.inside('', (config) => {
        config.process.args = say;
      });
      const hook = shop.inside('', (config) => {
        config.hooks = {
          startContainer: [{ path: '/bin/busybox-outside', args: ['busybox', 'touch', '/hooked'] }],
        };
      });
      const later = shop.run(['exec', 'later', ...say]);
      for (const { status, stdout, stderr } of [first, hook, later]) {
        expect(stdout).toBe('');
        expect(stderr).toContain('cannot run');
        expect(status).not.toBe(0);
      }
    }
  });
});

describe('links in an image', () => {
  for (const name of ['dev', 'proc', 'sys', 'tmp']) {
    it(`/${name} leads to nothing outside of it`, () => {
      rmSync(join(shop.image, name), { recursive: true });
      symlinkSync('/../../../../../etc', join(shop.image, name));
      const before = readdirSync('/etc').sort();
      const { stdout } = shop.inside(`cut -d' ' -f5 /proc/self/mountinfo; cat /etc/motd`);
      // Either it works inside the image's own /etc, or it is refused; the host's is as it was.
      expect(stdout).not.toContain('/../');
      expect(readdirSync('/etc').sort()).toEqual(before);
    });
  }

  // As CVE-2026-41579 and CVE-2026-47766 tell it: nothing is mounted on /dev, and the image is written to itself.
  it('/dev, where nothing is mounted over it, gets devices and links nowhere but in the image', () => {
    const outside = join(shop.directory, 'outside');
    mkdirSync(outside);
    rmSync(join(shop.image, 'dev'), { recursive: true });
    const rooted = (config: Config) => {
      withoutUserNamespace(config);
      config.annotations = {};
      config.mounts = config.mounts.filter(({ destination }) => !destination.startsWith('/dev'));
    };
    // Shown to be a way: the same by name.
    symlinkSync(outside, join(shop.image, 'dev'));
    shop.shell(`ln -s /proc/self/fd ${shop.image}/dev/fd`);
    expect(readdirSync(outside)).toEqual(['fd']);
    rmSync(join(outside, 'fd'));

    for (const target of [
      outside,
      `/../../../../..${outside}`,
      '/etc',
      'etc',
      '/proc/1/root/etc',
      '/proc/self/cwd',
    ]) {
      rmSync(join(shop.image, 'dev'));
      symlinkSync(target, join(shop.image, 'dev'));
      const before = readdirSync('/etc').sort();
      const { stdout, stderr } = shop.inside('ls -d /dev/null /dev/fd', rooted);
      expect(`${stdout}${stderr}`).toMatch(/^\/dev\/fd\n\/dev\/null\n$|inside the container's root/);
      expect(readdirSync(outside)).toEqual([]);
      expect(readdirSync('/etc').sort()).toEqual(before);
    }
  });

  it('below /dev, where nothing is mounted over it, lead to no file outside of it', () => {
    const victim = join(shop.directory, 'victim');
    const bundle = shop.bundle(
      'for name in null pts/0 console; do echo changed > /dev/$name; done',
      (config) => {
        withoutUserNamespace(config);
        config.annotations = {};
        config.mounts = config.mounts.filter(({ destination }) => !destination.startsWith('/dev'));
      },
    );
    for (const name of ['null', 'pts', 'pts/ptmx', 'pts/0', 'console', 'ptmx', 'fd', 'shm', 'mqueue']) {
      rmSync(join(shop.image, 'dev'), { recursive: true });
      mkdirSync(dirname(join(shop.image, 'dev', name)), { recursive: true });
      symlinkSync(victim, join(shop.image, 'dev', name));
      writeFileSync(victim, 'as it was', { mode: 0o640 });
      shop.run(['run', '--bundle', bundle, 'below']);
      expect(`${name}: ${readFileSync(victim, 'utf8')}`).toBe(`${name}: as it was`);
      expect(statSync(victim).mode & 0o777).toBe(0o640);
    }
  });

  it('/dev/null and /dev/console, without a /dev of the runtime’s, stay what they say (CVE-2025-31133, CVE-2025-52565)', () => {
    symlinkSync('/etc/motd', join(shop.image, 'dev/null'));
    const { stdout } = shop.inside('ls -lL /dev/null; cat /proc/timer_list; echo end', (config) => {
      config.mounts = config.mounts.filter(({ destination }) => !destination.startsWith('/dev'));
    });
    expect(stdout).toMatch(/^c.* 1, +3 .*\nend\n$/);
  });
});

describe('the runtime’s own program (CVE-2019-5736)', () => {
  it('cannot be written even by a container whose root is the host’s', async () => {
    buildAttempts(join(shop.image, 'bin/attempts'));
    symlinkSync('/proc/self/exe', join(shop.image, 'bin/self'));
    const bundle = shop.bundle('sleep 1000', (config) => {
      withoutUserNamespace(config);
    });
    shop.detach('rooted', bundle);
    // Another container that is started where the first can see it: in its pid namespace, as in a pod.
    const beside = shop.bundle('', (config) => {
      withoutUserNamespace(config);
      const pid = JSON.parse(shop.run(['state', 'rooted']).stdout).pid;
      config.linux.namespaces = config.linux.namespaces.map((one) =>
        one.type === 'pid' ? { ...one, path: `/proc/${pid}/ns/pid` } : one,
      );
      config.process.args = ['/bin/self', 'features'];
    });
    // A copy is the victim: the runtime itself is being run by others, and what is run cannot be written anyway.
    const victim = join(shop.directory, 'victim');
    copyFileSync(runtime, victim);
    const watch = spawn(runtime, [
      ...['--root', shop.state, 'exec', 'rooted', '/bin/attempts', 'overwrite_exe', '/'],
    ]);
    let said = '';
    watch.stdout.on('data', (bytes) => {
      said += bytes;
    });
    await once(watch.stdout, 'data');
    for (let round = 0; round < 40 && !said.includes('STOPPED') && !said.includes('GOT'); round++) {
      for (const verb of [
        ['exec', 'rooted', '/bin/self', 'features'],
        ['run', '--bundle', beside, 'beside'],
      ])
        expect(execFileSync(victim, ['--root', shop.state, ...verb]).toString()).toContain('ociVersionMax');
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (watch.exitCode === null) await once(watch, 'close');
    expect(said).toContain('STOPPED open for writing: EROFS');
  });
});

describe('a host that was tampered with', () => {
  /** `command` in a mount namespace of the host's that ends with it, after `before`. */
  const tampered = (before: string, bundle: string) =>
    shop.shell(`unshare --mount --propagation private /bin/sh -c '${before}
      exec ${runtime} --root ${shop.state} run --bundle ${bundle} tampered'`);

  it('whose /dev/null is another file gives that to no container (CVE-2025-31133)', () => {
    const file = join(shop.directory, 'not-null');
    writeFileSync(file, 'of the host\n');
    const bundle = shop.bundle('cat /proc/timer_list /dev/null');
    for (const source of [file, '/dev/zero', '/dev/console']) {
      const { stdout, stderr } = tampered(`mount --bind ${source} /dev/null`, bundle);
      expect(stderr).toContain("the host's /dev/null is not device c 1:3");
      expect(stdout).toBe('');
    }
    // Shown to be a way: what is mounted by name is what is there.
    const naive = `mount --bind ${file} /dev/null; mount --bind /dev/null ${shop.image}/etc/motd; cat ${shop.image}/etc/motd`;
    expect(shop.shell(`unshare --mount /bin/sh -c '${naive}'`).stdout).toBe('of the host\n');
  });

  it('whose /proc is a folder of files is not believed (CVE-2025-52881)', () => {
    const bundle = shop.bundle('true');
    const false_proc = `mkdir -p ${shop.directory}/p/self/fd; cp /proc/self/mountinfo ${shop.directory}/p/self; ln -s ${runtime} ${shop.directory}/p/self/exe`;
    const { stderr, status } = tampered(`${false_proc}; mount --bind ${shop.directory}/p /proc;`, bundle);
    expect(stderr).toMatch(/\/proc is on file system 0x/);
    expect(status).toBe(1);
  });
});

describe('keys', () => {
  const key = (config: Config, attempt: string[], filter: unknown) => {
    config.process.args = ['/bin/attempts', ...attempt];
    config.linux.seccomp = filter;
  };
  const withKey = (options: string[], bundle: string) =>
    shop.shell(
      `exec ${shop.image}/bin/attempts with_key ${runtime} --root ${shop.state} run ${options.join(' ')} --bundle ${bundle} keys`,
    );

  it('of the session that started a container are not in it, whatever its filter', () => {
    buildAttempts(join(shop.image, 'bin/attempts'));
    const bundle = shop.bundle('', (config) => key(config, ['find_key'], undefined));
    // Shown to be a way: with the session kept and the filter off.
    expect(withKey(['--no-new-keyring'], bundle).stdout).toMatch(/^GOT secret/);
    expect(withKey([], bundle).stdout).toMatch(/^STOPPED search: ENOKEY/);
    for (const name of ['hardened', 'nested'] as const) {
      const filtered = shop.bundle('', (config) => key(config, ['find_key'], profile(name)));
      expect(withKey(['--no-new-keyring'], filtered).stdout).toBe('STOPPED search: EPERM\n');
    }
  });

  it('of the host and of a neighbour cannot be read by their numbers, whatever the filter', () => {
    const program = join(shop.image, 'bin/attempts');
    buildAttempts(program);
    const inside = (id: string, attempt: string[]) =>
      shop.run(['exec', id, '/bin/attempts', ...attempt]).stdout;
    const open = (config: Config) => {
      config.linux.seccomp = undefined;
    };
    shop.detach('mine', shop.bundle('sleep 1000', open));
    shop.detach(
      'theirs',
      shop.bundle('exec /bin/attempts with_key /bin/sh -c "echo \\$KEY > /key; sleep 1000"', open),
    );
    const number = () => shop.run(['exec', 'theirs', 'cat', '/key']).stdout.trim();
    while (number() === '');
    expect(inside('mine', ['read_key', number()])).toMatch(/^STOPPED read: E(ACCES|NOKEY)/);
    const said = shop.shell(
      `exec ${program} with_key /bin/sh -c '${program} read_key $KEY; ${runtime} --root ${shop.state} exec mine /bin/attempts read_key $KEY'`,
    );
    expect(said.stdout).toMatch(/^GOT secret\nSTOPPED read: E(ACCES|NOKEY)/);
    // All processes of a user share a keyring; the user of one namespace is not that of another.
    const ring = /GOT (\d+)/;
    const mine = ring.exec(inside('mine', ['user_key']))?.[1];
    const host = ring.exec(shop.shell(`${program} user_key`).stdout)?.[1];
    expect(mine).toBeDefined();
    expect(mine).not.toBe(host);
    expect(ring.exec(inside('theirs', ['user_key']))?.[1]).not.toBe(mine);
  });
});
