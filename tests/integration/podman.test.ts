// Debian's podman with this runtime: what it and conmon ask of it, from the outside.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Outcome, runtime } from './bundle.ts';

const image = join(process.env['BULKHEAD_IMAGES'] ?? '/var/lib/bulkhead/images', 'base/rootfs');
const root = process.getuid?.() === 0;
const able = root && existsSync(runtime) && existsSync(image) && existsSync('/usr/bin/podman');

describe.skipIf(!able)(
  'podman --runtime bulkhead (needs root, podman, native/build and the base image)',
  () => {
    const directory = able ? mkdtempSync(join(tmpdir(), 'bulkhead-podman-')) : '';
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
          timeout: 60_000,
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
