// SELinux, enforcing, in a VM that was asked to have it: what keeps containers from each other when everything else that
// would is taken away. Two containers of the runtime have the same user, root, with every capability and no filter, and
// share all namespaces but their mounts; only their categories differ. Each attempt is made again with enforcement off.
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { type Config, runtime, Workshop } from './bundle.ts';
import { GuestWorkshop } from './bundle-guest.ts';
import { BOOTS_LIMIT_MS } from './guest.ts';
import { Screen } from './vm.ts';

const root = process.getuid?.() === 0;
const built = existsSync(runtime);
const NATIVE = join(import.meta.dirname, '../../native');
const POLICY = join(NATIVE, 'selinux');
/** Shared by the containers; on the VM below /run, which is memory. */
const COMMON = '/common';
const PROGRAM = `${COMMON}/attempts`;

const processLabel = (level: string, type = 'container_t'): string => `system_u:system_r:${type}:${level}`;
const fileLabel = (level: string): string => `system_u:object_r:container_file_t:${level}`;
const MINE = 's0:c1,c2';
const THEIRS = 's0:c3,c4';

const CAPABILITIES = [
  ...['CHOWN', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'FOWNER', 'KILL', 'SETUID', 'SETGID', 'IPC_OWNER'],
  ...['SYS_PTRACE', 'SYS_ADMIN', 'SYS_NICE', 'SYS_RESOURCE', 'MAC_OVERRIDE', 'MAC_ADMIN', 'SYS_CHROOT'],
].map((name) => `CAP_${name}`);

/** Root of the VM in everything but its label: see above. */
const bare =
  (level: string, { noNewPrivileges = false } = {}) =>
  (config: Config): void => {
    config.linux.namespaces = [{ type: 'mount' }, { type: 'uts' }];
    for (const part of ['uidMappings', 'gidMappings', 'seccomp', 'maskedPaths', 'readonlyPaths'])
      delete config.linux[part];
    for (const set of ['bounding', 'effective', 'permitted']) config.process.capabilities[set] = CAPABILITIES;
    config.process.noNewPrivileges = noNewPrivileges;
    config.process.selinuxLabel = processLabel(level);
    config.linux.mountLabel = fileLabel(level);
    config.mounts = config.mounts.filter(({ destination }) => destination !== '/dev/mqueue');
    const bind = (source: string, destination: string): void => {
      config.mounts.push({ destination, type: 'bind', source, options: ['bind'] });
    };
    bind('/run/common', COMMON);
    bind('/srv', '/host');
    bind('/dev/mqueue', '/dev/mqueue'); // one for both: they share the VM's IPC namespace
    bind('/sys/fs/selinux', '/sys/fs/selinux');
  };

/** Lines "what: outcome" as an object. */
const outcomes = (text: string): Record<string, string> =>
  Object.fromEntries(
    text
      .trim()
      .split('\n')
      .map((line) => line.split(': ', 2)),
  );
const allAre = (seen: Record<string, string>, outcome: RegExp): string[] =>
  Object.entries(seen)
    .filter(([, said]) => !outcome.test(said))
    .map(([what, said]) => `${what}: ${said}`);

describe('the policy (needs secilc)', () => {
  const directory = temporaryFolder('policy');
  afterAll(() => rmSync(directory, { recursive: true }));
  /** Compiles the policy with this line added; gives what the compiler said. */
  const compile = (line: string): { status: number | null; stderr: string } => {
    cpSync(POLICY, directory, { recursive: true });
    appendFileSync(join(directory, 'containers.cil'), `${line}\n`);
    const { status, stderr, stdout } = spawnSync(join(directory, 'build.sh'), [join(directory, 'policy')], {
      encoding: 'utf8',
    });
    return { status, stderr: stderr + stdout };
  };

  test.skipIf(!existsSync('/usr/bin/secilc'))('compiles, but not with a line that opens a wall', () => {
    expect(compile('')).toMatchObject({ status: 0, stderr: '' });
    for (const line of [
      '(allow container_t security_t (security (setenforce)))',
      '(allow container_engine_t container_engine_t (process (setcurrent)))',
      '(allow container_t shell_t (process (transition)))',
      '(allow container_t bulkheadd_t (process (ptrace)))',
      '(allow container_t container_file_t (file (relabelfrom)))',
      '(allow container_engine_t host_file_t (file (read)))',
      '(allow svirt_t unlabeled_t (filesystem (relabelto)))',
    ]) {
      const { status, stderr } = compile(line);
      expect(stderr, line).toMatch(/neverallow/i);
      expect(status, line).not.toBe(0);
    }
  });
});

describe.skipIf(!root || !built || existsSync('/sys/fs/selinux/enforce'))(
  'a host without SELinux (needs root)',
  () => {
    const shop = new Workshop();
    afterAll(() => shop.end());

    test('refuses a label with its field, and runs nothing', () => {
      const process = shop.inside('echo it ran', (config) => {
        config.process.selinuxLabel = processLabel(MINE);
      });
      expect(process).toMatchObject({ status: 1, stdout: '' });
      expect(process.stderr).toMatch(
        /process\.selinuxLabel is "system_u:system_r:container_t:s0:c1,c2", but this host has no SELinux/,
      );
      const mount = shop.inside('echo it ran', (config) => {
        config.linux.mountLabel = fileLabel(MINE);
      });
      expect(mount).toMatchObject({ status: 1, stdout: '' });
      expect(mount.stderr).toContain('linux.mountLabel is ');
    });

    test('takes an empty label for none', () => {
      const { stdout } = shop.inside('echo it ran', (config) => {
        config.process.selinuxLabel = '';
        config.linux.mountLabel = '';
      });
      expect(stdout).toBe('it ran\n');
    });
  },
);

describe.skipIf(!root || !built)('SELinux (needs root and native/build)', () => {
  const directory = temporaryFolder('selinux');
  let shop: GuestWorkshop;
  /** Arguments for the program in the second container: the victim's pid, shared memory, key. */
  let victim = '';
  let keyring = '';

  beforeAll(async () => {
    shop = await GuestWorkshop.start(['selinux']);
    const source = readFileSync(join(import.meta.dirname, 'selinux-attempts.c'), 'utf8');
    // As many lines of the kernel's log as there are denials: it leaves some out when there are many a second.
    const { stderr } = await shop.shell(`sysctl -q -w kernel.printk_ratelimit=0
      chcon -t runtime_exec_t ${shop.directory}/bulkhead
      mkdir -m 1777 /run/common && echo host > /srv/hostname
      cat > /run/common/attempts.c <<'C'\n${source}\nC
      tcc -o /run/common/attempts /run/common/attempts.c
      chcon -R -t container_file_t -l s0 /run/common`);
    expect(stderr).toBe('');
    const theirs = shop.bundle(`exec ${PROGRAM} victim ${COMMON}`, bare(THEIRS));
    const mine = shop.bundle('exec sleep 1000', bare(MINE));
    const facts = await shop.shell(`${shop.starting('theirs', theirs)}
      ${shop.starting('mine', mine, 'create')}; ${shop.runtime} start mine
      tries=0; until [ -e /run/common/facts ] || [ $((tries += 1)) = 300 ]; do sleep 0.02; done
      cat /run/common/facts`);
    expect(facts.stderr).toBe('');
    [victim, keyring] = facts.stdout.trim().split(/ (?=system_u)/) as [string, string];
  }, BOOTS_LIMIT_MS + 60_000);
  afterAll(async () => {
    rmSync(directory, { recursive: true });
    await shop?.end();
  });

  test('a VM that was asked to have it enforces from its boot on, and says so', async () => {
    const { selinux, boot = [] } = await shop.link.request('probe', {});
    expect(selinux).toBe('enforcing');
    expect(boot.find(({ step }) => step === 'SELinux')?.detail).toMatch(/a policy of \d+ bytes, enforcing/);
    const { stdout } = await shop.shell('getenforce; id -Z; ps -o label= -p 1');
    const all = 's0-s0:c0.c1023';
    expect(stdout.trim().split('\n')).toEqual([
      'Enforcing',
      processLabel(all, 'shell_t'),
      processLabel(all, 'bulkheadd_t'),
    ]);
  });

  test('the unit tests of its interface hold where it is', async () => {
    const program = join(directory, 'selinux_test');
    const sources = ['selinux_test', 'selinux', 'fs', 'error'].map((name) => `base/${name}.c`);
    const options = ['-D_GNU_SOURCE', '-I.', '-o', program, ...sources, '-lcmocka'];
    execFileSync('cc', options, { cwd: NATIVE });
    const library = execFileSync('cc', ['-print-file-name=libcmocka.so'], { encoding: 'utf8' }).trim();
    await shop.bring(program, 'selinux_test');
    await shop.bring(library, 'libcmocka.so.0'); // distributions have no static one
    const { status, stderr } = await shop.shell(
      `LD_LIBRARY_PATH=${shop.directory} ${shop.directory}/selinux_test`,
    );
    expect(stderr).toContain('[  PASSED  ] 5 test(s).');
    expect(status).toBe(0);
  });

  test('the label of a container is that of its first program, of commands, and of its keys, as seen from outside', async () => {
    const { stdout } = await shop.shell(`${shop.runtime} exec theirs ${PROGRAM} keyring ${COMMON}
      ${shop.runtime} exec --detach theirs sleep 999
      ps -eo label=,args= | grep -E 'attempts victim|sleep 999' | grep -v grep`);
    const [ofExec, ...processes] = stdout.trim().split('\n');
    expect(processes).toHaveLength(2);
    for (const line of processes) expect(line).toMatch(new RegExp(`^${processLabel(THEIRS)} `));
    expect([keyring, ofExec]).toEqual([processLabel(THEIRS), processLabel(THEIRS)]);
  });

  test('its file systems have its label; those of the kernel theirs', async () => {
    const queues = shop.bundle("stat -c '%n %C' /dev/mqueue", (config) => {
      const { mounts } = config;
      bare(MINE)(config);
      config.linux.namespaces.push({ type: 'ipc' });
      config.mounts = mounts;
    });
    const { stdout } = await shop.shell(
      `${shop.runtime} run --bundle ${queues} queues
      ${shop.runtime} exec mine stat -c '%n %C' / /dev /dev/shm /dev/pts /tmp /etc/passwd /proc /sys /dev/null ${COMMON}/secret`,
    );
    const own = ['/', '/dev', '/dev/shm', '/dev/pts', '/tmp', '/etc/passwd'].map(
      (path) => `${path} ${fileLabel(MINE)}`,
    );
    const system = (type: string): string => `system_u:object_r:${type}:s0`;
    expect(stdout.trim().split('\n')).toEqual([
      `/dev/mqueue ${fileLabel(MINE)}`,
      ...own,
      `/proc ${system('proc_t')}`,
      `/sys ${system('sysfs_t')}`,
      `/dev/null ${system('public_device_t')}`,
    ]);
  });

  test('root of one container cannot read, signal, trace or change anything of another’s, and the kernel says why', async () => {
    const { stdout } = await shop.shell(
      `dmesg -C; ${shop.runtime} exec mine ${PROGRAM} neighbour ${COMMON} ${victim}`,
    );
    const seen = outcomes(stdout);
    expect(Object.keys(seen)).toHaveLength(17);
    expect(allAre(seen, /^(Permission denied|Operation not permitted|No such file or directory)$/)).toEqual(
      [],
    );
    const { stdout: log } = await shop.shell("dmesg | grep 'avc:  denied' || true");
    const denials = log.trim().split('\n');
    for (const denial of denials) {
      expect(denial).toContain(`scontext=${processLabel(MINE)}`);
      expect(denial).toMatch(/permissive=0$/);
    }
    const denied = new Set(denials.map((line) => /\{ (\w+) \}.*tclass=(\w+)/.exec(line)?.slice(1).join(' ')));
    for (const one of [
      'read file',
      'append file',
      'signal process',
      'ptrace process',
      'connectto unix_stream_socket',
    ])
      expect([...denied]).toContain(one);
    for (const one of ['unix_read shm', 'destroy shm', 'read key', 'setsched process'])
      expect([...denied]).toContain(one);
  });

  for (const noNewPrivileges of [false, true])
    test(`a container cannot change the policy, its label or its files’, ${noNewPrivileges ? 'with' : 'without'} no_new_privs`, async () => {
      const bundle = shop.bundle(`exec ${PROGRAM} policy ${COMMON}`, bare('s0:c5,c6', { noNewPrivileges }));
      const { stdout } = await shop.shell(`rm -f /run/common/own
        ${shop.runtime} run --bundle ${bundle} policy${noNewPrivileges}; getenforce`);
      const [enforcing, ...rest] = stdout.trim().split('\n').reverse();
      expect(enforcing).toBe('Enforcing');
      expect(rest).toHaveLength(12);
      expect(allAre(outcomes(rest.join('\n')), /^(Permission denied|Operation not permitted)$/)).toEqual([]);
    });

  test('with enforcement off each of these works: it was SELinux that stood in the way', async () => {
    const { stdout } = await shop.shell(`setenforce 0
      ${shop.runtime} exec mine ${PROGRAM} neighbour ${COMMON} ${victim}
      setenforce 1; getenforce`);
    const [enforcing, ...rest] = stdout.trim().split('\n').reverse();
    expect(enforcing).toBe('Enforcing');
    expect(rest).toHaveLength(17);
    expect(allAre(outcomes(rest.join('\n')), /^done$/)).toEqual([]);
  });

  test('a label that cannot be had is refused before any program runs, and nothing is left', async () => {
    const cases: [string, (config: Config) => void, RegExp][] = [
      [
        'nonsense',
        label('nonsense'),
        /process\.selinuxLabel "nonsense" is not a label of this host's SELinux policy/,
      ],
      ['type', label(processLabel(MINE, 'no_such_t')), /process\.selinuxLabel/],
      ['category', label(processLabel('s0:c1,c1024')), /process\.selinuxLabel/],
      ['mount', (config) => (config.linux.mountLabel = fileLabel('s1')), /linux\.mountLabel/],
      [
        'entrypoint',
        label(processLabel('s0', 'monitor_t')),
        /cannot run \/bin\/sh as .*monitor_t.*Permission denied/,
      ],
    ];
    function label(text: string): (config: Config) => void {
      return (config) => (config.process.selinuxLabel = text);
    }
    const script = cases.map(([id, change]) => {
      const bundle = shop.bundle(`touch ${COMMON}/ran`, (config) => {
        bare(MINE)(config);
        change(config);
        config.linux.cgroupsPath = 'workshop/refused';
      });
      return `${shop.runtime} run --bundle ${bundle} ${id} 2>&1; echo`;
    });
    const { stdout } = await shop.shell(`${script.join('\n')}
      ls /run/common/ran /sys/fs/cgroup/workshop/refused 2>&1 | grep -vc 'No such file'; ${shop.runtime} list --quiet | sort`);
    const said = stdout.split('\n\n');
    for (const [index, [, , message]] of cases.entries()) expect(said[index]).toMatch(message);
    expect(said.at(-1)?.trim().split('\n')).toEqual(['0', 'mine', 'theirs']);
  });

  test('QEMU and monitors, were they taken over, reach no container', async () => {
    const { stdout } = await shop.shell(`cp /usr/bin/dd /srv/qemu; cp /usr/bin/dd /srv/monitor
      chcon -t monitor_exec_t /srv/monitor
      for who in 'svirt_t:s0:c7,c8 qemu' 'monitor_t:s0-s0:c0.c1023 monitor'; do
        set -- $who
        for file in /run/common/secret /usr/bin/true; do
          runcon system_u:system_r:$1 /srv/$2 status=none if=$file 2>&1 > /dev/null && echo $2 has read $file
        done
      done`);
    expect(stdout.trim().split('\n')).toEqual([
      "qemu: failed to open '/run/common/secret': Permission denied",
      'qemu has read /usr/bin/true',
      "monitor: failed to open '/run/common/secret': Permission denied",
      'monitor has read /usr/bin/true',
    ]);
  });

  describe('machines of the broker', () => {
    const limits = { memory_bytes: 48 * 2 ** 20, cpu_millis: 1_000, pids: 64, disk_bytes: 16 * 2 ** 20 };
    const create = async (machine: string, profile: 'hardened' | 'nested'): Promise<string> => {
      const wanted = { machine, image: 'base', profile, hostname: machine, limits, labels: {} };
      const made = await shop.link.request('container.create', wanted, { timeoutMs: 60_000 });
      const label = made.machine.label ?? '';
      expect(made.trace.find(({ step }) => step === 'label check')?.detail).toContain(label);
      return label;
    };

    test('run under the label that their record says: first process, shell, command', async () => {
      const label = await create('box', 'hardened');
      expect(label).toMatch(/^system_u:system_r:container_t:s0:c\d+,c\d+$/);
      const { terminal } = await shop.link.request('terminal.open', {
        machine: 'box',
        columns: 80,
        rows: 24,
      });
      const screen = new Screen(await shop.link.attach('box', terminal), 80, 24);
      await screen.shows(/# $/);
      const { stdout } = await shop.shell('ps -eo label=,comm=');
      const lines = stdout.split('\n');
      expect(lines.filter((line) => line.startsWith(`${label} `)).map((line) => line.split(/ +/)[1])).toEqual(
        expect.arrayContaining(['catatonit', 'bash']),
      );
      // The monitor's categories go up to its machine's, and no further.
      expect(lines).toContain(`${label.replace('container_t:s0:', 'monitor_t:s0-s0:')} bulkhead-monito`);
      screen.type("tr -d '\\0' < /proc/self/attr/current; echo\r");
      await screen.shows(new RegExp(`${label}\\s`));
      const command = { machine: 'box', command: ['/bin/cat', '/proc/self/attr/current'] };
      const { stdout: said } = await shop.link.request('exec', {
        ...command,
        timeout_ms: 20_000,
        max_output_bytes: 300,
      });
      expect(said.replace('\0', '').trim()).toBe(label);
    });

    test('nested ones make namespaces and file systems of their own, which have their label', async () => {
      const label = await create('nest', 'nested');
      expect(label).toMatch(/:container_engine_t:s0:c\d+,c\d+$/);
      const script =
        'unshare -Urmpf --mount-proc sh -c "mount -t tmpfs t /mnt && touch /mnt/f && stat -c %C /mnt/f && ps -e -o comm="';
      const command = { machine: 'nest', command: ['/bin/sh', '-c', script] };
      const { stdout } = await shop.link.request('exec', {
        ...command,
        timeout_ms: 20_000,
        max_output_bytes: 4096,
      });
      expect(stdout.trim().split('\n')[0]).toBe(fileLabel(label.replace(/.*(?=:s0:)/, '').slice(1)));
      expect(stdout.trim().split('\n').slice(1)).toEqual(['sh', 'ps']);
    });

    test('keep their label and their categories when their broker is killed and started again', async () => {
      // A second broker in the VM: the first is its pid 1.
      const wanted = (machine: string): string =>
        JSON.stringify({
          id: 1,
          method: 'container.create',
          params: { machine, image: 'base', profile: 'hardened', hostname: machine, limits, labels: {} },
        });
      const list = JSON.stringify({ id: 2, method: 'machine.list', params: {} });
      const { stdout } = await shop.shell(`mkdir -p /run/second /sys/fs/cgroup/second-broker
        begin() {
          sh -c 'echo 0 > /sys/fs/cgroup/second-broker/cgroup.procs; exec /run/bulkhead/bin/bulkheadd --state /run/second \
            --images /run/bulkhead/images --programs /run/bulkhead/bin --cgroup second --accel tcg' 2>> /run/second/log &
          broker=$!
          tries=0; until ask '${list}' > /dev/null || [ $((tries += 1)) = 300 ]; do sleep 0.02; done
        }
        ask() { echo "$1" | nc -U -W 1 /run/second/run/control.sock 2>/dev/null | grep .; }
        begin; ask '${wanted('one')}' > /dev/null; ask '${list}'
        kill -9 $broker; wait $broker 2>/dev/null
        begin; ask '${list}'; ask '${wanted('two')}' > /dev/null; ask '${list}'; ps -eo label=,comm= | grep catatonit
        kill $broker; wait $broker; cat /run/second/log >&2`);
      const lines = stdout.trim().split('\n');
      const labelsOf = (line = '{}'): string[] =>
        (JSON.parse(line) as { result: { machines: { label: string }[] } }).result.machines
          .map(({ label }) => label)
          .sort();
      const [before, after, more] = lines.slice(0, 3).map(labelsOf);
      expect(before).toHaveLength(1);
      expect(after).toEqual(before);
      expect(more).toEqual(expect.arrayContaining(before ?? []));
      expect(new Set(more).size).toBe(2);
      const running = lines.slice(3).map((line) => line.split(' ')[0]);
      expect(running).toEqual(expect.arrayContaining(more ?? []));
    });

    // 20, for an emulated processor; native/broker/mcs_test.c has 2,000.
    test(
      'have categories that no other has',
      async () => {
        const labels: string[] = [];
        for (let i = 0; i < 20; i += 5)
          labels.push(
            ...(await Promise.all([0, 1, 2, 3, 4].map((k) => create(`many-${i + k}`, 'hardened')))),
          );
        expect(new Set(labels).size).toBe(20);
        const { machines } = await shop.link.request('machine.list', {});
        expect(new Set(machines.flatMap(({ label = [] }) => label)).size).toBe(22);
      },
      patiently(120_000),
    );
  });
});
