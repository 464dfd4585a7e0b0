import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newId } from '../ids.ts';
import type { CreateSandbox, SandboxEvent } from '../protocol/api.ts';
import { probe, Refusal, type ScriptedBroker, until } from '../testing/scripted-broker.ts';
import { create as createFor, oneBox, type Stage, setStage } from '../testing/stage.ts';
import type { Policy } from './policy.ts';
import type { Sandboxes } from './sandboxes.ts';

const learner = newId();
let stage: Stage;
let broker: ScriptedBroker;

beforeEach(async () => {
  stage = await setStage();
  broker = stage.broker;
});
afterEach(() => stage.close());

const start = (policy: Partial<Policy> = {}) => stage.start(policy);
const create = (sandboxes: Sandboxes, wanted = oneBox, owner = learner) =>
  createFor(sandboxes, wanted, owner);

describe('making a sandbox', () => {
  test('gives running machines with their measures on one axis', async () => {
    const sandbox = await create(await start());
    const [box] = sandbox.view.machines;
    expect(box).toMatchObject({
      name: 'box',
      state: 'running',
      hostPid: 4_242,
      terminals: [{ terminal: 't1' }],
    });
    const steps = box?.measures?.steps ?? [];
    const made = steps.find(({ step }) => step === 'make container');
    const cloned = steps.find(({ step }) => step === 'clone3');
    expect(cloned).toMatchObject({ by: 'runtime', source: 'native/runtime/clone.c:7' });
    expect(cloned?.endMs).toBeLessThanOrEqual((made?.endMs ?? 0) + 0.5);
    await until(() => sandbox.view.machines[0]?.facts, 2_000);
    expect(sandbox.view.machines[0]?.facts).toMatchObject({ pid1: '/usr/bin/catatonit -P', processes: 3 });
  });

  test('is all or nothing: when the second container cannot be made, the first is gone', async () => {
    const sandboxes = await start();
    const make = broker.methodOf('container.create');
    broker.on('container.create', (params) => {
      if (params.hostname === 'other') throw new Refusal('failed', 'the runtime said no');
      return make(params);
    });
    const two: CreateSandbox = { machines: [...oneBox.machines, { name: 'other', kind: 'container' }] };
    await expect(create(sandboxes, two)).rejects.toThrow('the runtime said no');
    expect(broker.machines.size).toBe(0);
    expect(sandboxes.of(learner)).toEqual([]);
  });

  test('does not let a container wait for a VM', async () => {
    broker.on('vm.create', () => new Promise(() => {}));
    const both: CreateSandbox = { machines: [{ name: 'vm', kind: 'vm' }, ...oneBox.machines] };
    const { machines } = (await create(await start(), both)).view;
    expect(machines.map(({ name, state }) => [name, state])).toEqual([
      ['vm', 'starting'],
      ['box', 'running'],
    ]);
  });

  test('stops at the quota, also when many are asked for at once', async () => {
    const sandboxes = await start();
    const asked = await Promise.allSettled(Array.from({ length: 5 }, () => create(sandboxes)));
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    await expect(create(sandboxes)).rejects.toMatchObject({ code: 'quota', status: 429 });
    await create(sandboxes, oneBox, newId()); // another learner's quota is another
  });

  test.each([
    [{ machines: [{ name: 'a', kind: 'vm', profile: 'nested' }] }, 'bad_request', 'machines.0.profile'],
    [{ machines: [{ name: 'a', kind: 'vm', rows: 3 }] }, 'bad_request', 'machines.0.columns'],
    [{ machines: [oneBox.machines[0], oneBox.machines[0]] }, 'bad_request', 'machines.1.name'],
  ])('refuses %j, naming the field', async (wanted, code, field) => {
    const sandboxes = await start();
    await expect(create(sandboxes, wanted as CreateSandbox)).rejects.toMatchObject({ code, field });
    expect(sandboxes.of(learner)).toEqual([]);
  });

  test('gives the place of a terminal that ended to a new one, and says when all are alive', async () => {
    const sandbox = await create(await start());
    const box = sandbox.machine('box');
    const open = ({ machine }: Record<string, unknown>) => {
      const record = broker.machines.get(String(machine));
      if (record && record.terminals.length > 1) throw new Refusal('limit', 'has 2 terminals');
      record?.terminals.push({ terminal: 't2', state: 'running' });
      return { terminal: 't2' };
    };
    broker.on('terminal.open', open);
    broker.on('terminal.close', ({ machine, terminal }) => {
      const { terminals = [] } = broker.machines.get(String(machine)) ?? {};
      terminals.splice(
        terminals.findIndex((one) => one.terminal === terminal),
        1,
      );
      return {};
    });
    const size = { columns: 80, rows: 24 };
    expect(await box.openTerminal(size)).toBe('t2');
    await expect(box.openTerminal(size)).rejects.toMatchObject({ code: 'quota', status: 429 });
    broker.emit({ event: 'terminal.exited', machine: box.id, terminal: 't1', kind: 0, status: 0 });
    await until(() => box.view.terminals[0]?.state === 'exited');
    expect(await box.openTerminal(size)).toBe('t2');
    expect(box.view.terminals.map(({ terminal }) => terminal)).toEqual(['t2', 't2']);
  });

  test('says why a host without VMs makes none', async () => {
    broker.on('probe', () => ({
      ...probe,
      vm: { accel: null, machine: null, reason: 'QEMU is not installed.' },
    }));
    const wanted: CreateSandbox = { machines: [{ name: 'vm', kind: 'vm' }] };
    await expect(create(await start(), wanted)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('QEMU is not installed.'),
    });
  });
});

describe('a server that starts again', () => {
  test('finds sandboxes, machines, terminals and deadlines', async () => {
    const before = await start();
    const { view } = await create(before);
    before.stop();
    const after = await start();
    const found = after.find(view.id)?.view;
    expect(found).toMatchObject({ id: view.id, createdAt: view.createdAt, expiresAt: view.expiresAt });
    expect(found?.machines[0]).toMatchObject({
      name: 'box',
      state: 'running',
      terminals: [{ terminal: 't1' }],
    });
  });

  test('ends what no sandbox claims, and leaves alone what is not ours', async () => {
    const before = await start();
    const { machines } = await create(before);
    before.stop();
    rmSync(join(stage.state, 'sandboxes.db'));
    const foreign = { ...broker.machines.get(machines[0]?.id ?? ''), machine: 'someone-elses', labels: {} };
    broker.machines.set('someone-elses', foreign as never);
    await start();
    await until(() => broker.machines.size === 1);
    expect([...broker.machines.keys()]).toEqual(['someone-elses']);
  });

  test('ends a sandbox whose time ran out meanwhile', async () => {
    const before = await start({ idleMs: 50 });
    await create(before);
    before.stop();
    await new Promise((resolve) => setTimeout(resolve, 60));
    await start();
    await until(() => broker.machines.size === 0);
  });

  test('forgets a sandbox of which the host knows nothing any more', async () => {
    const before = await start();
    const { id } = await create(before);
    before.stop();
    broker.machines.clear();
    expect(before.find(id)).not.toBeNull(); // what the old one believed
    const after = await start();
    expect(after.find(id)).toBeNull();
  });
});

describe('a broker that starts again', () => {
  test('a machine that it lost is shown as ended, with a reason', async () => {
    const sandboxes = await start();
    const sandbox = await create(sandboxes);
    await broker.kill();
    broker.machines.clear();
    await broker.listen();
    await until(() => sandbox.view.machines[0]?.state === 'ended');
    expect(sandbox.view.machines[0]?.reason).toMatch(/does not know it/);
  });
});

describe('the time of a sandbox', () => {
  const follow = (sandbox: { follow(listener: (event: SandboxEvent) => void): () => void }) => {
    const seen: SandboxEvent[] = [];
    sandbox.follow((event) => seen.push(event));
    return seen;
  };

  test('idle: a warning, then its end, and nothing is left', async () => {
    const sandboxes = await start({ idleMs: 120, warningMs: 80 });
    const sandbox = await create(sandboxes);
    const seen = follow(sandbox);
    await until(() => seen.some(({ event }) => event === 'ended'));
    const names = seen.map(({ event }) => event).filter((event) => event === 'expiring' || event === 'ended');
    // Who begins to follow just as the warning goes out may be given it twice.
    expect([...new Set(names)]).toEqual(['expiring', 'ended']);
    expect(broker.machines.size).toBe(0);
    expect(sandboxes.of(learner)).toEqual([]);
  });

  test('typing moves the end, an extension too, but not beyond the latest', async () => {
    const sandboxes = await start({ idleMs: 60_000, longestMs: 90_000, warningMs: 60_000 });
    const sandbox = await create(sandboxes);
    const seen = follow(sandbox);
    expect(seen.at(-1)).toMatchObject({ event: 'expiring', data: { extendable: true } });
    const before = sandbox.expiresAt;
    await new Promise((resolve) => setTimeout(resolve, 10));
    sandbox.noteActivity();
    expect(sandbox.expiresAt).toBeGreaterThan(before);
    sandbox.extend();
    expect(sandbox.expiresAt).toBeLessThanOrEqual(sandbox.view.latestAt);
  });

  test('measures flow while somebody listens, and only then', async () => {
    const sandbox = await create(await start());
    const seen: SandboxEvent[] = [];
    const leave = sandbox.follow((event) => seen.push(event));
    const stats = await until(() => seen.find(({ event }) => event === 'stats'));
    expect(stats.data).toMatchObject({ machines: { box: { hostBytes: 5, hostProcesses: 3, cpuMs: 3 } } });
    leave();
    const asked = broker.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(broker.requests.length).toBe(asked);
  });
});
