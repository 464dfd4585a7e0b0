// What machines start from: built once, rebuilt only when the recipe changes, and small.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../temporary-folder.ts';

const ROOT = join(import.meta.dirname, '../..');
const PROGRAMS = process.env.BULKHEAD_PROGRAMS ?? join(ROOT, 'native/build');
const IMAGES = process.env.BULKHEAD_IMAGES ?? '/var/lib/bulkhead/images';

const build = (...args: string[]) =>
  spawnSync(join(ROOT, 'labs/images/build'), ['--programs', PROGRAMS, ...args], { encoding: 'utf8' });

test('images that are up to date are left alone', () => {
  expect(build('--out', IMAGES).status).toBe(0);
  const began = performance.now();
  const { status, stdout } = build('--out', IMAGES);
  console.log(`a build with nothing to do: ${Math.round(performance.now() - began)} ms`);
  expect(stdout).toBe('images: base: up to date\nimages: vm: up to date\n');
  expect(status).toBe(0);
});

test('all images together are under 700 MB', () => {
  const megabytes = Number.parseInt(execFileSync('du', ['-sm', IMAGES], { encoding: 'utf8' }), 10);
  console.log(`images: ${megabytes} MB`);
  expect(megabytes).toBeLessThan(700);
});

test('the user land has what the labs use, and nothing of the machine it was built on', () => {
  const { packages } = JSON.parse(readFileSync(join(IMAGES, 'base/image.json'), 'utf8')) as {
    packages: object;
  };
  const wanted =
    'bash coreutils procps iproute2 util-linux mount iputils-ping strace libcap2-bin less vim-tiny nano';
  const more =
    'python3-minimal tcc libc6-dev curl busybox catatonit selinux-utils policycoreutils attr htop tmux';
  expect(Object.keys(packages)).toEqual(expect.arrayContaining(`${wanted} ${more}`.split(' ')));
  for (const name of ['etc/resolv.conf', 'etc/apt/sources.list', 'etc/hostname'])
    expect(existsSync(join(IMAGES, 'base/rootfs', name)), name).toBe(false);
  expect(readFileSync(join(IMAGES, 'base/rootfs/etc/machine-id'), 'utf8')).toBe('');
});

test('a program written in the image compiles there', () => {
  const source = '#include <sched.h>\n#include <stdio.h>\nint main(void) { puts("built here"); return 0; }';
  const command = 'cat > /tmp/a.c && tcc -run /tmp/a.c && rm /tmp/a.c';
  const script = 'mount -t tmpfs tmpfs "$1/tmp" && exec chroot "$1" /bin/sh -c "$2"';
  const args = ['--mount', 'sh', '-c', script, 'sh', join(IMAGES, 'base/rootfs'), command];
  expect(execFileSync('unshare', args, { input: source, encoding: 'utf8' })).toBe('built here\n');
});

test('a build that cannot be done says why in its last line, and leaves nothing', () => {
  const out = temporaryFolder('images');
  try {
    expect(build().stderr).toBe('images: error: --out is missing: say where the images go; see --help\n');
    expect(build('--out', out, '--only', 'cake').stderr).toBe(
      'images: error: --only cake: the images are base, vm and tab\n',
    );
    const vm = build('--out', out, '--only', 'vm');
    expect(vm.status).toBe(1);
    expect(vm.stderr).toContain('needs the base image');
    expect(existsSync(join(out, 'vm'))).toBe(false);
  } finally {
    rmSync(out, { recursive: true });
  }
});

test('a mirror that does not answer is named, with the way to choose another', () => {
  const out = temporaryFolder('images');
  try {
    const env = { ...process.env, BULKHEAD_DEBIAN_MIRROR: 'http://127.0.0.1:9/debian' };
    const { status, stderr } = spawnSync(join(ROOT, 'labs/images/build'), ['--out', out, '--only', 'base'], {
      encoding: 'utf8',
      env,
    });
    expect(status).toBe(1);
    expect(stderr.trim().split('\n').at(-1)).toMatch(
      /^images: error: .*127\.0\.0\.1.*BULKHEAD_DEBIAN_MIRROR/,
    );
    expect(execFileSync('ls', ['-A', out], { encoding: 'utf8' })).toBe('.lock\n');
  } finally {
    rmSync(out, { recursive: true });
  }
});
