// How VMs end and begin again: a panic is told from the other ends, with its last lines and what went along; the neighbours do
// not notice; one click begins the machine again. And what machines cost, outside and in, and how they began.
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import {
  type Machine,
  machineSchema,
  type RestartMachine,
  type Sandbox,
  type SandboxEvent,
  snapshotListSchema,
} from '../../sandbox-server/src/protocol/api.ts';
import { patiently } from '../patience.ts';
import type { Answer } from './api-user.ts';
import { census } from './census.ts';
import { Events } from './events.ts';
import { Learner, type RemoteTerminal } from './learner.ts';
import { type Stack, startStack } from './stack.ts';

const READY_LIMIT_MS = patiently(180_000);
const size = { columns: 80, rows: 24 };

let stack: Stack;
/** Who breaks things: a VM with three containers in it. */
let breaker: Learner;
let broken: Sandbox;
let events: Events;
/** Whose machines must not notice: a VM that booted by itself, and a container. */
let neighbour: Learner;
let quiet: Sandbox;
let quietEvents: Events;

beforeAll(async () => {
  stack = await startStack();
  [breaker, neighbour] = await Promise.all([Learner.arrive(stack.url), Learner.arrive(stack.url)]);
  const inside = ['one', 'two', 'three'].map((name) => ({ name, kind: 'container' as const, in: 'vm' }));
  broken = await breaker.create([{ name: 'vm', kind: 'vm', start: 'template', ...size }, ...inside]);
  events = await Events.follow(stack.url, breaker.cookie, broken.id);
  for (const { name } of broken.machines) {
    broken = await breaker.waitFor(broken.id, name, 'running', READY_LIMIT_MS);
  }
  // One boot after the other: two at once take longer on a small machine than they may.
  quiet = await neighbour.create([
    { name: 'box', kind: 'container', ...size },
    { name: 'other', kind: 'vm', ...size },
  ]);
  quietEvents = await Events.follow(stack.url, neighbour.cookie, quiet.id);
  quiet = await neighbour.waitFor(quiet.id, 'other', 'running', READY_LIMIT_MS);
}, READY_LIMIT_MS);
afterAll(async () => {
  events.close();
  quietEvents.close();
  const { state, cgroup } = stack;
  await stack.stop();
  expect(census(state, cgroup)).toEqual({ processes: [], mounts: [], cgroups: [], namespaces: [] });
});

const view = async (learner: Learner, sandbox: Sandbox, name: string): Promise<Machine> => {
  const machine = (await learner.look(sandbox.id)).machines.find((one) => one.name === name);
  if (!machine) throw new Error(`no machine ${name}`);
  return machine;
};
/** Its first terminal, with a prompt in it. */
const screenOf = async (learner: Learner, sandbox: Sandbox, name: string): Promise<RemoteTerminal> => {
  const { terminals } = await view(learner, sandbox, name);
  const screen = learner.terminal(sandbox.id, name, terminals[0]?.terminal ?? '');
  await screen.attach();
  await screen.see(/[#$] $/);
  return screen;
};
const restart = (name: string, wanted?: RestartMachine): Promise<Answer> =>
  breaker.ask('POST', apiPaths.restart(broken.id, name), wanted);
/** As one click does it: answered, and running with a terminal soon after. */
const begunAgain = async (name: string): Promise<Machine> => {
  const { status, body } = await restart(name, { start: 'template', ...size });
  expect(status).toBe(200);
  expect(machineSchema.parse(body)).toMatchObject({ name, end: null, reason: expect.toBeOneOf([null]) });
  await breaker.waitFor(broken.id, name, 'running', READY_LIMIT_MS);
  return view(breaker, broken, name);
};

describe('what a machine costs', () => {
  const statsOf = async (from: Events, name: string, after = 0) => {
    const fits = ({ event, data }: SandboxEvent) =>
      event === 'stats' && data.machines[name]?.inside?.cpuShare != null;
    const { event } = await from.when(fits, `stats of ${name}`, after);
    if (event.event !== 'stats') throw new Error('not stats');
    return event.data.machines[name];
  };

  test('is told of a VM as the host pays it, beside what the guest sees', async () => {
    const stats = await statsOf(quietEvents, 'other');
    const { limits } = await view(neighbour, quiet, 'other');
    const { inside } = stats ?? {};
    // Some of its RAM is the kernel's own from the beginning.
    expect(inside?.memoryTotalBytes).toBeGreaterThan(limits.memoryBytes * 0.7);
    expect(inside?.memoryTotalBytes).toBeLessThan(limits.memoryBytes);
    expect(inside?.memoryUsedBytes).toBeLessThan(inside?.memoryTotalBytes ?? 0);
    expect(inside?.tasks).toBeGreaterThan(10); // a kernel's threads
    expect(stats?.pids).toBeGreaterThanOrEqual(3); // QEMU's, and whoever keeps its console
    expect(stats?.hostProcesses).toBe(2);
    expect(stats?.hostBytes).toBeGreaterThan(inside?.memoryUsedBytes ?? Number.POSITIVE_INFINITY);
    expect(stats?.cpuMs).toBeGreaterThan(100);
    expect(inside?.cpuMs).toBeGreaterThan(0);
  });

  test('is told of a container in the same terms, on the host and in a VM', async () => {
    const { limits } = await view(neighbour, quiet, 'box');
    const box = await statsOf(quietEvents, 'box');
    expect(box).toMatchObject({ inside: { memoryTotalBytes: limits.memoryBytes, tasks: box?.pids } });
    const one = await statsOf(events, 'one');
    expect(one).toMatchObject({ hostBytes: null, inside: { memoryTotalBytes: expect.any(Number) } });
  });

  test('comes twice a second', () => {
    const times = quietEvents.seen.flatMap(({ event }) => (event.event === 'stats' ? [event.data.at] : []));
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    expect(gaps.toSorted((a, b) => a - b)[Math.floor(gaps.length / 2)]).toBeLessThan(patiently(900));
  });
});

describe('how a machine began', () => {
  const phases = async (learner: Learner, sandbox: Sandbox, name: string, wanted: string[]) => {
    await screenOf(learner, sandbox, name);
    await expect.poll(async () => (await view(learner, sandbox, name)).measures?.promptMs).not.toBeNull();
    const { measures } = await view(learner, sandbox, name);
    const found = wanted.map((phase) => measures?.steps.findLast(({ step }) => step === phase));
    expect(found.map((step) => step?.step)).toEqual(wanted);
    for (const [index, step] of found.entries()) {
      expect(step?.startMs).toBeLessThanOrEqual(step?.endMs ?? -1);
      // Each begins when, or after, the one before it did: one axis, whoever's clock it was.
      expect(step?.startMs).toBeGreaterThanOrEqual((found[index - 1]?.startMs ?? 0) - 1);
    }
    expect(found.at(-1)?.endMs).toBe(measures?.promptMs);
    return found;
  };

  test('is shown of a boot, from QEMU to the prompt', async () => {
    const [qemu, firmware, kernel, init] = await phases(neighbour, quiet, 'other', [
      ...['start QEMU', 'firmware', 'kernel', 'init', 'open terminal', 'prompt'],
    ]);
    expect(qemu?.source).toMatch(/^native\/broker\/vm\.c:\d+$/);
    expect(init?.source).toMatch(/^native\/guest\/guest\.c:\d+$/);
    expect(firmware?.startMs).toBeCloseTo(qemu?.endMs ?? 0, 0);
    expect(kernel?.startMs).toBeCloseTo(firmware?.endMs ?? 0, 0);
  });

  test('is shown of a copy of a template', async () => {
    const found = await phases(breaker, broken, 'vm', [
      ...['map memory', 'start QEMU', 'restore', 'hello', 'identity', 'open terminal', 'prompt'],
    ]);
    for (const step of found.slice(0, 5)) expect(step?.source).toMatch(/^native\/broker\/\w+\.c:\d+$/);
  });

  test('is shown of a container, down to the prompt', async () => {
    await phases(neighbour, quiet, 'box', ['make container', 'open terminal', 'prompt']);
  });
});

describe('a kernel that panics', () => {
  let ended: Machine;
  let screen: RemoteTerminal;

  beforeAll(async () => {
    expect((await breaker.ask('PUT', apiPaths.snapshot(broken.id, 'vm', 'before'))).status).toBe(201);
    screen = await screenOf(breaker, broken, 'vm');
    const typed = performance.now();
    screen.type('echo c > /proc/sysrq-trigger\n');
    const { at, machine } = await events.machine('vm', 'ended', typed);
    ended = machine;
    console.info(`from the key to the news: ${Math.round(at - typed)} ms`);
    expect(at - typed).toBeLessThan(patiently(10_000));
  }, patiently(60_000));

  test('ends its terminals for good', async () => {
    // The stream ends before it is known why; whoever comes back is told.
    await expect.poll(() => screen.closed, { timeout: patiently(10_000) }).toBeOneOf([4000, 4404]);
    await expect(screen.attach()).rejects.toThrow('closed with 4404');
  });

  test('is called a panic, in words, with the containers that went with it', () => {
    expect(ended.reason).toBe('its kernel panicked, 3 containers went with it: sysrq triggered crash');
    expect(ended.end).toMatchObject({ cause: 'panic', containers: 3 });
    expect(ended.terminals.every(({ state }) => state === 'exited')).toBe(true);
  });

  test('leaves its last words, fit to be shown', async () => {
    const { end } = await view(breaker, broken, 'vm');
    expect(end?.console.join('\n')).toMatch(/Kernel panic - not syncing: sysrq triggered crash\n.*CPU: 0/);
    expect(end?.console.length).toBeLessThanOrEqual(40);
    for (const line of end?.console ?? []) expect(line).toMatch(/^[^\p{Cc}]{0,200}$/u);
  });

  test.each(['one', 'two', 'three'])('takes %s along, which says why', async (name) => {
    const { machine } = await events.machine(name, 'ended');
    expect(machine.end?.cause).toBe('host');
    expect(machine.reason).toMatch(/vm, the VM that it was in, is gone: its kernel panicked/);
  });

  test('is not noticed by the neighbours', async () => {
    for (const name of ['other', 'box']) {
      const screen = await screenOf(neighbour, quiet, name);
      expect(await screen.run('echo still here')).toBe('still here');
      expect(await view(neighbour, quiet, name)).toMatchObject({ state: 'running', end: null });
    }
  });

  test('lets no container begin again in it before it has itself', async () => {
    expect(await restart('one')).toMatchObject({
      status: 409,
      body: { error: { code: 'conflict', message: expect.stringMatching(/vm, .* is ended: restart that/) } },
    });
  });

  test('begins again by one click, once however often that is clicked, with its snapshots', async () => {
    const before = await view(breaker, broken, 'vm');
    const answers = await Promise.all([begunAgain('vm'), restart('vm')]);
    expect(answers[1]).toMatchObject({ status: 409, body: { error: { code: 'conflict' } } });
    const machine = answers[0];
    expect(machine.hostPid).not.toBe(before.hostPid);
    expect(machine.terminals.map(({ state }) => state)).toEqual(['running']);
    const next = await screenOf(breaker, broken, 'vm');
    expect(await next.run('hostname; ls /dev/shm | wc -l')).toBe('vm\n0');
    const { body } = await breaker.ask('GET', apiPaths.snapshots(broken.id, 'vm'));
    expect(snapshotListSchema.parse(body).snapshots).toMatchObject([{ snapshot: 'before' }]);
  });

  test('has a container begin again in it', async () => {
    const machine = await begunAgainInside('one');
    expect(machine).toMatchObject({ state: 'running', end: null, where: { vm: 'vm' } });
    const screen = await screenOf(breaker, broken, 'one');
    expect(await screen.run('echo back')).toBe('back');
  });
});

const begunAgainInside = async (name: string): Promise<Machine> => {
  const { status, body } = await restart(name);
  if (status !== 200) throw new Error(`${status}: ${JSON.stringify(body)}\n${stack.report()}`);
  expect(machineSchema.parse(body).state).toBe('running');
  return view(breaker, broken, name);
};

/** Allows the control group of a process no more than this beyond what it has. */
function leaveMemory(pid: number, bytes: number): void {
  const groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  const v1 = /^\d+:memory:(.*)$/m.exec(groups)?.[1];
  const v2 = /^0::(.*)$/m.exec(groups)?.[1] ?? '';
  const file = (name: string) => `/sys/fs/cgroup/${v1 === undefined ? v2 : `memory${v1}`}/${name}`;
  const [limit, usage] =
    v1 === undefined ? ['memory.max', 'memory.current'] : ['memory.limit_in_bytes', 'memory.usage_in_bytes'];
  writeFileSync(file(limit), `${Number(readFileSync(file(usage), 'utf8')) + bytes}`);
}

describe('an end that is no panic', () => {
  test('QEMU is killed: that is told, and the container in it', async () => {
    const { hostPid } = await view(breaker, broken, 'vm');
    const killed = performance.now();
    process.kill(hostPid ?? 0, 'SIGKILL');
    const { machine } = await events.machine('vm', 'ended', killed);
    expect(machine.end).toMatchObject({ cause: 'crash', containers: 1 });
    expect(machine.reason).toMatch(/^QEMU was killed by signal 9.*; 1 container went with it$/);
    await begunAgain('vm');
  });

  test('QEMU is out of memory: that is told, and not called a crash', async () => {
    const { hostPid } = await view(breaker, broken, 'vm');
    const screen = await screenOf(breaker, broken, 'vm');
    leaveMemory(hostPid ?? 0, 16 * 2 ** 20);
    const typed = performance.now();
    screen.type('head -c 100M /dev/zero > /dev/shm/full\n');
    const { machine } = await events.machine('vm', 'ended', typed);
    expect(machine.end?.cause).toBe('oom');
    expect(machine.reason).toBe("the host's kernel killed QEMU for using too much memory");
    await begunAgain('vm');
  });

  test.each([
    ['poweroff', 'busybox poweroff', /^the guest powered off$/],
    ['reboot', 'busybox reboot', /^the guest restarted/],
  ])('%s from inside is called that', async (cause, command, reason) => {
    const screen = await screenOf(breaker, broken, 'vm');
    const typed = performance.now();
    screen.type(`${command}\n`);
    const { machine } = await events.machine('vm', 'ended', typed);
    expect(machine.end).toMatchObject({ cause, containers: 0 });
    expect(machine.reason).toMatch(reason);
    await begunAgain('vm');
  });
});

describe('a machine that runs', () => {
  test('begins again as well: nothing is left of what it was', async () => {
    const screen = await screenOf(neighbour, quiet, 'box');
    const { hostPid } = await view(neighbour, quiet, 'box');
    await screen.run('echo old > /root/note');
    const answer = await neighbour.ask('POST', apiPaths.restart(quiet.id, 'box'));
    const machine = machineSchema.parse(answer.body);
    expect(machine).toMatchObject({ state: 'running', end: null, reason: null });
    expect(machine.hostPid).not.toBe(hostPid);
    await expect.poll(() => screen.closed, { timeout: patiently(10_000) }).toBeOneOf([1000, 4404]);
    const again = await screenOf(neighbour, quiet, 'box');
    expect(await again.run('cat /root/note 2>&1')).toMatch(/No such file/);
    expect((await view(neighbour, quiet, 'other')).state).toBe('running');
  });
});

describe('a restart that makes no sense', () => {
  test.each<[string, string, unknown, number, RegExp]>([
    ['of a machine that is not there', 'nobody', {}, 404, /no machine named nobody/],
    ['of a container from a template', 'box', { start: 'template' }, 400, /nothing to boot/],
    ['with half a terminal', 'box', { columns: 80 }, 400, /both columns and rows/],
    ['with what nobody knows', 'box', { faster: true }, 400, /faster/],
    ['in another way than there is', 'other', { start: 'magic' }, 400, /start/],
  ])('%s is refused, and the machine runs on', async (_what, name, wanted, status, message) => {
    const answer = await neighbour.ask('POST', apiPaths.restart(quiet.id, name), wanted);
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body)).toMatch(message);
    for (const { state } of (await neighbour.look(quiet.id)).machines) expect(state).toBe('running');
  });

  test('of a machine that is being made is refused, and it is made', async () => {
    const third = await Learner.arrive(stack.url);
    const sandbox = await third.create([{ name: 'new', kind: 'vm', start: 'template' }]);
    const answer = await third.ask('POST', apiPaths.restart(sandbox.id, 'new'));
    expect(answer).toMatchObject({ status: 409, body: { error: { code: 'conflict' } } });
    await third.waitFor(sandbox.id, 'new', 'running', READY_LIMIT_MS);
    expect((await third.end(sandbox.id)).status).toBe(204);
  });
});
