// The broker with real containers: what it makes, what it refuses, what it leaves, and what a crash costs (nothing).
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { copyForAnyone } from './anyone.ts';
import { LIMITS, MIB, SERVER_GID, SERVER_UID, TestBroker } from './broker.ts';
import { expectNothingLeft, hostPid } from './broker-remains.ts';

let broker: TestBroker;
const programs = temporaryFolder('programs');
const anyonesNode = copyForAnyone(process.execPath, programs);
afterAll(() => rmSync(programs, { recursive: true }));

/** Resolves when the socket is closed, whether or not by an error. */
const closing = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.once('close', () => resolve()));

describe('a broker', () => {
  beforeAll(async () => {
    broker = await TestBroker.start();
  });
  afterEach(async () => {
    const { machines } = await broker.control.request('machine.list', {});
    await Promise.all(machines.map(({ machine }) => broker.control.request('machine.delete', { machine })));
  });
  afterAll(() => broker.dispose());

  it('says what the host has', async () => {
    const probe = await broker.control.request('probe', {});
    expect(probe.depth).toBe('host');
    expect(probe.kernel.release).toBe(readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim());
    expect(probe.cgroup.controllers).toEqual(expect.arrayContaining(['cpu', 'memory', 'pids']));
    expect(probe.images).toContainEqual(expect.objectContaining({ name: 'base', kind: 'container' }));
    expect(probe.maxima.memory_bytes).toBeLessThan(probe.capacity.memory_bytes);
  });

  it('makes a container with its own name, user ids, processes and limits', async () => {
    const labels = { owner: 'learner-7' };
    const { machine, trace } = await broker.create('box', { labels });
    expect(machine).toMatchObject({
      machine: 'box',
      kind: 'container',
      profile: 'hardened',
      state: 'running',
      labels,
    });
    const steps = trace.map(({ step }) => step);
    expect(steps).toEqual(expect.arrayContaining(['clone3', 'pivot_root', 'exec']));
    for (const step of trace) {
      expect(step.start_us).toBeGreaterThanOrEqual(0);
      expect(step.end_us).toBeGreaterThanOrEqual(step.start_us);
      expect(step.source).toMatch(/^native\/.+\.c:\d+$/);
    }
    expect(await broker.shell('box', 'hostname')).toBe('box');
    expect(await broker.shell('box', 'cat /proc/1/comm')).toBe('catatonit');
    expect(await broker.shell('box', 'id -u')).toBe('0');
    const [, uid] = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${machine.pid}/status`, 'utf8')) ?? [];
    expect(Number(uid)).toBeGreaterThan(100_000);
    expect(await broker.shell('box', 'ls /sys/class/net')).toBe('lo');
    const status = await broker.shell('box', 'cat /proc/self/status');
    expect(status).toMatch(/^CapEff:\s+0+$/m);
    expect(status).toMatch(/^CapBnd:\s+0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(status).toMatch(/^Seccomp:\s+2$/m);
  });

  it('gives nested containers a root of their own namespaces', async () => {
    await broker.create('nest', { profile: 'nested' });
    expect(await broker.shell('nest', 'unshare -Urpmf --mount-proc sh -c "echo \\$\\$"')).toBe('1');
    expect(await broker.shell('nest', 'mount -t tmpfs none /mnt && findmnt -no FSTYPE /mnt')).toBe('tmpfs');
  });

  it('lists machines as they are and deletes them without a trace', async () => {
    await broker.create('one');
    await broker.create('two', { profile: 'nested' });
    await broker.open('one');
    const { machines } = await broker.control.request('machine.list', {});
    expect(machines.map(({ machine }) => machine).sort()).toEqual(['one', 'two']);
    await Promise.all([
      broker.control.request('machine.delete', { machine: 'one' }),
      broker.control.request('machine.delete', { machine: 'one' }),
      broker.control.request('machine.delete', { machine: 'two' }),
    ]);
    expectNothingLeft(broker);
    await expect(broker.control.request('machine.delete', { machine: 'one' })).rejects.toMatchObject({
      code: 'not_found',
      field: 'machine',
    });
  });

  it('deletes a machine that was deleted while it was being made', async () => {
    const created = broker.create('early').catch(() => null);
    await broker.control.request('machine.delete', { machine: 'early' });
    await created;
    expectNothingLeft(broker);
  });

  it('starts programs as a login does: default signals, three descriptors, a plain environment', async () => {
    await broker.create('box');
    const look =
      'grep -E "^Sig(Blk|Ign)" /proc/self/status; ls /proc/self/fd | wc -l; env | cut -d= -f1 | sort | xargs';
    const fromExec = await broker.shell('box', look);
    // ls has one more descriptor: the directory that it reads.
    const expected = ['SigBlk:\t0000000000000000', 'SigIgn:\t0000000000000000', '4'];
    expect(fromExec.split('\n').slice(0, 3)).toEqual(expected);
    expect(fromExec.split('\n')[3]).toBe('HOME LANG PATH PWD TERM');
    const viewer = await broker.attach('box', await broker.open('box', ['/bin/sh', '-c', look]));
    await viewer.until(() => viewer.exit !== null);
    expect(viewer.text().trim().split('\r\n')).toEqual(fromExec.split('\n'));
  });

  it('deletes a machine whose terminals and commands are just being started', async () => {
    for (let round = 0; round < 10; round++) {
      await broker.create('busy');
      const begun = [
        broker.open('busy').catch(() => null),
        broker.exec('busy', ['sleep', '100']).catch(() => null),
        broker.open('busy').catch(() => null),
      ];
      await new Promise((resolve) => setTimeout(resolve, round));
      await broker.control.request('machine.delete', { machine: 'busy' });
      await Promise.all(begun);
      expectNothingLeft(broker);
    }
  });

  it('opens terminals, several at once, that answer and tell how they ended', async () => {
    await broker.create('box');
    const terminal = await broker.open('box');
    const viewer = await broker.attach('box', terminal, { columns: 100, rows: 30 });
    await viewer.untilText('#');
    viewer.type('stty size; echo term-$TERM $(tty) $(whoami) $PWD\n');
    await viewer.untilText('term-xterm-256color /dev/pts/0 root /root');
    expect(viewer.text()).toContain('30 100');
    const other = await broker.open('box', ['/bin/sh', '-c', 'echo only this; exit 7']);
    const event = await broker.control.event((one) => 'terminal' in one && one.terminal === other);
    expect(event).toMatchObject({ event: 'terminal.exited', machine: 'box', kind: 0, status: 7 });
    const { machines } = await broker.control.request('machine.list', {});
    expect(machines[0]?.terminals).toEqual(
      expect.arrayContaining([
        { terminal, state: 'running' },
        { terminal: other, state: 'exited' },
      ]),
    );
    await broker.control.request('terminal.close', { machine: 'box', terminal });
    await viewer.until(() => viewer.closed);
    await expect(
      broker.control.request('terminal.close', { machine: 'box', terminal }),
    ).rejects.toMatchObject({
      code: 'not_found',
      field: 'terminal',
    });
  });

  it('says which program of a terminal is missing', async () => {
    await broker.create('box');
    await expect(broker.open('box', ['/no/such/program'])).rejects.toThrow('/no/such/program');
    const { machines } = await broker.control.request('machine.list', {});
    expect(machines[0]?.terminals).toEqual([]);
  });

  it('runs commands and reports status, signal, streams and bad bytes', async () => {
    await broker.create('box');
    expect(await broker.exec('box', ['cat'], { stdin: 'grüße' })).toMatchObject({
      stdout: 'grüße',
      status: 0,
      signal: 0,
    });
    const command = 'printf "a\\377b"; echo wrong >&2; exit 3';
    expect(await broker.exec('box', ['sh', '-c', command])).toMatchObject({
      stdout: 'a\uFFFDb',
      stderr: 'wrong\n',
      status: 3,
    });
    expect(await broker.exec('box', ['sh', '-c', 'kill -TERM $$'])).toMatchObject({ signal: 15, status: 0 });
    expect(
      await broker.exec('box', ['yes'], { timeout_ms: patiently(300), max_output_bytes: 10 }),
    ).toMatchObject({
      stdout: 'y\ny\ny\ny\ny\n',
      truncated: true,
      timed_out: true,
    });
    await expect(broker.exec('box', ['no-such-program'])).rejects.toThrow('no-such-program');
  });

  it('ends a command that takes too long with everything it started', async () => {
    await broker.create('box');
    const hide = '(setsid sleep 4711 &); (setsid sh -c "setsid sleep 4712 & sleep 4713" &); sleep 4714';
    const result = await broker.exec('box', ['sh', '-c', hide], { timeout_ms: patiently(500) });
    expect(result).toMatchObject({ timed_out: true, signal: 9 });
    expect(result.duration_us).toBeLessThan(patiently(5_000) * 1_000);
    expect(await broker.shell('box', 'pgrep -c sleep')).toBe('0');
  });

  it('contains a fork bomb, and its neighbour goes on', async () => {
    await broker.create('bomb');
    await broker.create('calm');
    const bomb = broker.exec('bomb', ['bash', '-c', 'bomb() { bomb | bomb & }; bomb; sleep 30'], {
      timeout_ms: patiently(3_000),
    });
    const begun = performance.now();
    expect(await broker.shell('calm', 'echo still here')).toBe('still here');
    expect(performance.now() - begun).toBeLessThan(patiently(2_500));
    expect((await broker.control.request('machine.stats', { machine: 'bomb' })).pids).toBeLessThanOrEqual(
      LIMITS.pids,
    );
    await bomb;
    await broker.control.request('machine.delete', { machine: 'bomb' });
    expect(await broker.shell('calm', 'echo still here')).toBe('still here');
  });

  it('ends a memory hog, says so, and keeps the machine', async () => {
    await broker.create('hog', { limits: { ...LIMITS, memory_bytes: 48 * MIB } });
    const hog = await broker.exec('hog', ['python3', '-c', 'a = bytearray(400 << 20)']);
    expect(hog.signal || hog.status).not.toBe(0);
    const stats = await broker.control.request('machine.stats', { machine: 'hog' });
    expect(stats.oom_kills).toBeGreaterThan(0);
    expect(await broker.shell('hog', 'echo alive')).toBe('alive');
  });

  it('counts what a machine uses and what the host pays', async () => {
    await broker.create('box');
    await broker.open('box');
    await broker.shell('box', 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done');
    const stats = await broker.control.request('machine.stats', { machine: 'box' });
    expect(stats.pids).toBeGreaterThanOrEqual(2);
    expect(stats.cpu_usec).toBeGreaterThan(0);
    expect(stats.memory_bytes).toBeGreaterThan(0);
    expect(stats.memory_peak_bytes).toBeGreaterThanOrEqual(stats.memory_bytes ?? 0);
    // catatonit, bash and the monitor.
    expect(stats.host?.processes).toBeGreaterThanOrEqual(3);
    expect(stats.host?.pss_bytes).toBeGreaterThan(500_000);
  });

  it('limits the disk', async () => {
    await broker.create('box');
    const command = 'head -c 100000000 /dev/zero > /root/big; stat -c %s /root/big';
    const size = Number((await broker.shell('box', command)).split('\n').find((line) => /^\d+$/.test(line)));
    expect(size).toBeGreaterThan(0);
    expect(size).toBeLessThanOrEqual(LIMITS.disk_bytes);
  });

  it('keeps two containers from seeing or signalling each other', async () => {
    await broker.create('one');
    await broker.create('two');
    const { machines } = await broker.control.request('machine.list', {});
    const [first, second] = machines.map(({ pid }) => readFileSync(`/proc/${pid}/uid_map`, 'utf8').trim());
    expect(first).not.toBe(second);
    await broker.exec('two', ['sh', '-c', 'sleep 1234 >/dev/null 2>&1 &']);
    expect(await broker.shell('one', 'pgrep -c sleep')).toBe('0');
    // By every number there is, from the host's as well: none of them is a process it can name.
    expect(await broker.shell('one', `kill -9 ${await hostPid(broker, 'two')}`)).toContain('No such process');
    expect(await broker.shell('one', 'kill -9 -1; echo survived')).toContain('survived');
    expect(await broker.shell('two', 'pgrep -c sleep')).toBe('1');
  });

  it('says when and why a machine ended on its own', async () => {
    await broker.create('box');
    process.kill(await hostPid(broker, 'box'), 'SIGKILL');
    const event = await broker.control.event(
      (one) => one.event === 'machine.exited' && one.machine === 'box',
    );
    expect(event).toMatchObject({ reason: expect.stringContaining('killed by signal 9') });
    const { machines } = await broker.control.request('machine.list', {});
    expect(machines[0]).toMatchObject({ state: 'exited', exit: expect.stringContaining('signal 9') });
    await expect(broker.open('box')).rejects.toMatchObject({ code: 'failed' });
    await broker.control.request('machine.delete', { machine: 'box' });
    expectNothingLeft(broker);
  });

  it('deletes what is half gone already', async () => {
    await broker.create('box');
    await broker.open('box');
    process.kill(await hostPid(broker, 'box'), 'SIGKILL');
    spawnSync('rm', ['-rf', join(broker.state, 'run/machines/box'), join(broker.state, 'run/runtime/box')]);
    await broker.control.request('machine.delete', { machine: 'box' });
    expect(readdirSync(join(broker.state, 'run/machines'))).toEqual([]);
    expectNothingLeft(broker);
  });

  it('refuses what it does not know and names it', async () => {
    const ask = (method: string, params: object) =>
      broker.control.request(method as 'probe', params as Record<string, never>);
    await expect(ask('container.destroy', {})).rejects.toMatchObject({ code: 'unknown_method' });
    await expect(ask('machine.stats', { machine: '../x' })).rejects.toMatchObject({
      code: 'bad_request',
      field: 'machine',
    });
    await expect(ask('probe', { path: '/etc' })).rejects.toMatchObject({
      code: 'bad_request',
      field: 'path',
    });
    const limits = { ...LIMITS, memory_bytes: '1G' };
    await expect(broker.create('box', { limits: limits as never })).rejects.toMatchObject({
      code: 'bad_request',
      field: 'limits.memory_bytes',
    });
    await expect(broker.create('box', { image: 'windows' })).rejects.toMatchObject({
      code: 'not_found',
      field: 'image',
      message: expect.stringContaining('base'),
    });
    await broker.create('box');
    await expect(broker.create('box')).rejects.toMatchObject({ code: 'exists', field: 'machine' });
    await expect(broker.exec('box', ['true'], { timeout_ms: 60_001 })).rejects.toMatchObject({
      field: 'timeout_ms',
    });
  });

  it('refuses limits over its maxima', async () => {
    const { maxima } = await broker.control.request('probe', {});
    for (const limit of ['memory_bytes', 'pids', 'disk_bytes', 'cpu_millis'] as const) {
      const limits = { ...LIMITS, [limit]: maxima[limit] + 1 };
      await expect(broker.create('box', { limits })).rejects.toMatchObject({
        code: 'limit',
        field: `limits.${limit}`,
      });
    }
  });

  it('lets root and the server speak, and nobody else', async () => {
    expect(statSync(broker.socket).mode & 0o777).toBe(0o660);
    chmodSync(broker.state, 0o711); // mkdtemp made it for root alone; npm start does not
    const ask = async (uid: number) => {
      const script = `
        const socket = require('node:net').connect(process.argv[1]);
        socket.on('data', (bytes) => { process.stdout.write(bytes); socket.destroy(); });
        socket.on('error', (error) => console.log(error.code));
        socket.write('{"id": 1, "method": "machine.list", "params": {}}\\n');`;
      const child = spawn(anyonesNode, ['-e', script, broker.socket], {
        uid,
        gid: uid === 65_534 ? 65_534 : SERVER_GID,
        cwd: '/',
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let said = '';
      child.stdout.on('data', (bytes) => {
        said += bytes;
      });
      await once(child, 'close');
      return said;
    };
    expect(await ask(SERVER_UID)).toContain('"result"');
    expect(await ask(64_002)).toContain('"denied"');
    expect(await ask(65_534)).toContain('EACCES');
  });

  it('lets the server connect to attach sockets and look at nothing else', async () => {
    chmodSync(broker.state, 0o711);
    await broker.create('box');
    const terminal = await broker.open('box');
    const machine = join(broker.state, 'run/machines/box');
    const script = `
      const fs = require('node:fs');
      const [machine, socket] = process.argv.slice(1);
      const tried = (what) => { try { what(); return 'done'; } catch (error) { return error.code; } };
      console.log(tried(() => fs.readdirSync(machine)), tried(() => fs.readFileSync(machine + '/machine.json')));
      console.log(tried(() => fs.unlinkSync(socket)), tried(() => fs.writeFileSync(machine + '/x', '')));
      const attach = require('node:net').connect(socket, () => { console.log('connected'); attach.destroy(); });
      attach.on('error', (error) => console.log(error.code));`;
    const { stdout } = spawnSync(
      anyonesNode,
      ['-e', script, machine, `${machine}/terminals/${terminal}.sock`],
      {
        uid: SERVER_UID,
        gid: SERVER_GID,
        cwd: '/',
        encoding: 'utf8',
      },
    );
    expect(stdout).toBe('EACCES EACCES\nEACCES EACCES\nconnected\n');
  });

  it('disconnects a peer that sends endless lines or does not read, and serves the others', async () => {
    const flood = createConnection(broker.socket);
    flood.on('error', () => {});
    flood.write('x'.repeat(1_200_000));
    const [answer] = await once(flood, 'data');
    expect(String(answer)).toContain('at most 1 MiB');
    await closing(flood.resume());

    const deaf = createConnection(broker.socket);
    deaf.on('error', () => {});
    const closed = closing(deaf);
    deaf.pause();
    const line = `${JSON.stringify({ id: 1, method: 'x'.repeat(100) })}\n`;
    const pump = () => {
      while (!deaf.destroyed && deaf.write(line.repeat(1000)));
    };
    deaf.on('drain', pump);
    pump();
    await closed;
    expect(await broker.control.request('machine.list', {})).toEqual({ machines: [] });
  });

  it('refuses a second broker on the same state, naming the first', () => {
    const second = spawnSync(
      `${process.env.BULKHEAD_PROGRAMS ?? 'native/build'}/bulkheadd`,
      broker.arguments(),
      {
        encoding: 'utf8',
      },
    );
    expect(second.status).toBe(1);
    expect(second.stderr.trim().split('\n')).toHaveLength(1);
    expect(second.stderr).toContain(`process ${broker.pid}`);
  });
});

describe('the end of a broker', () => {
  for (const how of ['eof', 'SIGTERM', 'SIGINT'] as const) {
    it(`ends every machine (${how})`, async () => {
      broker = await TestBroker.start();
      for (const machine of ['a', 'b', 'c']) {
        await broker.create(machine, { profile: machine === 'b' ? 'nested' : 'hardened' });
        await broker.open(machine);
      }
      expect(await broker.stop(how)).toBe(0);
      expectNothingLeft(broker);
      expect(broker.census().cgroups).toEqual([]);
      expect(existsSync(broker.socket)).toBe(false);
      await broker.dispose();
    });
  }
});

describe('a broker that cannot start', () => {
  const complaint = (...args: string[]) => {
    const program = `${process.env.BULKHEAD_PROGRAMS ?? 'native/build'}/bulkheadd`;
    const { status, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: patiently(20_000) });
    expect(status).toBe(1);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    return stderr;
  };

  it('says in one line what is wrong and what to do', () => {
    expect(complaint('--state', `/tmp/${'long'.repeat(10)}`)).toMatch(/too long.+at most 39/);
    expect(complaint('--state', '/proc/nowhere')).toMatch(/\/proc\/nowhere.+--state/);
    expect(complaint('--state', '/tmp/bh-none', '--programs', '/nowhere')).toMatch(
      /\/nowhere\/bulkhead .+--programs/,
    );
    expect(complaint('--accel', 'fast')).toMatch(/auto, kvm or tcg/);
    expect(complaint('--nesting', 'both')).toMatch(/host or vm/);
    expect(complaint('--log-level', 'loud')).toMatch(/error, warn, info or debug/);
    expect(complaint('--max-machines', 'many')).toMatch(/0 to 4095/);
    expect(complaint('--cgroup', '../other')).toMatch(/--cgroup/);
    expect(complaint('--foo')).toMatch(/--help/);
    expect(complaint('serve')).toMatch(/unknown argument serve/);
    rmSync('/tmp/bh-none', { recursive: true });
  });
});

describe('nesting', () => {
  it('is refused on the host when it belongs into VMs', async () => {
    broker = await TestBroker.start(['--nesting', 'vm']);
    await expect(broker.create('nest', { profile: 'nested' })).rejects.toMatchObject({
      code: 'denied',
      field: 'profile',
      message: expect.stringContaining('VM'),
    });
    await broker.create('box');
    await broker.dispose();
  });
});
