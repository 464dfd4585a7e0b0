// The monitor as viewers meet it: a real process, real ptys, real programs.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Monitor, type MonitorOptions, runs, type Viewer } from './monitor.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const started: Monitor[] = [];

async function start(options: MonitorOptions): Promise<Monitor> {
  const monitor = await Monitor.start(options);
  started.push(monitor);
  return monitor;
}

afterEach(async () => {
  for (const monitor of started.splice(0)) await monitor.end();
});

const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex');
const bash = () => ['bash', '--norc', '--noprofile'];

/** A program that prints `data` as it is, once it has been typed at, and then waits to be told to end. */
function printing(data: Buffer) {
  return (dir: string) => {
    writeFileSync(join(dir, 'data'), data);
    return ['bash', '-c', 'stty raw -echo; echo -n ready; read -rn1; cat data; read -rn1'];
  };
}

const ready = 'ready'.length;

describe('a shell', () => {
  test('answers what is typed', async () => {
    const monitor = await start({ command: bash });
    const viewer = await monitor.attach();
    viewer.type('echo $((6 * 7))-answer\n');
    await viewer.untilText('42-answer');
  });

  test('is told of a new size, which is the smallest of those who type', async () => {
    const monitor = await start({ command: bash });
    const wide = await monitor.attach({ columns: 120, rows: 30 });
    expect(wide.welcomes[0]).toMatchObject({ columns: 120, rows: 30 });
    wide.type('stty size\n');
    await wide.untilText('30 120');

    const tall = await monitor.attach({ columns: 90, rows: 50 });
    expect(tall.welcomes[0]).toMatchObject({ columns: 90, rows: 30 });
    await wide.until(() => wide.sizes.at(-1)?.columns === 90);
    wide.type('stty size\n');
    await wide.untilText('30 90');

    // One that only watches has no say.
    const watcher = await monitor.attach({ mayType: false, columns: 20, rows: 5 });
    expect(watcher.welcomes[0]).toMatchObject({ columns: 90, rows: 30, inputCredit: 0 });

    tall.close();
    await wide.until(() => wide.sizes.at(-1)?.columns === 120);
    wide.resize(70, 20);
    await watcher.until(() => watcher.sizes.at(-1)?.columns === 70);
    wide.type('stty size\n');
    await wide.untilText('20 70');
  });

  test.each([
    ['exit 7', { by: 'exited', status: 7 }, { kind: 0, status: 7 }],
    ['kill -9 $$', { by: 'killed', status: 9 }, { kind: 1, status: 9 }],
  ])(
    'that ends by `%s` says so to viewers, early and late, and to the broker',
    async (typed, exit, exited) => {
      const monitor = await start({ command: bash });
      const viewer = await monitor.attach();
      viewer.type(`echo last words; ${typed}\n`);
      await viewer.until(() => viewer.closed);
      expect(viewer.exit).toMatchObject(exit);
      expect(viewer.text()).toContain('last words\r\n');
      expect(monitor.statusFile()).toEqual([await monitor.status, { exited }]);

      const late = await monitor.attach();
      await late.until(() => late.closed);
      expect(late.exit).toMatchObject(exit);
      expect(late.bytes()).toEqual(viewer.bytes());
    },
  );

  test('stops at once on Ctrl-C while it floods the terminal', async () => {
    const monitor = await start({ command: bash });
    const viewer = await monitor.attach();
    viewer.type('yes flood\n');
    await viewer.until(() => viewer.offset > 5 * MIB);
    const before = performance.now();
    viewer.type('\x03');
    viewer.type('echo st""opped\n');
    await viewer.untilText('stopped');
    // Generous for a busy machine: without it the flood would go on for ever.
    expect(performance.now() - before).toBeLessThan(5000);
  });

  test('outlives whoever started its monitor', async () => {
    const monitor = await start({ command: bash, throughShell: true });
    const shell = monitor.process;
    const ended = new Promise((resolve) => shell.once('exit', resolve));
    process.kill(-(shell.pid ?? 0), 'SIGKILL'); // the whole process group
    await ended;
    const viewer = await monitor.attach();
    viewer.type('echo still"" here\n');
    await viewer.untilText('still here');
  });
});

describe('output', () => {
  test('arrives byte for byte, 10 MiB of it, without having to be text', async () => {
    const data = randomBytes(10 * MIB);
    const monitor = await start({ command: printing(data) });
    const viewer = await monitor.attach();
    await viewer.untilText('ready');
    viewer.type('g');
    await viewer.until(() => viewer.offset >= ready + data.length);
    expect(md5(viewer.bytes().subarray(ready))).toBe(md5(data));
    expect(viewer.lost).toBe(0);
  });

  test('reaches a viewer that reads while another has stopped; that one is told what it lost', async () => {
    const data = Buffer.from(`${'x'.repeat(78)}\r\n`.repeat((3 * MIB) / 80));
    const monitor = await start({ command: printing(data) });
    const stopped = await monitor.attach({ credit: 10 * KIB, grants: false });
    const reading = await monitor.attach();
    await reading.untilText('ready');
    reading.type('g');
    await reading.until(() => reading.offset >= ready + data.length);
    expect(reading.lost).toBe(0);
    expect(stopped.offset).toBe(10 * KIB);

    stopped.send({ type: 'credit', bytes: MIB });
    await stopped.until(() => stopped.offset >= ready + data.length);
    const [, again] = stopped.welcomes;
    expect(again).toMatchObject({ lost: true, inputCredit: 0, live: ready + data.length });
    expect(stopped.lost).toBeGreaterThan(2 * MIB);
    // It is drawn the screen as it was there: full of rows like the one before which it goes on.
    expect(stopped.snapshot().toString().match(/x{78}/g)?.length).toBeGreaterThan(20);
    expect(stopped.bytes().subarray(10 * KIB)).toEqual(
      reading.bytes().subarray((again?.start ?? 0) - reading.lost),
    );
  });

  test('comes without loss or repetition to a viewer that attaches again', async () => {
    const burst = 200 * KIB; // less than the ring: while nobody is attached, the program does not wait
    const data = randomBytes(10 * burst);
    const monitor = await start({
      command: (dir) => {
        writeFileSync(join(dir, 'data'), data);
        const dd = `dd bs=${burst} count=1 iflag=fullblock status=none`;
        return [
          'bash',
          '-c',
          `stty raw -echo; echo -n ready; exec 3<data; while read -rn1; do ${dd} <&3; done`,
        ];
      },
    });
    const pieces: Buffer[] = [];
    let offset = 0;
    for (let sent = 0; sent < data.length; sent += burst) {
      const viewer = await monitor.attach({ offset });
      await viewer.until(() => viewer.offset >= ready + sent);
      viewer.type('g');
      await viewer.until(() => viewer.offset > ready + sent + burst / 3);
      viewer.close(); // in the middle of it
      expect(viewer.lost).toBe(0);
      offset = viewer.offset;
      pieces.push(viewer.bytes());
    }
    const last = await monitor.attach({ offset });
    await last.until(() => last.offset >= ready + data.length);
    pieces.push(last.bytes());
    expect(md5(Buffer.concat(pieces).subarray(ready))).toBe(md5(data));
  });

  test('is kept for 256 KiB and marked as a replay', async () => {
    const data = Buffer.alloc(MIB, 'no newline at all ');
    const monitor = await start({ command: printing(data) });
    const first = await monitor.attach();
    await first.untilText('ready');
    first.type('g');
    await first.until(() => first.offset >= ready + data.length);
    const late = await monitor.attach();
    const end = ready + data.length;
    const [welcome] = late.welcomes;
    expect(welcome).toMatchObject({ lost: true, live: end });
    const kept = end - (welcome?.start ?? 0);
    expect(kept).toBeGreaterThanOrEqual(252 * KIB);
    expect(kept).toBeLessThanOrEqual(256 * KIB);
    await late.until(() => late.offset === end);
    expect(late.bytes()).toEqual(first.bytes().subarray(end - kept));
  });
});

describe('input', () => {
  test('arrives whole, 1 MiB pasted at once', async () => {
    const paste = Buffer.from(randomBytes(MIB / 2).toString('hex'));
    const monitor = await start({
      command: () => ['bash', '-c', `stty raw -echo; echo ready; head -c ${paste.length} | md5sum`],
    });
    const viewer = await monitor.attach();
    await viewer.untilText('ready');
    viewer.type(paste);
    await viewer.untilText(md5(paste));
  });

  test('of one viewer is not kept waiting by a program that reads nothing of another', async () => {
    const monitor = await start({
      command: () => ['bash', '-c', 'stty -echo -icanon; echo ready; sleep 1000'],
    });
    const pasting = await monitor.attach();
    await pasting.untilText('ready');
    pasting.type(Buffer.alloc(MIB, 'x'));
    const other = await monitor.attach();
    other.type('\x03');
    // The pty is full, so the interrupt cannot pass: but the monitor is still at everybody's service.
    const third = await monitor.attach();
    await third.untilText('ready\r\n');
    expect(third.text()).toBe('ready\r\n');
  });

  test.each<[string, (viewer: Viewer) => void]>([
    [
      'types more than it was granted',
      (viewer) => {
        for (let i = 0; i < 200; i++) viewer.send({ type: 'input', bytes: Buffer.alloc(60_000, 'x') });
      },
    ],
    ['sends a frame that only monitors send', (viewer) => viewer.send({ type: 'size', columns: 1, rows: 1 })],
    ['attaches twice', (viewer) => viewer.send({ type: 'role', mayType: true })],
    ['announces a frame of 4 GiB', (viewer) => viewer.sendRaw(Buffer.alloc(4, 0xff))],
    ['sends an unknown opcode', (viewer) => viewer.sendRaw(Buffer.from([0, 0, 0, 1, 0x77]))],
  ])('of a viewer that %s ends that viewer and no other', async (_, misbehave) => {
    const monitor = await start({ command: () => ['sleep', '1000'] });
    const good = await monitor.attach();
    const bad = await monitor.attach();
    misbehave(bad);
    await bad.until(() => bad.closed);
    good.resize(50, 10);
    await good.until(() => good.sizes.at(-1)?.columns === 50);
    expect(good.closed).toBe(false);
  });

  test('of a viewer that only watches is refused', async () => {
    const monitor = await start({ command: bash });
    const watcher = await monitor.attach({ mayType: false });
    watcher.send({ type: 'input', bytes: Buffer.from('echo typed\n') });
    await watcher.until(() => watcher.closed);
    expect(watcher.text()).not.toContain('typed');
  });
});

describe('the monitor process', () => {
  test('gives up every privilege, and keeps no descriptor of its parent', async () => {
    const monitor = await start({ command: bash, extra: () => ['--uid', '65534', '--gid', '65534'] });
    const { monitor: pid, pid: shell } = await monitor.status;
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    expect(status).toMatch(/^Uid:\t65534\t65534\t65534\t65534$/m);
    expect(status).toMatch(/^Gid:\t65534\t65534\t65534\t65534$/m);
    expect(status).toMatch(/^Groups:\t *$/m);
    for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'])
      expect(status).toMatch(new RegExp(`^Cap${set}:\t0+$`, 'm'));
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(status).toMatch(/^Seccomp:\t2$/m);
    // Null three times; epoll, socket, status file, pty, pidfd.
    expect(readdirSync(`/proc/${pid}/fd`)).toHaveLength(8);
    // The program has none of that.
    expect(readFileSync(`/proc/${shell}/status`, 'utf8')).toMatch(/^NoNewPrivs:\t0$/m);
    // A shell that begins has its start files open for a moment.
    const open = () =>
      readdirSync(`/proc/${shell}/fd`)
        .map(Number)
        .filter((fd) => fd < 200);
    await expect.poll(open).toEqual([0, 1, 2]);
  });

  test('lets only the owner and group of its socket in', async () => {
    const monitor = await start({
      command: bash,
      extra: () => ['--socket-uid', '4321', '--socket-gid', '1234'],
    });
    const { uid, gid, mode } = statSync(monitor.socket);
    expect({ uid, gid, mode: mode & 0o777 }).toEqual({ uid: 4321, gid: 1234, mode: 0o660 });
  });

  test('hangs the terminal up when it is ended', async () => {
    const monitor = await start({ command: bash });
    const { pid = 0 } = await monitor.status;
    const viewer = await monitor.attach();
    await monitor.end();
    started.pop();
    await viewer.until(() => viewer.closed);
    while (runs(pid)) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  test('says why a program cannot be started, and leaves nothing', async () => {
    await expect(start({ command: () => ['/no/such/program'] })).rejects.toThrow(
      'cannot run /no/such/program: No such file or directory',
    );
    const long = start({ command: bash, extra: (dir) => ['--socket', join(dir, 'x'.repeat(120))] });
    await expect(long).rejects.toThrow('choose a shorter state directory');
  });

  test('keeps the terminal when its program ends but a viewer has not read everything', async () => {
    const monitor = await start({ command: () => ['bash', '-c', 'echo first; read -rn1; seq 30000'] });
    const slow = await monitor.attach({ credit: 100, grants: false });
    await slow.untilText('first');
    slow.type('g');
    await slow.until(() => slow.offset === 100);
    expect(slow.exit).toBeNull();
    slow.send({ type: 'credit', bytes: MIB });
    await slow.until(() => slow.closed);
    expect(slow.exit).toMatchObject({ by: 'exited', status: 0 });
    expect(slow.text()).toMatch(/29999\r\n30000\r\n$/);
  });
});

describe('a terminal that an OCI runtime makes', () => {
  // Stands for `bulkhead exec --detach --tty`: opens a pty, sends its master to the console socket, starts a program on
  // it in the background, writes its pid and ends.
  const runtime = `
import array, os, socket, sys
console, pid_file, sent, *command = sys.argv[1:]
master, slave = os.openpty()
pid = os.fork()
if pid == 0:
    os.login_tty(slave)
    os.execvp(command[0], command)
connection = socket.socket(socket.AF_UNIX)
connection.connect(console)
what = {'master': master, 'slave': slave, 'null': os.open('/dev/null', os.O_RDWR)}[sent]
connection.sendmsg([b'pty'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [what]))])
open(pid_file, 'w').write(str(pid))
`;
  const viaRuntime = (sent: string, ...command: string[]): MonitorOptions => ({
    extra: (dir) => ['--console-socket', join(dir, 'console.sock'), '--pid-file', join(dir, 'pid')],
    command: (dir) => {
      writeFileSync(join(dir, 'runtime.py'), runtime);
      return ['python3', 'runtime.py', join(dir, 'console.sock'), join(dir, 'pid'), sent, ...command];
    },
  });

  test('is served like any other, and its exit status is known', async () => {
    const monitor = await start(viaRuntime('master', 'bash', '--norc'));
    expect(existsSync(join(monitor.dir, 'console.sock'))).toBe(false);
    const viewer = await monitor.attach({ columns: 100, rows: 40 });
    viewer.type('stty size\n');
    await viewer.untilText('40 100');
    viewer.type('exit 3\n');
    await viewer.until(() => viewer.closed);
    expect(viewer.exit).toMatchObject({ by: 'exited', status: 3 });
    const { pid } = await monitor.status;
    expect(pid).toBe(Number(readFileSync(join(monitor.dir, 'pid'), 'utf8')));
  });

  test.each(['slave', 'null'])('is refused when the runtime sends not a master but %s', async (sent) => {
    await expect(start(viaRuntime(sent, 'sleep', '1'))).rejects.toThrow('something else than one pty master');
  });

  test('that fails is explained by the last line the runtime wrote', async () => {
    const options = viaRuntime('master');
    const command = () => ['sh', '-c', 'echo first >&2; echo "no machine x" >&2; exit 1'];
    await expect(start({ ...options, command })).rejects.toThrow(/^no machine x$/);
    await expect(start({ ...options, command: () => ['false'] })).rejects.toThrow(
      'false ended with status 1 and said nothing',
    );
    await expect(start({ ...options, command: () => ['true'] })).rejects.toThrow('sent no terminal');
  });
});
