// Debian's podman with this runtime: what it and conmon ask of it, from the outside.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { type Outcome, runtime } from './bundle.ts';

const image = join(process.env.BULKHEAD_IMAGES ?? '/var/lib/bulkhead/images', 'base/rootfs');
const root = process.getuid?.() === 0;
const able = root && existsSync(runtime) && existsSync(image) && existsSync('/usr/bin/podman');

describe.skipIf(!able)(
  'podman --runtime bulkhead (needs root, podman, native/build and the base image)',
  () => {
    const directory = able ? temporaryFolder('podman') : '';
    const cgroup = `bulkhead-podman-test-${process.pid}`;
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
    // podman's defaults are more than a root without CAP_SYS_RESOURCE may give.
    const ulimits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=4096:4096'];

    /** podman with nothing of the machine's own: storage, state, locks and configuration are the test's. */
    const podman = (...args: string[]): Outcome => {
      const own = ['root', 'runroot', 'tmpdir'].flatMap((name) => [`--${name}`, join(directory, name)]);
      const ours = ['--runtime', join(directory, 'bulkhead')];
      const done = spawnSync(
        'podman',
        [...own, ...ours, '--storage-driver', 'vfs', '--cgroup-manager', 'cgroupfs', ...args],
        {
          encoding: 'utf8',
          timeout: patiently(60_000),
          env: { ...process.env, CONTAINERS_CONF: join(directory, 'containers.conf') },
        },
      );
      if (done.error) throw done.error;
      return { status: done.status, stdout: done.stdout, stderr: done.stderr };
    };
    // ":O": the image stays as it is, below an overlay.
    const run = (options: string[], ...command: string[]): Outcome =>
      podman(
        'run',
        ...['--network', 'none', '--cgroup-parent', cgroup, ...ulimits, ...options],
        ...['--rootfs', `${image}:O`, ...command],
      );

    beforeAll(() => {
      // podman 4 gives --runtime-flag to create, but not to delete.
      const states = join(directory, 'states');
      writeFileSync(join(directory, 'bulkhead'), `#!/bin/sh\nexec ${runtime} --root ${states} "$@"\n`, {
        mode: 0o755,
      });
      writeFileSync(
        join(directory, 'containers.conf'),
        '[engine]\nlock_type = "file"\nevents_logger = "none"\n',
      );
    });

    afterAll(() => {
      podman('rm', '--all', '--force', '--time', '0');
      podman('system', 'reset', '--force');
      rmSync(directory, { recursive: true, force: true });
      for (const name of ['', ...readdirSync('/sys/fs/cgroup')]) {
        const parent = join('/sys/fs/cgroup', name, cgroup);
        // conmon's own group, and the parent that podman made and leaves.
        for (const path of [join(parent, 'conmon'), parent]) if (existsSync(path)) rmdirSync(path);
      }
    });

    test('runs a program to its end and gives its output and status', () => {
      expect(run(['--rm'], 'sh', '-c', 'echo $$; echo to stderr >&2; exit 7')).toEqual({
        status: 7,
        stdout: '1\n',
        stderr: 'to stderr\n',
      });
      expect(run(['--rm'], 'no-such-program').status).toBe(127);
    });

    test('gets the user, limits, capabilities and devices that it asks for', () => {
      const { stdout, stderr } = run(
        [
          ...['--rm', '--memory', '64m', '--pids-limit', '50', '--cpu-quota', '50000', '--cpuset-cpus', '0'],
          ...['--user', '1000:1001', '--group-add', '7', '--cap-drop', 'all', '--hostname', 'named'],
          ...[
            '--workdir',
            '/tmp',
            '--env',
            'A=b',
            '--read-only',
            '--tmpfs',
            '/var/tmp:size=1m',
            '--init=false',
          ],
        ],
        ...['sh', '-c'],
        'id -u; id -G; hostname; pwd; echo $A; grep -E "^(CapBnd|Seccomp):" /proc/self/status; touch /etc/x 2>/dev/null || echo read-only; cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; ls /dev/null /dev/pts/ptmx',
      );
      expect(stderr).toBe('');
      expect(stdout.trim().split('\n')).toEqual([
        '1000',
        '1001 7',
        'named',
        '/tmp',
        'b',
        'CapBnd:\t0000000000000000',
        'Seccomp:\t2',
        'read-only',
        '50',
        '/dev/null',
        '/dev/pts/ptmx',
      ]);
    });

    test('execs into, pauses, looks at, stops, starts again and removes a container', () => {
      const { stdout: id } = run(
        ['--detach', '--name', 'box'],
        'sh',
        '-c',
        'trap "exit 3" TERM; sleep 1000 & wait',
      );
      expect(id).toMatch(/^[0-9a-f]{64}\n$/);
      const exec = podman('exec', '--env', 'B=c', 'box', 'sh', '-c', 'cat /proc/1/comm; echo $B; exit 9');
      expect(exec).toEqual({ status: 9, stdout: 'sh\nc\n', stderr: '' });
      expect(podman('exec', '--tty', 'box', 'tty').stdout).toBe('/dev/pts/0\r\n');

      expect(podman('pause', 'box').status).toBe(0);
      expect(podman('inspect', '--format', '{{.State.Status}}', 'box').stdout).toBe('paused\n');
      expect(podman('unpause', 'box').status).toBe(0);
      expect(podman('top', 'box', 'pid', 'comm').stdout).toMatch(/^PID +COMMAND\n1 +sh\n/);
      expect(podman('stats', '--no-stream', '--format', '{{.PIDs}}', 'box').stdout).toBe('2\n');

      expect(podman('stop', '--time', '20', 'box').status).toBe(0);
      expect(podman('inspect', '--format', '{{.State.Status}} {{.State.ExitCode}}', 'box').stdout).toBe(
        'exited 3\n',
      );
      expect(podman('start', 'box').status).toBe(0);
      expect(podman('inspect', '--format', '{{.State.Status}}', 'box').stdout).toBe('running\n');
      expect(podman('kill', '--signal', 'KILL', 'box').status).toBe(0);
      expect(podman('wait', 'box').stdout).toBe('137\n');
      expect(podman('rm', 'box').status).toBe(0);
      expect(podman('ps', '--all', '--quiet').stdout).toBe('');
    });

    test('capabilities, seccomp, no new privileges, limits and kernel parameters', () => {
      const profile = join(directory, 'seccomp.json');
      writeFileSync(
        profile,
        JSON.stringify({
          defaultAction: 'SCMP_ACT_ALLOW',
          syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 }],
        }),
      );
      const { stdout, stderr } = run(
        [
          ...['--rm', '--cap-drop', 'all', '--cap-add', 'chown,kill', '--security-opt', `seccomp=${profile}`],
          ...[
            '--security-opt',
            'no-new-privileges',
            '--ulimit',
            'core=5:6',
            '--sysctl',
            'net.ipv4.ip_forward=1',
          ],
          ...['--oom-score-adj', '300', '--shm-size', '1m', '--umask', '0027'],
        ],
        ...['sh', '-c'],
        'grep -E "^(CapEff|NoNewPrivs):" /proc/self/status; grep core /proc/self/limits | tr -s " "; cat /proc/sys/net/ipv4/ip_forward /proc/self/oom_score_adj; df -k /dev/shm | tail -1 | tr -s " " | cut -d" " -f2; umask; mkdir /tmp/x || true',
      );
      expect(stdout.trim().split('\n')).toEqual([
        'CapEff:\t0000000000000021',
        'NoNewPrivs:\t1',
        'Max core file size 5 6 bytes ',
        '1',
        '300',
        '1024',
        '0027',
      ]);
      expect(stderr).toContain('No space left on device');
    });

    test('volumes, tmpfs and devices with their options', () => {
      const folder = join(directory, 'volume');
      mkdirSync(folder);
      writeFileSync(join(folder, 'file'), 'of the host\n');
      const { stdout, stderr } = run(
        [
          ...['--rm', '--read-only', '--tmpfs', '/scratch:size=64k,noexec,mode=1777'],
          ...['-v', `${folder}:/volume:ro,nosuid,nodev`, '-v', `${folder}:/written:rw,rslave`],
          ...['--mount', `type=bind,source=${folder},target=/again,readonly,bind-propagation=rprivate`],
          ...['--device', '/dev/zero:/dev/nothing'],
        ],
        ...['sh', '-c'],
        'cat /volume/file; touch /volume/x 2>/dev/null || echo read-only; touch /written/x && echo written; touch /again/y 2>/dev/null || echo read-only; for m in /volume /scratch; do grep " $m " /proc/self/mountinfo | cut -d" " -f6; done; head -c3 /dev/nothing | wc -c; touch /here 2>/dev/null || echo read-only',
      );
      expect(stderr).toBe('');
      expect(stdout.trim().split('\n')).toEqual([
        ...['of the host', 'read-only', 'written', 'read-only'],
        expect.stringMatching(/^ro,nosuid,nodev,/),
        expect.stringMatching(/^rw,nosuid,nodev,noexec,/),
        ...['3', 'read-only'],
      ]);
      expect(readdirSync(folder).sort()).toEqual(['file', 'x']);
    });

    test('a user namespace of podman’s making', () => {
      // A root that is the container's own: podman writes files into it.
      const own = join(directory, 'own-root');
      for (const folder of ['bin', 'etc', 'run', 'dev', 'proc', 'sys'])
        mkdirSync(join(own, folder), { recursive: true });
      copyFileSync('/bin/busybox', join(own, 'bin/sh'));
      execFileSync('chown', ['-R', '100000:200000', own]);
      const maps = ['--uidmap', '0:100000:65536', '--gidmap', '0:200000:65536'];
      const done = podman(
        ...['run', '--rm', '--network', 'none', '--cgroup-parent', cgroup, ...ulimits, ...maps],
        ...[
          '--rootfs',
          own,
          'sh',
          '-c',
          'read a b c < /proc/self/uid_map; read d e f < /proc/self/gid_map; echo $a $b $c, $d $e $f; [ -O /bin/sh ] && echo root',
        ],
      );
      expect(done).toEqual({ status: 0, stdout: '0 100000 65536, 0 200000 65536\nroot\n', stderr: '' });
    });

    test('hooks of a folder, told the state', () => {
      const hooks = join(directory, 'hooks');
      mkdirSync(hooks);
      writeFileSync(join(hooks, 'note'), '#!/bin/sh\ncat > "$1.$2"\n', { mode: 0o755 });
      for (const stage of ['createRuntime', 'poststop'])
        writeFileSync(
          join(hooks, `${stage}.json`),
          JSON.stringify({
            version: '1.0.0',
            hook: { path: join(hooks, 'note'), args: ['note', join(hooks, 'seen'), stage] },
            when: { always: true },
            stages: [stage],
          }),
        );
      expect(run(['--rm', '--hooks-dir', hooks, '--annotation', 'org.example.a=b'], 'true').status).toBe(0);
      for (const [stage, status] of [
        ['createRuntime', 'creating'],
        ['poststop', 'stopped'],
      ]) {
        const state = JSON.parse(readFileSync(join(hooks, `seen.${stage}`), 'utf8'));
        expect(state).toMatchObject({ status, annotations: { 'org.example.a': 'b' } });
        expect(state.id).toMatch(/^[0-9a-f]{64}$/);
      }
    });

    test('an init, checks of health, other limits while it runs, and what podman says of it', () => {
      const started = run(
        [
          '--detach',
          '--name',
          'fit',
          '--init',
          '--memory',
          '64m',
          '--health-cmd',
          'test -e /tmp/well',
          '--health-interval',
          'disable',
        ],
        ...['sleep', '1000'],
      );
      expect(started.stderr).toBe('');
      expect(podman('exec', 'fit', 'cat', '/proc/1/comm').stdout).toBe('podman-init\n');

      expect(podman('healthcheck', 'run', 'fit').status).toBe(1);
      expect(
        podman('exec', '--user', '5:6', '--workdir', '/tmp', 'fit', 'sh', '-c', 'id -u; pwd; umask').stdout,
      ).toBe('5\n/tmp\n0022\n');
      podman('exec', 'fit', 'touch', '/tmp/well');
      expect(podman('healthcheck', 'run', 'fit').status).toBe(0);
      expect(podman('exec', 'fit', 'no-such-program').status).toBe(127);

      const group = (file: string): string | undefined =>
        ['', ...readdirSync('/sys/fs/cgroup')]
          .map((name) => join('/sys/fs/cgroup', name, cgroup, `libpod-${started.stdout.trim()}`))
          .flatMap((path) => [join(path, file), join(path, 'container', file)])
          .filter((path) => existsSync(path))
          .map((path) => readFileSync(path, 'utf8').trim())
          .at(-1);
      expect(group('memory.limit_in_bytes') ?? group('memory.max')).toBe('67108864');
      // podman 4.3 is the first that can.
      expect(podman('update', '--memory', '128m', '--cpus', '0.5', 'fit').status).toBe(0);
      expect(group('memory.limit_in_bytes') ?? group('memory.max')).toBe('134217728');
      expect(group('cpu.cfs_quota_us') ?? group('cpu.max')).toMatch(/^50000/);

      const [{ State, OCIRuntime }] = JSON.parse(podman('inspect', 'fit').stdout);
      expect(State).toMatchObject({ Status: 'running', Running: true, Paused: false, OOMKilled: false });
      expect(readFileSync(`/proc/${State.Pid}/comm`, 'utf8')).toBe('podman-init\n');
      expect(OCIRuntime).toBe(join(directory, 'bulkhead'));
      const stats = podman('stats', '--no-stream', '--format', '{{.MemUsage}} {{.PIDs}}', 'fit').stdout;
      expect(stats).toMatch(/^[\d.]+[kM]?B \/ [\d.]+MB 2\n$/);
      expect(podman('rm', '--force', '--time', '0', 'fit').status).toBe(0);
    });

    test('a terminal, from its first program on', () => {
      const { stdout, status } = run(['--rm', '--tty'], 'sh', '-c', 'tty; ls -l /dev/console | cut -c1');
      expect(stdout).toBe('/dev/pts/0\r\nc\r\n');
      expect(status).toBe(0);
    });

    test('containers of one pod share the namespaces of its first', () => {
      const first = run(['--detach', '--name', 'first'], 'sleep', '1000');
      expect(first.status).toBe(0);
      const joined = podman(
        ...[
          'run',
          '--rm',
          '--network',
          'container:first',
          '--ipc',
          'container:first',
          '--pid',
          'container:first',
        ],
        ...['--cgroup-parent', cgroup, ...ulimits, '--rootfs', `${image}:O`, 'cat', '/proc/1/comm'],
      );
      expect(joined).toEqual({ status: 0, stdout: 'sleep\n', stderr: '' });
      expect(podman('rm', '--force', '--time', '0', 'first').status).toBe(0);
    });

    test('nothing is left: no state, no mount, no group but its parent', () => {
      expect(existsSync(join(directory, 'states')) ? readdirSync(join(directory, 'states')) : []).toEqual(
        expect.not.arrayContaining([expect.stringMatching(/^[0-9a-f]{64}$/)]),
      );
      expect(readFileSync('/proc/self/mountinfo', 'utf8')).toBe(mounts);
      for (const name of ['', ...readdirSync('/sys/fs/cgroup')]) {
        const parent = join('/sys/fs/cgroup', name, cgroup);
        if (existsSync(parent))
          expect(readdirSync(parent).filter((entry) => entry.startsWith('libpod-'))).toEqual([]);
      }
    });
  },
);
