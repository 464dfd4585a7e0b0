// Connections into machines, and machines that stand still: real containers, real programs that listen in them.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BrokerError } from '../../sandbox-server/src/broker/client.ts';
import { SocketHost } from '../../sandbox-server/src/broker/socket.ts';
import { DialledStream } from '../../sandbox-server/src/machines/stream.ts';
import { patiently } from '../patience.ts';
import { LIMITS, TestBroker } from './broker.ts';

let broker: TestBroker;
let host: SocketHost;
beforeAll(async () => {
  broker = await TestBroker.start();
  host = new SocketHost(broker.socket);
  await host.start();
});
afterAll(async () => {
  host.close();
  await broker.dispose();
});

const dial = async (machine: string, port: number) => new DialledStream(await host.dial(machine, port));

/** Has a Perl program listen in a machine; resolves when it does. */
async function listen(machine: string, port: number, body: string, address = '127.0.0.1'): Promise<void> {
  const serve = `use IO::Socket::IP; $SIG{CHLD}="IGNORE";
    my $s = IO::Socket::IP->new(Listen => 64, LocalAddr => "${address}", LocalPort => ${port}, ReuseAddr => 1) or die $@;
    fork and exit; open STDOUT, ">/dev/null"; open STDERR, ">&STDOUT"; close STDIN;
    while (my $c = $s->accept) { if (fork) { close $c; next } close $s; ${body}; exit }`;
  const { status, stderr } = await broker.exec(machine, ['/usr/bin/perl', '-e', serve]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
}

async function all(stream: DialledStream): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString();
}

/** What there is of the machines, besides the broker itself. */
const left = () => {
  const { processes, ...more } = broker.census();
  return { ...more, processes: processes.length };
};
const streams = (machine: string) => {
  const group = readFileSync('/proc/self/mounts', 'utf8').includes('cgroup/pids')
    ? `/sys/fs/cgroup/pids/${broker.cgroup}/${machine}/streams/cgroup.procs`
    : `/sys/fs/cgroup/${broker.cgroup}/${machine}/streams/cgroup.procs`;
  return readFileSync(group, 'utf8').split('\n').filter(Boolean);
};

describe.each(['hardened', 'nested'] as const)('a port of a %s container', (profile) => {
  const machine = profile;
  let before: unknown;
  beforeAll(async () => {
    before = { ...left(), processes: 1 }; // a broker that begins has jobs to do
    await broker.create(machine, { profile, limits: { ...LIMITS, pids: 200 } });
  });

  it('that nobody listens on is refused, by its number and with the reason', async () => {
    const refusal = await host.dial(machine, 8000).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(BrokerError);
    expect(refusal).toMatchObject({ code: 'not_found', field: 'port' });
    expect((refusal as Error).message).toBe(
      `nothing listens on port 8000 of ${machine}, neither on 127.0.0.1 nor on ::1`,
    );
  });

  it.each([
    ['127.0.0.1', 8001],
    ['::1', 8002],
  ])('is reached on %s, both ways, and its end is its end', async (address, port) => {
    await listen(machine, port, 'print $c uc <$c>', address);
    const stream = await dial(machine, port);
    stream.write('hello\n');
    expect(await all(stream)).toBe('HELLO\n');
  });

  it('is not the host’s, whatever listens there', async () => {
    const { createServer } = await import('node:net');
    const server = createServer((socket) => socket.end('the host'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await expect(host.dial(machine, port)).rejects.toMatchObject({ code: 'not_found' });
    server.close();
  });

  it('is held up by a reader that stops, and nothing is lost when that goes on', async () => {
    const size = 8_000_000;
    await listen(machine, 8003, `syswrite $c, "x" x ${size / 8} for 1..8; syswrite $c, "end"`);
    const stream = await dial(machine, 8003);
    await new Promise((resolve) => stream.once('readable', resolve));
    // What is here is bounded by what was granted, and the program has far more to say.
    expect(stream.readableLength).toBeLessThanOrEqual(262_144);
    const text = await all(stream);
    expect(text.length).toBe(size + 3);
    expect(text.endsWith('xend')).toBe(true);
  });

  it('takes as much as is sent, when it reads', async () => {
    await listen(
      machine,
      8004,
      'my $n = 0; while (sysread $c, my $b, 65536) { $n += length $b; last if $b =~ /Z/ } print $c $n',
    );
    const stream = await dial(machine, 8004);
    stream.write(Buffer.alloc(5_000_000, 'a'));
    stream.write('Z');
    expect(await all(stream)).toBe('5000001');
  });

  it('has at most 32 connections; each is a process of nobody’s in the machine’s group', async () => {
    await listen(machine, 8005, 'sysread $c, my $b, 1');
    await expect.poll(() => streams(machine)).toEqual([]);
    const open: DialledStream[] = [];
    for (let count = 0; count < 32; count++) open.push(await dial(machine, 8005));
    for (const stream of open) stream.on('error', () => {});
    await expect(host.dial(machine, 8005)).rejects.toMatchObject({ code: 'limit' });
    const pids = streams(machine);
    expect(pids).toHaveLength(32);
    const status = readFileSync(`/proc/${pids[0]}/status`, 'utf8');
    expect(status).toMatch(/^Name:\trelay$/m);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(status).toMatch(/^Seccomp:\t2$/m);
    expect(status).not.toMatch(/^Uid:\t0\t/m);
    for (const stream of open) stream.destroy();
    await expect.poll(() => streams(machine).length, { timeout: patiently(10_000) }).toBe(0);
  });

  it('is gone with the machine, also while it is being dialled', async () => {
    const stream = await dial(machine, 8005);
    const ended = new Promise((resolve) => stream.once('close', resolve));
    stream.on('error', () => {});
    stream.resume();
    const late = Promise.allSettled(Array.from({ length: 6 }, () => host.dial(machine, 8005)));
    await broker.control.request('machine.delete', { machine });
    await ended;
    for (const one of await late) if (one.status === 'fulfilled') one.value.close('the test is over');
    await expect.poll(left).toEqual(before);
  });
});

describe('a frozen container', () => {
  const machine = 'still';
  let before: unknown;
  const beat = () => broker.control.request('file.read', { machine, path: '/root/beat', max_bytes: 100 });
  const frozen = async () =>
    (await broker.control.request('machine.list', {})).machines.find((one) => one.machine === machine)
      ?.frozen;

  it('stands still and goes on; its screen can be seen all the while', async () => {
    before = { ...left(), processes: 1 }; // a broker that begins has jobs to do
    await broker.create(machine);
    await listen(machine, 8000, 'print $c "here"');
    const terminal = await broker.open(machine);
    const viewer = await broker.attach(machine, terminal);
    viewer.send({
      type: 'input',
      bytes: Buffer.from('i=0; while sleep 0.02; do echo beat-$((i+=1)); done\n'),
    });
    await viewer.until(() => viewer.text().includes('beat-3\r'));
    const { machine: record } = await broker.control.request('machine.freeze', { machine });
    expect(record).toMatchObject({ state: 'running', frozen: true });
    await expect(beat()).rejects.toThrow(/frozen: machine.thaw/);
    await expect(broker.exec(machine, ['true'])).rejects.toThrow(/frozen/);
    await expect(host.dial(machine, 8000)).rejects.toThrow(/frozen/);
    await expect(broker.open(machine)).rejects.toThrow(/frozen/);
    const late = await broker.attach(machine, terminal);
    const use = await broker.control.request('machine.stats', { machine });
    expect(late.text()).toContain('beat-3');
    const after = await broker.control.request('machine.stats', { machine });
    expect(after.cpu_usec).toBe(use.cpu_usec);
    const last = Number([...late.text().matchAll(/beat-(\d+)\r/g)].at(-1)?.[1]);
    await broker.control.request('machine.thaw', { machine });
    await viewer.until(() => viewer.text().includes(`beat-${last + 5}\r`));
    expect(await frozen()).toBeUndefined();
    expect(await all(await dial(machine, 8000))).toBe('here');
  });

  it('stays so under a broker that is killed and started again', async () => {
    await broker.control.request('machine.freeze', { machine });
    await broker.kill();
    await broker.start();
    expect(await frozen()).toBe(true);
    await expect(broker.exec(machine, ['true'])).rejects.toThrow(/frozen/);
    await broker.control.request('machine.thaw', { machine });
    expect((await broker.exec(machine, ['true'])).status).toBe(0);
  });

  it('is restarted, and deleted, without being thawed', async () => {
    await broker.control.request('machine.freeze', { machine });
    const { machine: again } = await broker.control.request('machine.restart', { machine });
    expect(again.frozen).toBeUndefined();
    expect((await broker.exec(machine, ['true'])).status).toBe(0);
    await broker.control.request('machine.freeze', { machine });
    await broker.control.request('machine.freeze', { machine }); // again: nothing
    await broker.control.request('machine.delete', { machine });
    await expect.poll(left).toEqual(before);
  });
});
