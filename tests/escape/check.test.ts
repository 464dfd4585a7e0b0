// What a learner does to have a check say "done". Each attempt is first made on a check that is run naively, as a command
// in the machine like any other (`exec`), and works there; then on a real one.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MIB, TestBroker } from '../integration/broker.ts';
import { patiently } from '../patience.ts';

let broker: TestBroker;
beforeAll(async () => {
  broker = await TestBroker.start();
});
afterAll(() => broker.dispose());

const LIMITS = { memory_bytes: 96 * MIB, pids: 32, cpu_millis: 1000, disk_bytes: 32 * MIB };
const LOOKS_FOR_42 = 'grep -qs 42 $MACHINE/root/answer || { echo "no 42 in /root/answer"; exit 1; }';

const check = (machine: string, body: string, timeout_ms = 30_000) =>
  broker.control.request('check', {
    machine,
    script: `#!/bin/sh\n${body}\n`,
    timeout_ms,
    max_output_bytes: 65_536,
  });
const naively = (machine: string, body: string) => broker.exec(machine, ['/bin/sh', '-c', body]);
/** By a shell that none of the attempts replaces. */
const asLearner = (machine: string, command: string) =>
  broker.exec(machine, ['/usr/bin/bash', '-c', `set -e; ${command}`]);
const groupsLeft = () => broker.census().cgroups.filter((path) => /\/checks\/./.test(path));

describe.each(['hardened', 'nested'] as const)('a check of a %s container', (profile) => {
  let machine: string;
  let count = 0;
  const anew = async () => {
    machine = `${profile}-${++count}`;
    await broker.create(machine, { profile, limits: LIMITS });
  };
  const gone = () => broker.control.request('machine.delete', { machine });

  it('sees the machine as its root would, and says what is missing', async () => {
    await anew();
    await asLearner(
      machine,
      'echo 41 > /root/answer; chmod 600 /root/answer; (sleep 1000 >/dev/null 2>&1 &)',
    );
    const before = await check(machine, LOOKS_FOR_42);
    expect(before).toMatchObject({ status: 1, stdout: 'no 42 in /root/answer\n', timed_out: false });
    await asLearner(machine, 'echo 42 > /root/answer');
    expect(await check(machine, LOOKS_FOR_42)).toMatchObject({ status: 0, signal: 0 });
    const sees = `pgrep -x sleep >/dev/null && [ "$(stat -c %u $MACHINE/root)" = $MACHINE_ROOT ] &&
      [ "$(hostname)" = ${machine} ] && readlink /proc/1/ns/user /proc/1/exe && ls /sys/class/net`;
    expect(await check(machine, sees)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^user:\[\d+\]\n\/usr\/bin\/catatonit\nlo\n$/),
    });
    await gone();
  });

  it('can do nothing to the machine, nor to its own tools, and is root of nothing', async () => {
    await anew();
    const changes = `for f in $MACHINE/root/x /x /usr/bin/x /proc/sys/net/ipv4/ip_forward; do echo 1 > $f; done
      kill -9 1; chroot $MACHINE /bin/true; unshare -m true; cat /etc/shadow; $MACHINE/usr/bin/true; id -u`;
    const { stdout, stderr } = await check(machine, changes);
    expect(Number(stdout)).toBeGreaterThan(65_536);
    expect(stderr.match(/Read-only|not permitted|ermission denied|No such file|required key/gi)).toHaveLength(
      9,
    );
    await gone();
  });

  const lies: [string, string][] = [
    ['the tool is replaced', 'cp --remove-destination /usr/bin/true /usr/bin/grep'],
    ['the shell is replaced', 'cp --remove-destination /usr/bin/true /usr/bin/sh'],
    ['another tool comes first in PATH', 'ln -s /usr/bin/true /usr/local/sbin/grep'],
    [
      'a library is loaded into every program',
      `cat > /root/lie.c <<'END'
       #include <string.h>
       #include <unistd.h>
       #include <fcntl.h>
       int getopt_long(int c, char **v, const char *s, const void *o, int *i) { _exit(0); return 0; }
END
       tcc -shared -o /root/lie.so /root/lie.c; echo /root/lie.so > /etc/ld.so.preload`,
    ],
    ['the file is the command line of who reads it', 'ln -s /proc/self/cmdline /root/answer'],
  ];
  if (profile === 'nested')
    lies.push(['another program is mounted over the tool', 'mount --bind /usr/bin/true /usr/bin/grep']);

  it.each(lies)('is not fooled when %s', async (_, lie) => {
    await anew();
    expect((await naively(machine, `MACHINE=; ${LOOKS_FOR_42}`)).status).toBe(1);
    const done = await asLearner(machine, lie);
    expect(done).toMatchObject({ status: 0, stderr: '' });
    expect(await naively(machine, `MACHINE=; ${LOOKS_FOR_42}`)).toMatchObject({ status: 0 });
    expect(await check(machine, LOOKS_FOR_42)).toMatchObject({
      status: 1,
      stdout: 'no 42 in /root/answer\n',
    });
    await gone();
  });

  it('is not fooled when it is killed, traced, stopped, or told what to say', async () => {
    await anew();
    // It takes a tool of its own that was killed for the answer.
    const waits = `tail -f /dev/null & tool=$!
      until [ -e $MACHINE/root/tried ]; do sleep 0.05; done; ! kill -0 $tool`;
    const attack = `exec >/root/log 2>&1
      until p=$(pgrep -x tail); do :; done
      echo forged > /proc/$p/fd/1; cat /proc/$p/environ; ls /proc/$p/root/
      strace -o /dev/null -p $p 2>/root/traced & tracer=$!
      until [ -s /root/traced ]; do :; done; cat /root/traced; kill -9 $tracer; wait $tracer
      prlimit --nofile=9 --pid $p; kill -STOP $p; kill -9 $p; touch /root/tried`;
    const begin = async () => {
      await asLearner(
        machine,
        `rm -f /root/tried /root/log /root/traced; echo ${Buffer.from(attack).toString('base64')} |
        base64 -d > /root/attack; setsid bash /root/attack </dev/null >/dev/null 2>&1 &`,
      );
    };
    await begin();
    expect(await naively(machine, `MACHINE=; ${waits}`)).toMatchObject({ status: 0 });
    // Only the pipe, which the host's root has made, is closed to it there too.
    const worked = await broker.shell(machine, 'cat -v /root/log');
    expect(worked).toContain('attached');
    expect(worked.match(/Permission denied|Operation not permitted/g)).toHaveLength(1);
    await begin();
    const real = await check(machine, waits);
    const log = await broker.shell(machine, 'cat /root/log');
    expect(log.match(/Permission denied|Operation not permitted/g)).toHaveLength(7);
    expect(real).toMatchObject({ status: 1, signal: 0, timed_out: false, stdout: '' });
    await gone();
  });

  it('runs where the learner has left no process and no memory to run it with', async () => {
    await anew();
    await asLearner(machine, 'echo 42 > /root/answer');
    // Each holds memory and starts the next one, to the end.
    const bomb = 'while :; do (exec -a bomb sleep 1000) & done 2>/dev/null';
    await broker.open(machine, ['/usr/bin/bash', '-c', bomb]);
    await expect
      .poll(
        () =>
          naively(machine, 'true').then(
            ({ status }) => status,
            () => 'none',
          ),
        { timeout: patiently(20_000) },
      )
      .not.toBe(0);
    expect(await check(machine, LOOKS_FOR_42)).toMatchObject({ status: 0 });
    await gone();
  });

  it('ends in time, all of it, when it hangs, multiplies or does not stop talking', async () => {
    await anew();
    await asLearner(machine, 'mkfifo /root/answer');
    const hanging = await check(machine, `(setsid sleep 1000 &) ; ${LOOKS_FOR_42}`, 1_500);
    expect(hanging).toMatchObject({ timed_out: true });
    expect(await broker.shell(machine, 'pgrep -x sleep || echo none')).toBe('none');
    await check(machine, 'f() { f & f & wait; }; f', 1_500);
    const loud = await check(
      machine,
      'head -c 10485760 /dev/zero | tr "\\0" x; printf "\\033]0;title\\007"; exit 1',
    );
    expect(loud).toMatchObject({ status: 1, truncated: true, timed_out: false });
    expect(loud.stdout).toHaveLength(65_536);
    const hungry = await check(machine, 'tail /dev/zero; exit 0');
    expect(hungry).toMatchObject({ out_of_memory: true });
    const left = await check(machine, '(setsid sleep 1000 >/dev/null 2>&1 &)');
    expect(left).toMatchObject({ status: 0 });
    expect(await broker.shell(machine, 'pgrep -x sleep || echo none')).toBe('none');
    expect(groupsLeft()).toEqual([]);
    await gone();
  });
});

describe('a check', () => {
  it('is refused without an interpreter, with one that is not there, and of a VM by the broker outside it', async () => {
    await broker.create('refusals', { limits: LIMITS });
    const run = (script: string) =>
      broker.control.request('check', {
        machine: 'refusals',
        script,
        timeout_ms: 5_000,
        max_output_bytes: 9,
      });
    await expect(run('echo hello')).rejects.toThrow('has to begin with #!');
    await expect(run('#!/usr/bin/none\n')).rejects.toThrow('cannot run /check');
    await expect(run('#!')).rejects.toMatchObject({ code: 'bad_request', field: 'script' });
    await expect(check('nobody', 'true')).rejects.toMatchObject({ code: 'not_found' });
    await broker.control.request('machine.delete', { machine: 'refusals' });
  });

  it('that a killed broker has left is ended by the next one', async () => {
    await broker.create('orphaned', { limits: LIMITS });
    const lost = check('orphaned', 'sleep 1000 & sleep 1000').catch((error: Error) => error);
    await expect
      .poll(() => broker.shell('orphaned', 'pgrep -cx sleep'), { timeout: patiently(10_000) })
      .toBe('2');
    await broker.kill();
    await lost;
    await broker.start();
    expect(groupsLeft()).toEqual([]);
    expect(await broker.shell('orphaned', 'pgrep -x sleep || echo none')).toBe('none');
  });
});
