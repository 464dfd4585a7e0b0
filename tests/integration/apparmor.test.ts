// process.apparmorProfile, where a kernel enforces it: the VM image's kernel with AppArmor, booted with a busybox, the
// runtime and one profile.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { runtime } from './bundle.ts';

const kernel = join(process.env.BULKHEAD_IMAGES ?? '/var/lib/bulkhead/images', 'vm/vmlinux');
const parser = ['/usr/sbin/apparmor_parser', '/sbin/apparmor_parser'].find((path) => existsSync(path));
const able =
  parser !== undefined &&
  [kernel, runtime, '/bin/busybox', '/usr/bin/qemu-system-x86_64'].every((path) => existsSync(path));

/** May do anything but read one file; and be killed from outside, which AppArmor is asked about too. */
const PROFILE = 'profile bulkhead_test {\n  /** rwixml,\n  / r,\n  signal,\n  deny /etc/secret r,\n}\n';

const config = (apparmorProfile: string | undefined, command: string): string =>
  JSON.stringify({
    ociVersion: '1.2.1',
    root: { path: '../rootfs' },
    process: {
      args: ['sh', '-c', command],
      cwd: '/',
      user: { uid: 0, gid: 0 },
      env: ['PATH=/bin'],
      noNewPrivileges: true,
      apparmorProfile,
    },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs' },
    ],
    linux: { namespaces: ['mount', 'pid', 'ipc', 'uts'].map((type) => ({ type })) },
  });

const LOOK = 'cat /proc/self/attr/current; cat /etc/open; cat /etc/secret';

// The initramfs cannot be pivoted away from, so everything moves to a tmpfs first.
const FIRST = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /new
/bin/busybox mount -t tmpfs none /new
/bin/busybox cp -a /bin /bundles /profile /init2 /new/
exec /bin/busybox switch_root /new /init2
`;
const SECOND = `#!/bin/busybox sh
B=/bin/busybox
$B mkdir -p /proc /sys /dev /run /tmp
$B mount -t proc proc /proc; $B mount -t sysfs sys /sys; $B mount -t devtmpfs dev /dev
$B mount -t securityfs security /sys/kernel/security
exec > /dev/ttyS0 2>&1
$B cat /profile > /sys/kernel/security/apparmor/.replace
for b in confined unconfined none missing; do echo "== $b"; /bin/bulkhead run --bundle /bundles/$b $b; echo "status $?"; done
/bin/bulkhead run --detach --bundle /bundles/stays stays
echo "== exec"; /bin/bulkhead exec stays sh -c '${LOOK}'
echo "== exec unconfined"; /bin/bulkhead exec --apparmor unconfined stays sh -c '${LOOK}'
echo "== end"; /bin/bulkhead delete --force stays; echo "status $?"
$B poweroff -f
`;

describe.skipIf(!able)('AppArmor (needs apparmor_parser, QEMU, native/build and the VM image)', () => {
  const directory = able ? temporaryFolder('apparmor') : '';
  /** What the machine said, by its headings. */
  const said = new Map<string, string[]>();

  beforeAll(() => {
    const tree = join(directory, 'tree');
    const rootfs = join(tree, 'bundles/rootfs');
    for (const folder of ['bin', 'proc', 'dev', 'sys', 'etc', 'tmp'])
      mkdirSync(join(rootfs, folder), { recursive: true });
    mkdirSync(join(tree, 'bin'));
    for (const place of [join(tree, 'bin'), join(rootfs, 'bin')])
      copyFileSync('/bin/busybox', join(place, 'busybox'));
    for (const applet of ['sh', 'cat', 'sleep']) symlinkSync('busybox', join(rootfs, 'bin', applet));
    for (const name of ['open', 'secret']) writeFileSync(join(rootfs, 'etc', name), `${name}\n`);
    copyFileSync(runtime, join(tree, 'bin/bulkhead'));
    const bundles: [string, string | undefined, string][] = [
      ['confined', 'bulkhead_test', LOOK],
      ['unconfined', 'unconfined', LOOK],
      ['none', undefined, LOOK],
      ['missing', 'no_such_profile', LOOK],
      ['stays', 'bulkhead_test', 'sleep 1000'],
    ];
    for (const [name, profile, command] of bundles) {
      mkdirSync(join(tree, 'bundles', name));
      writeFileSync(join(tree, 'bundles', name, 'config.json'), config(profile, command));
    }
    for (const [name, text] of [
      ['init', FIRST],
      ['init2', SECOND],
    ] as const) {
      writeFileSync(join(tree, name), text);
      chmodSync(join(tree, name), 0o755);
    }
    // For the features that every kernel of today has, whatever this host's kernel is.
    const features = ['--kernel-features', '--policy-features'].flatMap((option) => [
      option,
      '/etc/apparmor.d/abi/3.0',
    ]);
    const compiled = execFileSync(
      parser ?? '',
      ['--skip-kernel-load', '--skip-cache', '--stdout', ...features],
      {
        input: PROFILE,
        stdio: ['pipe', 'pipe', 'ignore'],
      },
    );
    writeFileSync(join(tree, 'profile'), compiled);
    const initramfs = join(directory, 'initramfs');
    execFileSync('sh', ['-c', `cd ${tree} && find . | cpio --quiet -o -H newc > ${initramfs}`]);
    const { stdout } = spawnSync(
      'qemu-system-x86_64',
      [
        ...['-machine', 'q35,hpet=off,vmport=off', '-accel', 'tcg', '-cpu', 'max', '-m', '512'],
        ...['-nodefaults', '-no-user-config', '-display', 'none', '-serial', 'stdio', '-no-reboot'],
        ...['-kernel', kernel, '-initrd', initramfs],
        ...['-append', 'console=ttyS0 quiet panic=-1 reboot=t mitigations=off lsm=apparmor apparmor=1'],
      ],
      { encoding: 'utf8', timeout: patiently(150_000), stdio: ['ignore', 'pipe', 'ignore'] },
    );
    let heading = '';
    for (const line of stdout.replaceAll('\r', '').split('\n')) {
      heading = /^== (.*)/.exec(line)?.[1] ?? heading;
      if (!line.startsWith('== ')) said.set(heading, [...(said.get(heading) ?? []), line]);
    }
  }, patiently(170_000));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const denied = "cat: can't open '/etc/secret': Permission denied";

  test('the first process is under the profile, with no_new_privs too, and it is enforced', () => {
    expect(said.get('confined')).toEqual(['bulkhead_test (enforce)', 'open', denied, 'status 1']);
  });

  test('unconfined, and none, are what they say: the same file can be read', () => {
    for (const name of ['unconfined', 'none'])
      expect(said.get(name), name).toEqual(['unconfined', 'open', 'secret', 'status 0']);
  });

  test('a profile that is not loaded ends the launch, and is named', () => {
    const [error, status] = said.get('missing') ?? [];
    expect(error).toContain('process.apparmorProfile no_such_profile (is it loaded?');
    expect(status).toBe('status 1');
  });

  test('exec is under the container’s profile, or --apparmor’s', () => {
    expect(said.get('exec')).toEqual(['bulkhead_test (enforce)', 'open', denied]);
    expect(said.get('exec unconfined')).toEqual(['unconfined', 'open', 'secret']);
    expect(said.get('end')?.[0]).toBe('status 0');
  });
});
