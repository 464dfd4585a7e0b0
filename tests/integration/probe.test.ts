// `bulkhead probe`: what it says of this host, of one with things taken away, and of a VM with cgroup v2; and that its JSON
// is what docs/runtime.md says.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { runtime } from './bundle.ts';
import { GuestWorkshop } from './bundle-guest.ts';
import { BOOTS_LIMIT_MS } from './guest.ts';

const able = process.getuid?.() === 0 && existsSync(runtime);
const page =
  readFileSync(resolve(import.meta.dirname, '../../docs/runtime.md'), 'utf8').split('\n## Probe\n')[1] ?? '';

const FIT = 0;
const LIMITED = 2;
const UNFIT = 3;

const STATES = ['good', 'note', 'weak', 'missing'] as const;
const text = z.string().min(1);
const whole = z.int();

/** What `value` is, by group and name: the table in docs/runtime.md. */
const VALUES: Record<string, Record<string, z.ZodType>> = {
  kernel: { release: text, architecture: text, root: z.array(z.string().startsWith('CAP_')) },
  cgroups: {
    version: z.literal([1, 2]),
    ...Object.fromEntries(
      ['memory', 'pids', 'cpu', 'cpuset', 'blkio', 'io', 'devices', 'freezer', 'group'].map((name) => [
        name,
        z.boolean(),
      ]),
    ),
  },
  namespaces: { kinds: z.array(text), limits: z.record(text, whole), unprivileged: z.boolean() },
  mounts: { root: z.boolean() },
  seccomp: { filter: z.boolean(), actions: z.array(text), flags: z.array(text), notify: z.boolean() },
  lsm: {
    active: z.array(text),
    selinux: z.enum(['absent', 'no policy', 'permissive', 'enforcing']),
    apparmor: z.boolean(),
    landlock: whole,
    lockdown: text,
  },
  holes: {
    ...Object.fromEntries(
      ['CVE-2026-31431', 'CVE-2026-43284', 'CVE-2026-43500', 'CVE-2026-46300', 'CVE-2022-0492'].map((cve) => [
        cve,
        z.enum(['closed', 'open', 'unknown']),
      ]),
    ),
    processor: z.array(text),
  },
  settings: {
    core_pattern: text,
    'tty.legacy_tiocsti': z.boolean(),
    ...Object.fromEntries(
      [
        'dmesg_restrict',
        'kptr_restrict',
        'yama.ptrace_scope',
        'unprivileged_bpf_disabled',
        'perf_event_paranoid',
        'unprivileged_userfaultfd',
        'io_uring_disabled',
        'suid_dumpable',
        'protected_symlinks',
        'protected_hardlinks',
      ].map((name) => [name, whole]),
    ),
  },
  vms: { kvm: z.boolean(), nested: z.boolean(), qemu: z.boolean() },
  capacity: {
    processors: whole,
    memory: z.strictObject({ total_bytes: whole, available_bytes: whole }),
    swap: whole,
    ...Object.fromEntries(
      ['pids', 'threads', 'ptys', 'inotify.instances', 'inotify.watches', 'files', 'mounts', 'keys'].map(
        (name) => [name, whole],
      ),
    ),
    machines: z.strictObject({ containers: whole, bound_by: text, vms: whole }),
  },
};

const findingSchema = z
  .strictObject({
    group: z.enum(Object.keys(VALUES)),
    name: text,
    state: z.enum(STATES),
    value: z.unknown(),
    shown: text,
    means: text.endsWith('.'),
    remedy: text.nullable(),
  })
  .refine(({ group, name, value }) => value === null || VALUES[group]?.[name]?.safeParse(value).success, {
    error: 'its value is not what docs/runtime.md says',
  })
  .refine(({ group, name }) => VALUES[group]?.[name] !== undefined, {
    error: 'docs/runtime.md does not name it',
  })
  .refine(({ state, remedy }) => (state !== 'weak' && state !== 'missing') || remedy !== null, {
    error: 'it is not as it should be, and nobody is told what to do',
  });

const documentSchema = z.strictObject({
  version: text,
  host: text,
  fitness: z.enum(['fit', 'limited', 'unfit']),
  findings: z.array(findingSchema),
});

type Document = z.infer<typeof documentSchema>;
type Finding = Document['findings'][number];

/** The findings by "group.name"; a name that comes twice fails. */
const byName = (document: Document): ((name: string) => Finding) => {
  const findings = new Map(document.findings.map((one) => [`${one.group}.${one.name}`, one]));
  expect(findings.size).toBe(document.findings.length);
  return (name) => {
    const found = findings.get(name);
    if (!found) throw new Error(`nothing was found out about ${name}`);
    return found;
  };
};

const statusOf = ({ fitness }: Document): number => ({ fit: FIT, limited: LIMITED, unfit: UNFIT })[fitness];

/** Takes /dev/kvm away, which also spares the second that a trial may take. */
const withoutKvm = 'mount -t tmpfs dev /dev; mknod -m 666 /dev/null c 1 3; mknod -m 666 /dev/ptmx c 5 2';

/** Runs a shell script in a mount namespace of its own, where it may take things away; then the probe. */
const probeWithout = (script: string, options = ''): { status: number | null; document: Document } => {
  const done = spawnSync(
    'unshare',
    [
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-ec',
      `${script}\nexec ${runtime} probe --json ${options}`,
    ],
    { encoding: 'utf8', timeout: patiently(30_000) },
  );
  if (!done.stdout) throw new Error(done.stderr);
  return { status: done.status, document: documentSchema.parse(JSON.parse(done.stdout)) };
};

/** Puts a file with this text over one of the kernel's, in the script's mount namespace. */
const pretend = (file: string, says: string): string =>
  `echo '${says}' > "$stage/${file.replaceAll('/', '_')}"; mount --bind "$stage/${file.replaceAll('/', '_')}" ${file}`;
const staged =
  'stage=$(mktemp -d); mount -t tmpfs stage "$stage"; cleanup() { umount -l "$stage"; rmdir "$stage"; }';

describe('the page about bulkhead probe', () => {
  test('shows a document of the shape it describes', () => {
    const example = /```json\n(.*?)```/s.exec(page)?.[1] ?? '';
    expect(() => documentSchema.parse(JSON.parse(example))).not.toThrow();
  });

  test('names everything that can be found', () => {
    for (const [group, values] of Object.entries(VALUES)) {
      const row = page.split('\n').find((line) => line.startsWith(`| \`${group}\``)) ?? '';
      for (const name of Object.keys(values).filter((one) => !one.startsWith('CVE-')))
        expect(row).toContain(`\`${name}\``);
    }
  });
});

describe.skipIf(!able)('bulkhead probe (needs root and native/build)', () => {
  const run = (...args: string[]) =>
    spawnSync(runtime, ['probe', ...args], { encoding: 'utf8', timeout: patiently(30_000) });

  test('finds what this host is, by another way of asking', () => {
    const done = run('--json');
    const document = documentSchema.parse(JSON.parse(done.stdout));
    expect(done.stderr).toBe('');
    expect(done.status).toBe(statusOf(document));
    const found = byName(document);
    expect(found('kernel.release').value).toBe(release());
    expect(found('capacity.processors').value).toBe(cpus().length);
    expect(found('capacity.memory').value).toMatchObject({ total_bytes: totalmem() });
    expect(found('namespaces.kinds').value).toEqual([
      ...['user', 'mount', 'pid', 'network', 'ipc', 'uts', 'cgroup', 'time'],
    ]);
    // The tests of the runtime pass on this host, so it must be able to do what they need.
    for (const name of ['cgroups.memory', 'cgroups.pids', 'cgroups.cpu', 'cgroups.group', 'mounts.root'])
      expect(found(name)).toMatchObject({ state: 'good', value: true });
    expect(found('seccomp.filter').state).toBe('good');
    expect(document.fitness).not.toBe('unfit');
  });

  test('leaves no mount, group, process or file behind', () => {
    const groups = () =>
      ['', ...readdirSync('/sys/fs/cgroup')].flatMap((hierarchy) => {
        const directory = join('/sys/fs/cgroup', hierarchy);
        const entries = existsSync(join(directory, 'cgroup.procs')) ? readdirSync(directory) : [];
        return entries.filter((name) => name.startsWith('bulkhead-probe'));
      });
    const mounts = () =>
      readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter((line) => / - (overlay|tmpfs) bulkhead /.test(line));
    const before = mounts();
    const done = run();
    expect(done.status).toBeLessThanOrEqual(LIMITED);
    expect(groups()).toEqual([]);
    expect(mounts()).toEqual(before);
    const left = readdirSync('/proc').filter((pid) => {
      if (!/^\d+$/.test(pid)) return false;
      const command = spawnSync('cat', [`/proc/${pid}/cmdline`], { encoding: 'utf8' }).stdout;
      return command.includes(`${runtime}\0probe`);
    });
    expect(left).toEqual([]);
    expect(existsSync('/var/lib/bulkhead/images/base/rootfs/bulkhead-probe')).toBe(false);
  });

  test('fits a terminal of eighty columns, in colour there and plain in a pipe', () => {
    const plain = run().stdout;
    for (const line of plain.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
    expect(plain).not.toContain('\x1b');
    const onTerminal = (env: NodeJS.ProcessEnv) =>
      spawnSync('script', ['-qec', `${runtime} probe`, '/dev/null'], {
        encoding: 'utf8',
        env: { PATH: process.env.PATH, TERM: 'xterm', ...env },
      }).stdout;
    expect(onTerminal({})).toContain('\x1b[32mok');
    expect(onTerminal({ NO_COLOR: '1' })).not.toContain('\x1b');
  });

  test('refuses what it does not understand, on one line', () => {
    const done = run('harder');
    expect(done).toMatchObject({ status: 1, stdout: '' });
    expect(done.stderr).toBe('bulkhead: probe takes no arguments but its options, not "harder"\n');
  });

  test('tells a host without control groups that it can run nothing, and what to do', () => {
    const { status, document } = probeWithout(`umount -R -l /sys/fs/cgroup; ${withoutKvm}`);
    const found = byName(document);
    expect(status).toBe(UNFIT);
    expect(found('cgroups.memory')).toMatchObject({
      state: 'missing',
      value: false,
      remedy: 'Mount them under /sys/fs/cgroup.',
    });
    expect(found('cgroups.group').state).toBe('missing');
    // Bandwidth of disks is not what containers cannot do without.
    expect(found('cgroups.blkio').state).toBe('weak');
  });

  test('says of settings which it would have otherwise, by the command that changes them', () => {
    const { document } = probeWithout(
      [
        staged,
        pretend('/proc/sys/kernel/dmesg_restrict', '0'),
        pretend('/proc/sys/kernel/kptr_restrict', '2'),
        pretend('/proc/sys/kernel/core_pattern', '|/usr/share/collect %p'),
        pretend('/proc/sys/user/max_net_namespaces', '700'),
        pretend('/proc/sys/kernel/pty/max', '64'),
        withoutKvm,
        'cleanup',
      ].join('\n'),
    );
    const found = byName(document);
    expect(found('settings.dmesg_restrict')).toMatchObject({
      state: 'weak',
      value: 0,
      remedy: 'sysctl -w kernel.dmesg_restrict=1',
    });
    expect(found('settings.kptr_restrict')).toMatchObject({ state: 'good', value: 2, remedy: null });
    expect(found('settings.core_pattern')).toMatchObject({ state: 'note', value: '|/usr/share/collect %p' });
    expect(found('namespaces.limits')).toMatchObject({
      state: 'weak',
      value: { network: 700 },
      remedy: expect.stringContaining('user.max_net_namespaces'),
    });
    expect(found('capacity.ptys')).toMatchObject({ state: 'weak', remedy: 'sysctl -w kernel.pty.max=4096' });
    expect(found('capacity.machines').value).toMatchObject({ containers: 0, bound_by: 'ptys' });
  });

  test('tells KVM that is missing from KVM that does not work, and warns of guests in guests', () => {
    const without = probeWithout(
      `${staged}\nmkdir -p "$stage/kvm_intel/parameters"; echo Y > "$stage/kvm_intel/parameters/nested"
       mount --bind "$stage" /sys/module; cleanup
       ${withoutKvm}`,
    ).document;
    expect(byName(without)('vms.kvm')).toMatchObject({
      state: 'weak',
      value: false,
      shown: 'there is no /dev/kvm',
    });
    expect(byName(without)('vms.nested')).toMatchObject({
      state: 'weak',
      value: true,
      remedy: expect.stringContaining('options kvm_intel nested=0'),
    });
    const broken = probeWithout(`${withoutKvm}; cp /bin/true /dev/kvm`).document;
    expect(byName(broken)('vms.kvm')).toMatchObject({
      value: false,
      shown: '/dev/kvm speaks another version than 12',
    });
  });

  test('says when images lie where their files cannot be given other ids', () => {
    const { status, document } = probeWithout(withoutKvm, '--images /proc/sys');
    expect(status).toBe(UNFIT);
    expect(byName(document)('mounts.root')).toMatchObject({
      state: 'missing',
      value: false,
      shown: expect.stringContaining('its file system must support id-mapped mounts'),
      remedy: expect.stringContaining('ext4'),
    });
  });

  test('tells a root that is only root of a user namespace what it lacks', () => {
    const directory = temporaryFolder('probe-test');
    try {
      const done = spawnSync('unshare', ['--user', '--map-root-user', runtime, 'probe', '--json'], {
        encoding: 'utf8',
        timeout: patiently(30_000),
        cwd: directory,
      });
      expect(done.status).toBe(UNFIT);
      const found = byName(documentSchema.parse(JSON.parse(done.stdout)));
      expect(found('mounts.root')).toMatchObject({ state: 'missing', value: false });
      expect(found('seccomp.filter').state).toBe('good');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  describe('in a VM', () => {
    let shop: GuestWorkshop;
    beforeAll(async () => {
      shop = await GuestWorkshop.start();
    }, BOOTS_LIMIT_MS);
    afterAll(() => shop?.end());

    test('finds version 2 of control groups, and that containers can run', async () => {
      const done = await shop.run('probe --json');
      const document = documentSchema.parse(JSON.parse(done.stdout));
      const found = byName(document);
      expect(done.status).toBe(LIMITED); // if only for want of KVM
      expect(document.host).toBe('guest');
      expect(found('cgroups.version').value).toBe(2);
      for (const name of ['memory', 'pids', 'cpu', 'io', 'group'])
        expect(found(`cgroups.${name}`)).toMatchObject({ state: 'good', value: true });
      expect(found('mounts.root')).toMatchObject({ state: 'good' });
      expect(found('lsm.active').value).toContain('capability');
      expect(found('holes.CVE-2026-31431').value).toBe('closed');
      expect(found('vms.kvm')).toMatchObject({ state: 'weak', shown: 'there is no /dev/kvm' });
      expect(found('vms.qemu').state).toBe('weak');
    });
  });
});
