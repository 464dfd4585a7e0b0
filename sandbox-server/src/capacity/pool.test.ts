import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newId } from '../ids.ts';
import type { CreateSandbox } from '../protocol/api.ts';
import { answerAsGuest, probe, Refusal, type ScriptedBroker, until } from '../testing/scripted-broker.ts';
import { create, oneBox, queueUp, type Stage, setStage } from '../testing/stage.ts';

let stage: Stage;
let broker: ScriptedBroker;
let most: number;
beforeEach(async () => {
  stage = await setStage();
  broker = stage.broker;
  most = 8;
  broker.on('probe', () => ({ ...probe, maxima: { ...probe.maxima, machines: most } }));
  broker.linked = (socket) => answerAsGuest(socket);
});
afterEach(() => stage.close());

const two = { pooledContainers: 2 };
const pooled = () => [...broker.machines.values()].filter(({ labels }) => labels.pool !== undefined);
const created = (id: string) => broker.requests.indexOf(`container.create ${id}`);

describe('a machine that was made before anybody asked', () => {
  test('is there before the first click, and is given to it without anything being made', async () => {
    const sandboxes = await stage.start(two);
    await until(() => sandboxes.pool.ready === 2);
    const before = broker.requests.length;
    const sandbox = await create(sandboxes);
    const since = broker.requests.slice(before);
    expect(since.filter((request) => /create|terminal/.test(request))).toEqual([]);
    const [box] = sandbox.view.machines;
    expect(box).toMatchObject({ name: 'box', state: 'running', terminals: [{ terminal: 't1' }] });
  });

  test('is somebody’s at once: its labels say whose, and no other learner gets it', async () => {
    const sandboxes = await stage.start(two);
    await until(() => sandboxes.pool.ready === 2);
    const owners = [newId(), newId(), newId()];
    const got = await Promise.all(owners.map((owner) => create(sandboxes, oneBox, owner)));
    const ids = got.map(({ machines }) => machines[0]?.id ?? '');
    expect(new Set(ids).size).toBe(3);
    for (const [index, id] of ids.entries()) {
      const { labels } = broker.machines.get(id) ?? {};
      expect(labels).toEqual({ sandbox: got[index]?.id, name: 'box', owner: owners[index] });
    }
  });

  test('tells the truth about when it was made, and how long the click took', async () => {
    const sandboxes = await stage.start(two);
    await until(() => sandboxes.pool.ready === 2);
    const clickedAt = Date.now();
    const { measures } = (await create(sandboxes)).view.machines[0] ?? {};
    expect(measures?.pooledAt).toBeLessThanOrEqual(clickedAt);
    expect(measures?.requestedAt).toBeGreaterThanOrEqual(clickedAt - 1);
    expect(measures?.steps.map(({ step }) => step)).toContain('clone3');
    expect(measures?.terminalMs).not.toBeNull();
  });

  test('is made anew for the next, while nobody is kept waiting by it', async () => {
    const sandboxes = await stage.start(two);
    await until(() => sandboxes.pool.ready === 2);
    const sandbox = await create(sandboxes);
    await until(() => sandboxes.pool.ready === 2);
    expect(pooled().map(({ machine }) => machine)).not.toContain(sandbox.machines[0]?.id);
  });

  test('is not given to who asks for another sort; that sort is ready the next time', async () => {
    const sandboxes = await stage.start({ pooledContainers: 1 });
    await until(() => sandboxes.pool.ready === 1);
    const web: CreateSandbox = { machines: [{ name: 'web', kind: 'container', columns: 80, rows: 24 }] };
    const [first] = (await create(sandboxes, web)).view.machines;
    expect(first?.measures?.pooledAt).toBeNull();
    await until(() => pooled().some(({ hostname }) => hostname === 'web'));
    await until(() => sandboxes.pool.ready === 2);
    const [second] = (await create(sandboxes, web)).view.machines;
    expect(second).toMatchObject({ name: 'web', measures: { pooledAt: expect.any(Number) } });
  });

  test('a copy of a template is kept ready once one was asked for, with a shell; a boot never is', async () => {
    const sandboxes = await stage.start({ pooledVms: 1 });
    const vm = (start: 'boot' | 'template'): CreateSandbox => ({
      machines: [{ name: 'vm', kind: 'vm', start, columns: 80, rows: 24 }],
    });
    const running = async (wanted: CreateSandbox) => {
      const sandbox = await create(sandboxes, wanted);
      return until(() => sandbox.view.machines.find(({ state }) => state === 'running'));
    };
    await running(vm('boot'));
    expect((await running(vm('template'))).measures?.pooledAt).toBeNull();
    await until(() => sandboxes.pool.ready === 1);
    const sandbox = await create(sandboxes, vm('template'));
    expect(sandbox.view.machines[0]).toMatchObject({
      ...{ state: 'running', terminals: [{ terminal: 't1' }] },
      measures: { pooledAt: expect.any(Number) },
    });
  });
});

describe('the room of the pool', () => {
  test('is learners’: it is given up before anybody has to wait', async () => {
    const sandboxes = await stage.start(two);
    await until(() => sandboxes.pool.ready === 2);
    most = 2;
    const both: CreateSandbox = {
      machines: [
        { name: 'a', kind: 'container' },
        { name: 'b', kind: 'container' },
      ],
    };
    // Its answer is cached for a second.
    await until(async () => (await sandboxes.probe()).maxima.machines === 2);
    expect(sandboxes.room(await sandboxes.probe())).toMatchObject({ containers: 2, reason: null });
    const sandbox = await create(sandboxes, both);
    expect([...broker.machines.keys()].sort()).toEqual(sandbox.machines.map(({ id }) => id).sort());
    expect(sandboxes.pool.ready).toBe(0);
  });

  test('is not taken while somebody waits, nor to the last place', async () => {
    most = 2;
    const sandboxes = await stage.start(two);
    await create(sandboxes);
    await sandboxes.pool.fill();
    // One place is left: whoever comes next shall find it free.
    expect(pooled()).toEqual([]);
    await create(sandboxes);
    await queueUp(sandboxes);
    await sandboxes.pool.fill();
    expect(pooled()).toEqual([]);
  });

  test('a sort that cannot be made is not tried again and again', async () => {
    broker.on('container.create', () => {
      throw new Refusal('failed', 'the runtime said no');
    });
    const sandboxes = await stage.start(two);
    await until(() => broker.requests.some((request) => request.startsWith('container.create')));
    for (let i = 0; i < 5; i++) await sandboxes.pool.fill();
    expect(broker.requests.filter((request) => request.startsWith('container.create'))).toHaveLength(1);
    expect(broker.machines.size).toBe(0);
  });
});

describe('nothing of the pool is leaked', () => {
  test('by a server that is killed: the next one ends what the last one kept, and only that', async () => {
    const before = await stage.start(two);
    await until(() => before.pool.ready === 2);
    const sandbox = await create(before);
    await until(() => before.pool.ready === 2);
    const old = pooled().map(({ machine }) => machine);
    before.stop();
    const after = await stage.start();
    await until(() => old.every((id) => !broker.machines.has(id)));
    expect(after.of(sandbox.owner)[0]?.machines[0]?.view.state).toBe('running');
    expect(broker.machines.size).toBe(1);
  });

  test('by a broker that lost them: they are not given to anybody', async () => {
    const sandboxes = await stage.start(two);
    await until(() => sandboxes.pool.ready === 2);
    const lost = pooled().map(({ machine }) => machine);
    await broker.kill();
    broker.machines.clear();
    await broker.listen();
    await until(() => pooled().length === 2);
    const sandbox = await create(sandboxes);
    expect(lost).not.toContain(sandbox.machines[0]?.id);
    expect(created(sandbox.machines[0]?.id ?? '')).toBeGreaterThan(0);
  });

  test('one that died is not given to anybody, and is cleared away', async () => {
    const sandboxes = await stage.start({ pooledContainers: 1 });
    await until(() => sandboxes.pool.ready === 1);
    const dead = pooled()[0]?.machine ?? '';
    broker.emit({ event: 'machine.exited', machine: dead, reason: 'It was killed.' });
    await until(async () => {
      await sandboxes.pool.fill();
      return !broker.machines.has(dead) && sandboxes.pool.ready === 1;
    });
    expect((await create(sandboxes)).machines[0]?.id).not.toBe(dead);
  });
});
