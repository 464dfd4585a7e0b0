// An image and a config.json that were made to lead the runtime astray, run by `bulkhead` itself.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runtime, Workshop } from '../integration/bundle.ts';
import { buildAttempts } from './arena.ts';

let shop: Workshop;
beforeEach(() => {
  shop = new Workshop();
});
afterEach(() => shop.end());

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
      // No user namespace, every capability of a container's root that matters for a file, no filter.
      config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'user');
      delete config.linux.uidMappings;
      delete config.linux.gidMappings;
      config.linux.seccomp = undefined;
      const all = ['CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_SYS_ADMIN', 'CAP_SYS_PTRACE'];
      for (const set of ['bounding', 'effective', 'permitted']) config.process.capabilities[set] = all;
    });
    shop.detach('rooted', bundle);
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
      const done = execFileSync(victim, ['--root', shop.state, 'exec', 'rooted', '/bin/self', 'features']);
      expect(done.toString()).toContain('ociVersionMax');
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (watch.exitCode === null) await once(watch, 'close');
    expect(said).toContain('STOPPED open for writing: EROFS');
  });
});
