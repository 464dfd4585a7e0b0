// The verbs and options beyond the runtime-spec's five that conmon and containerd's client use.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runtime, Workshop } from './bundle.ts';

const root = process.getuid?.() === 0;
const built = existsSync(runtime);

describe.skipIf(!root || !built)('the verbs that callers add (needs root and native/build)', () => {
  let shop: Workshop;
  beforeAll(() => {
    shop = new Workshop();
    shop.detach('box', shop.bundle('sleep 1000 & while :; do echo >> /tmp/beat; sleep 0.01; done'));
  });
  afterAll(() => shop.end());

  const status = (id: string): string => JSON.parse(shop.run(['state', id]).stdout).status;
  const beats = (): number => {
    const { pid } = JSON.parse(shop.run(['state', 'box']).stdout);
    return readFileSync(`/proc/${pid}/root/tmp/beat`, 'utf8').length;
  };
  /** What the group's file says, on whichever hierarchy has it. */
  const group = (...files: string[]): string => {
    for (const name of ['', ...readdirSync('/sys/fs/cgroup')])
      for (const file of files) {
        const path = join('/sys/fs/cgroup', name, shop.cgroup, '1', file);
        if (existsSync(path)) return readFileSync(path, 'utf8').trim();
      }
    throw new Error(`no ${files.join(', ')}`);
  };

  test('pause stops every process, resume lets them go on, and state says which', async () => {
    expect(shop.run(['pause', 'box']).status).toBe(0);
    expect(status('box')).toBe('paused');
    expect(shop.run(['pause', 'box']).stderr).toContain('is paused already');
    const before = beats();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(beats()).toBe(before);
    expect(shop.run(['resume', 'box']).status).toBe(0);
    expect(status('box')).toBe('running');
    expect(shop.run(['resume', 'box']).stderr).toContain('is not paused');
    const deadline = Date.now() + 5000;
    while (beats() === before && Date.now() < deadline);
    expect(beats()).toBeGreaterThan(before);
  });

  test('a paused container can be killed and deleted', () => {
    const bundle = shop.bundle('sleep 1000');
    for (const end of [
      ['kill', 'frozen', 'KILL'],
      ['kill', '--all', 'frozen', '9'],
      ['delete', '--force', 'frozen'],
    ]) {
      shop.detach('frozen', bundle);
      expect(shop.run(['pause', 'frozen']).status).toBe(0);
      expect(shop.run(end).status, end.join(' ')).toBe(0);
      expect(shop.run(['delete', '--force', 'frozen']).status).toBe(0);
    }
  });

  test('kill --all reaches what exec added', () => {
    const bundle = shop.bundle('trap "" TERM; while :; do sleep 1; done');
    shop.detach('many', bundle);
    const pidFile = join(bundle, 'pid');
    shop.shell(
      `exec ${runtime} --root ${shop.state} exec --detach --pid-file ${pidFile} many sleep 500`,
      true,
    );
    const pid = readFileSync(pidFile, 'utf8');
    expect(shop.run(['kill', '--all', 'many', 'TERM']).status).toBe(0);
    const deadline = Date.now() + 5000;
    const gone = (): boolean => {
      try {
        return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z');
      } catch {
        return true; // nothing of it is left
      }
    };
    while (!gone() && Date.now() < deadline);
    expect(gone()).toBe(true);
    expect(status('many')).toBe('running'); // its first process ignores TERM
  });

  test('ps lists the host’s pids, for programs and for people', () => {
    const { pid } = JSON.parse(shop.run(['state', 'box']).stdout);
    const pids: number[] = JSON.parse(shop.run(['ps', '--format', 'json', 'box']).stdout);
    expect(pids).toContain(pid);
    expect(pids.length).toBeGreaterThanOrEqual(2);
    const lines = shop.run(['ps', 'box']).stdout.split('\n');
    expect(lines[0]).toMatch(/^PID +PPID +UID +COMMAND$/);
    expect(lines.find((line) => line.startsWith(`${pid} `))).toMatch(/ 100000 +\/bin\/sh -c sleep 1000/);
    expect(shop.run(['ps', '--format', 'xml', 'box']).stderr).toContain('not "xml"');
  });

  test('update changes limits by option and from JSON, and lifts them', () => {
    expect(
      shop.run(['update', '--memory', '134217728', '--pids-limit', '33', '--cpu-quota', '20000', 'box']),
    ).toMatchObject({ status: 0, stderr: '' });
    expect(group('memory.max', 'memory.limit_in_bytes')).toBe('134217728');
    expect(group('pids.max')).toBe('33');
    expect(group('cpu.cfs_quota_us', 'cpu.max')).toMatch(/^20000/);
    const wider = { memory: { limit: 268435456 }, pids: { limit: -1 }, cpu: { quota: -1, cpus: '0' } };
    expect(shop.run(['update', '--resources=-', 'box'], { input: JSON.stringify(wider) })).toMatchObject({
      status: 0,
      stderr: '',
    });
    expect(group('memory.max', 'memory.limit_in_bytes')).toBe('268435456');
    expect(group('pids.max')).toBe('max');
    expect(group('cpu.cfs_quota_us', 'cpu.max')).toMatch(/^(-1|max)/);
    expect(group('cpuset.cpus')).toBe('0');
    expect(shop.run(['update', '--memory', '-1', 'box']).status).toBe(0);
    expect(group('memory.max', 'memory.limit_in_bytes')).toMatch(/^(max|9223372036854771712)$/);
  });

  test('update refuses what it cannot do, by its path', () => {
    const refused = (resources: unknown): string =>
      shop.run(['update', '-r', '-', 'box'], { input: JSON.stringify(resources) }).stderr;
    expect(refused({ devices: [{ allow: true }] })).toContain('resources.devices is not supported');
    expect(refused({ memory: { limit: 'much' } })).toContain('resources.memory.limit must be an integer');
    expect(refused([])).toContain('must hold an object');
    expect(shop.run(['update', '--memory', '1g', 'box']).stderr).toContain('--memory 1g: wanted a number');
    expect(shop.run(['update', 'no-such']).stderr).toContain('container no-such does not exist');
  });

  test('events --stats says once what is used', () => {
    const event = JSON.parse(shop.run(['events', '--stats', 'box']).stdout);
    expect(event).toMatchObject({ type: 'stats', id: 'box' });
    expect(event.data.cpu.usage.total).toBeGreaterThan(0);
    expect(event.data.memory.usage.usage).toBeGreaterThan(0);
    expect(event.data.pids.current).toBeGreaterThanOrEqual(2);
    // As containerd's client decodes it: whole numbers under these names.
    for (const [group, part, names] of [
      ['cpu', 'usage', ['total', 'user', 'kernel']],
      ['cpu', 'throttling', ['periods', 'throttledPeriods', 'throttledTime']],
      ['memory', 'usage', ['usage', 'max', 'limit', 'failcnt']],
      ['memory', 'kernel', ['usage']],
    ] as const)
      for (const name of names)
        expect(event.data[group][part][name], `${group}.${part}.${name}`).toSatisfy(Number.isInteger);
    shop.run(['update', '--pids-limit', '77', 'box']);
    expect(JSON.parse(shop.run(['events', '--stats', 'box']).stdout).data.pids.limit).toBe(77);
  });

  test('events goes on until the container ends', async () => {
    shop.detach('watched', shop.bundle('sleep 1000'));
    const watcher = spawn(runtime, ['--root', shop.state, 'events', '--interval', '20ms', 'watched']);
    const exited = once(watcher, 'exit');
    let lines = 0;
    for await (const line of createInterface(watcher.stdout)) {
      expect(JSON.parse(line)).toMatchObject({ type: 'stats', id: 'watched' });
      if (++lines === 3) shop.run(['kill', 'watched', 'KILL']);
    }
    expect(await exited).toEqual([0, null]);
    expect(lines).toBeGreaterThanOrEqual(3);
    expect(shop.run(['events', '--interval', 'often', 'box']).stderr).toContain('wanted seconds');
  });

  test('list --format json has the fields that containerd reads', () => {
    const all: Record<string, unknown>[] = JSON.parse(shop.run(['list', '--format=json']).stdout);
    const box = all.find((one) => one.id === 'box');
    expect(box).toMatchObject({ ociVersion: '1.2.1', status: 'running', rootfs: shop.image });
    expect(box?.pid).toBeTypeOf('number');
    expect(box?.bundle).toMatch(/bundle-/);
    expect(Date.parse(String(box?.created))).toBeGreaterThan(Date.now() - 600_000);
    expect(box?.annotations).toMatchObject({ 'dev.bulkhead.overlay.size': '67108864' });
    expect(box?.owner).toBe('root');
    expect(shop.run(['list']).stdout).toMatch(/^ID +PID +STATUS +CREATED +OWNER +BUNDLE\n/);
    expect(shop.run(['list', '--quiet']).stdout.split('\n')).toContain('box');
    expect(shop.run(['list', '--format', 'yaml']).stderr).toContain('--format is table or json, not "yaml"');
  });

  test('--preserve-fds hands over the fds from 3 on, and only those', () => {
    const bundle = shop.bundle('echo $(ls /proc/self/fd); cat <&3');
    const file = join(bundle, 'three');
    writeFileSync(file, 'of the caller\n');
    const line = `exec 3<${file} 4<${file} 5<${file}; exec ${runtime} --root ${shop.state}`;
    expect(shop.shell(`${line} run --preserve-fds 2 --bundle ${bundle} kept`).stdout).toBe(
      '0 1 2 3 4 5\nof the caller\n', // 5 is ls's own: the lowest that is free
    );
    expect(shop.shell(`${line} exec --preserve-fds 1 box cat /proc/self/fd/3`).stdout).toBe(
      'of the caller\n',
    );
  });

  test('state has what the specification wants, and no more than runc', () => {
    const state = JSON.parse(shop.run(['state', 'box']).stdout);
    expect(Object.keys(state).sort()).toEqual(
      ['annotations', 'bundle', 'created', 'id', 'ociVersion', 'owner', 'pid', 'rootfs', 'status'].sort(),
    );
    expect(state.bundle).toMatch(/^\//);
  });

  test('each status refuses what does not go with it, and says what would', () => {
    const bundle = shop.bundle('sleep 1000');
    const error = (...args: string[]) => {
      const done = shop.run(args);
      expect({ args, status: done.status }).toEqual({ args, status: 1 });
      expect(done.stdout).toBe('');
      return done.stderr;
    };
    for (const verb of ['state', 'start', 'kill', 'delete', 'pause', 'resume', 'ps', 'events', 'update'])
      expect(error(verb, 'nobody'), verb).toContain('container nobody does not exist');
    expect(error('exec', 'nobody', 'true')).toContain('container nobody does not exist');
    for (const verb of ['state', 'start', 'kill', 'delete', 'create', 'run', 'pause', 'ps'])
      expect(error(verb), verb).toContain("the container's id is missing");
    for (const id of ['../x', '.x', 'a/b', '', 'x'.repeat(129)])
      expect(error('state', id), id).toContain('is not a container id');

    shop.detach('life', bundle, ['create']);
    expect(status('life')).toBe('created');
    expect(error('create', '--bundle', bundle, 'life')).toContain('a container named life already exists');
    expect(shop.run(['start', 'life']).status).toBe(0);
    expect(error('start', 'life')).toContain('container life is running; only a created one can be started');
    expect(error('delete', 'life')).toContain(
      'container life is running (bulkhead kill life, or delete --force)',
    );
    expect(error('kill', 'life', 'SIGNOSUCH')).toContain('there is no signal "SIGNOSUCH"');
    expect(shop.run(['kill', 'life', 'SIGKILL']).status).toBe(0);
    const deadline = Date.now() + 5000;
    while (status('life') !== 'stopped' && Date.now() < deadline);
    // containerd takes this for "it has ended already".
    expect(error('kill', 'life')).toContain('container life is not running: no such process');
    expect(error('start', 'life')).toContain('container life is stopped');
    expect(error('exec', 'life', 'true')).toContain('no such process');
    expect(JSON.parse(shop.run(['state', 'life']).stdout).pid).toBe(0);
    expect(shop.run(['delete', 'life']).status).toBe(0);
    expect(error('delete', 'life')).toContain('container life does not exist');
    expect(shop.run(['delete', '--force', 'life']).status).toBe(0);
  });

  test('run --keep leaves the ended container to be looked at', () => {
    const bundle = shop.bundle('exit 5');
    expect(shop.run(['run', '--no-subreaper', '--keep', '--bundle', bundle, 'kept-on']).status).toBe(5);
    expect(status('kept-on')).toBe('stopped');
    expect(shop.run(['delete', 'kept-on']).status).toBe(0);
  });

  test('--log-format json: one object a line, as containerd’s client and podman read it', () => {
    const log = join(shop.directory, 'verbs.log');
    for (const id of ['first', 'second'])
      shop.run(['--debug', '--rootless=false', `--log=${log}`, '--log-format=json', 'state', id]);
    const lines = readFileSync(log, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toEqual(
      ['first', 'second'].map((id) => ({
        level: 'error',
        msg: expect.stringContaining(`container ${id} does not exist`),
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      })),
    );
    expect(shop.run(['--log-format', 'xml', 'list']).stderr).toContain('--log-format is text or json');
    expect(shop.run(['--rootless=true', 'list']).stderr).toContain('only root');
  });

  test('--no-pivot and --systemd-cgroup are refused with the reason', () => {
    const bundle = shop.bundle('true');
    expect(shop.run(['run', '--no-pivot', '--bundle', bundle, 'x']).stderr).toContain('a chroot can be left');
    expect(shop.run(['--systemd-cgroup', 'run', '--bundle', bundle, 'x']).stderr).toContain(
      'linux.cgroupsPath is a path in the hierarchy',
    );
  });

  test('a container has a session keyring of its own, or with --no-new-keyring its caller’s', () => {
    const joins = (options: string): string[] =>
      shop
        .shell(
          `strace -f -e trace=keyctl ${runtime} --root ${shop.state} run ${options} --bundle ${shop.bundle('true')} keys`,
        )
        .stderr.match(/KEYCTL_JOIN_SESSION_KEYRING/g) ?? [];
    expect(joins('')).toHaveLength(1);
    expect(joins('--no-new-keyring')).toHaveLength(0);
  });

  test('exec --process takes every field of a process', () => {
    const file = join(shop.directory, 'process.json');
    writeFileSync(
      file,
      JSON.stringify({
        user: { uid: 1000, gid: 1001, umask: 0o27, additionalGids: [7, 8] },
        args: [
          'sh',
          '-c',
          'id; pwd; umask; ulimit -n; echo $A; cat /proc/self/oom_score_adj; grep -E "^(CapEff|CapAmb|NoNewPrivs):" /proc/self/status',
        ],
        env: ['PATH=/bin', 'A=of the file'],
        cwd: '/tmp',
        oomScoreAdj: 700,
        noNewPrivileges: true,
        rlimits: [{ type: 'RLIMIT_NOFILE', soft: 55, hard: 66 }],
        capabilities: Object.fromEntries(
          ['bounding', 'permitted', 'effective', 'inheritable', 'ambient'].map((set) => [set, ['CAP_CHOWN']]),
        ),
      }),
    );
    const bundle = shop.bundle('sleep 1000', (config) => {
      config.process.capabilities.bounding = ['CAP_SETGID', 'CAP_CHOWN']; // or setgroups is denied in there
    });
    shop.detach('fields', bundle);
    const { stdout, stderr } = shop.run(['exec', '--process', file, 'fields']);
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toEqual([
      'uid=1000 gid=1001 groups=7,8',
      '/tmp',
      '0027',
      '55',
      'of the file',
      '700',
      'CapEff:\t0000000000000001',
      'CapAmb:\t0000000000000001',
      'NoNewPrivs:\t1',
    ]);
  });

  test('exec takes runc’s options: groups, capabilities, no new privileges; and runs what they say', () => {
    const bundle = shop.bundle('sleep 1000', (config) => {
      Object.assign(config.process.user, { additionalGids: [4] });
      config.process.noNewPrivileges = false;
    });
    shop.detach('opted', bundle);
    const exec = (...args: string[]) => shop.run(['exec', ...args]);
    const look = [
      'opted',
      'sh',
      '-c',
      'id -G; grep -E "^(CapPrm|CapBnd|NoNewPrivs)" /proc/self/status | cut -f2',
    ];
    expect(exec(...look).stdout).toBe('0 4\n0000000000000000\n0000000000000000\n0\n');
    // A bounding set cannot grow, nor here a permitted one: the container's namespace is what it is.
    expect(
      exec('--additional-gids', '7,8', '-g', '9', '--no-new-privs', '--cap', 'CAP_CHOWN', ...look).stdout,
    ).toBe('0 4 7 8 9\n0000000000000001\n0000000000000001\n1\n');
    expect(exec('--cap', 'CAP_X', ...look).stderr).toContain('--cap CAP_X: there is no such capability');
    expect(exec('-g', 'staff', ...look).stderr).toContain('--additional-gids staff: wanted group ids');
    expect(exec('--apparmor', 'some', ...look).stderr).toMatch(/AppArmor|apparmorProfile/);
    expect(exec('--process-label', 'a:b:c:s0', ...look).stderr).toContain('selinuxLabel');
    shop.detach('closed', shop.bundle('sleep 1000'));
    expect(exec('-g', '7', 'closed', 'true').stderr).toContain('setgroups(2) is denied in this container');
  });

  test('options win over what --process has', () => {
    const file = join(shop.directory, 'wins.json');
    writeFileSync(
      file,
      JSON.stringify({ args: ['sh', '-c', 'pwd; id -u; echo $A'], cwd: '/', env: ['A=b', 'PATH=/bin'] }),
    );
    const { stdout } = shop.run([
      'exec',
      '--process',
      file,
      '--cwd',
      '/tmp',
      '--user',
      '7',
      '-e',
      'A=c',
      'box',
    ]);
    expect(stdout).toBe('/tmp\n7\nc\n');
  });

  test('exec into a paused container is refused, or with --ignore-paused waits', async () => {
    shop.detach('asleep', shop.bundle('sleep 1000'));
    shop.run(['pause', 'asleep']);
    expect(shop.run(['exec', 'asleep', 'true']).stderr).toContain(
      'container asleep is paused (bulkhead resume asleep',
    );
    const child = spawn(runtime, [
      '--root',
      shop.state,
      'exec',
      '--ignore-paused',
      'asleep',
      'echo',
      'awake',
    ]);
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const exited = once(child, 'exit');
    // It cannot end before this, so there is nothing to race with.
    expect(shop.run(['resume', 'asleep']).status).toBe(0);
    expect((await lines.next()).value).toBe('awake');
    expect(await exited).toEqual([0, null]);
  });

  test('a terminal of the size that was asked for', async () => {
    const bundle = shop.bundle('test "$(stty size)" = "33 111" && test -t 0', (config) =>
      Object.assign(config.process, { terminal: true, consoleSize: { height: 33, width: 111 } }),
    );
    const socket = join(shop.directory, 'console');
    const run = () => shop.run(['run', '--console-socket', socket, '--bundle', bundle, 'sized']);
    expect(run().stderr).toContain(`--console-socket: cannot connect to ${socket}`);
    // Nobody accepts: the master waits in the socket's queue, which keeps the terminal open.
    const server = createServer().listen(socket);
    await once(server, 'listening');
    try {
      expect(run()).toEqual({ status: 0, stdout: '', stderr: '' });
    } finally {
      server.close();
    }
  });

  test('features names what there is, each of it taken', () => {
    const features = JSON.parse(shop.run(['features']).stdout);
    expect(features).toMatchObject({
      ociVersionMin: '1.0.0',
      ociVersionMax: '1.2.1',
      hooks: ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'],
      linux: {
        namespaces: ['user', 'mount', 'pid', 'network', 'ipc', 'uts', 'cgroup', 'time'],
        cgroup: { v1: true, v2: true, systemd: false, systemdUser: false, rdma: true },
        seccomp: { enabled: true },
        apparmor: { enabled: true },
        selinux: { enabled: true },
        intelRdt: { enabled: false },
        mountExtensions: { idmap: { enabled: true } },
      },
      potentiallyUnsafeConfigAnnotations: ['dev.bulkhead.overlay.'],
    });
    const { actions, operators } = features.linux.seccomp;
    expect([actions.length, operators.length]).toEqual([9, 7]);
    expect(features.linux.capabilities).toHaveLength(41);
    expect(features.linux.capabilities).toContain('CAP_CHECKPOINT_RESTORE');
    // Every mount option that it names is taken by a tmpfs or a bind.
    const options = (features.mountOptions as string[]).filter(
      (word) => !/^(idmap|ridmap|remount|r?bind)$/.test(word),
    );
    expect(options.length).toBeGreaterThan(50);
    const { stderr, status } = shop.inside('true', (config) =>
      config.mounts.push({
        destination: '/m',
        type: 'tmpfs',
        source: 'tmpfs',
        options: options.slice(0, 40),
      }),
    );
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    expect(spawnSync(runtime, ['--help'], { encoding: 'utf8' }).stdout).toContain('update');
  });
});
