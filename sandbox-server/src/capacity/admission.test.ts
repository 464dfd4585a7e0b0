import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newId } from '../ids.ts';
import type { CreateSandbox } from '../protocol/api.ts';
import type { Policy } from '../sandboxes/policy.ts';
import { Sandbox } from '../sandboxes/sandbox.ts';
import { probe, Refusal, type ScriptedBroker, until } from '../testing/scripted-broker.ts';
import { ask, create, oneBox, queueUp, type Stage, setStage } from '../testing/stage.ts';

const twoBoxes: CreateSandbox = { machines: [...oneBox.machines, { name: 'other', kind: 'container' }] };

let stage: Stage;
let broker: ScriptedBroker;
/** How many machines the broker may have; a test may change it. */
let most: number;
beforeEach(async () => {
  stage = await setStage();
  broker = stage.broker;
  most = 1;
  broker.on('probe', () => ({ ...probe, maxima: { ...probe.maxima, machines: most } }));
});
afterEach(() => stage.close());

const made = () => broker.requests.filter((request) => request.startsWith('container.create')).length;

/** A host with one machine, which is somebody's. */
async function full(policy: Partial<Policy> = {}) {
  const sandboxes = await stage.start(policy);
  return { sandboxes, first: await create(sandboxes) };
}

describe('a host that is full', () => {
  test('gives a place in the queue, with the reason, before anything is made', async () => {
    const { sandboxes, first } = await full();
    const { queue } = sandboxes;
    const second = await queueUp(sandboxes);
    const third = await queueUp(sandboxes);
    expect(queue.view(second)).toMatchObject({
      ...{ state: 'waiting', place: 1, waiting: 2, expectedAt: null, sandbox: null },
      reason: 'All 1 machines of this host are in use.',
      latestAt: first.view.latestAt,
      machines: [{ name: 'box', kind: 'container' }],
    });
    expect(queue.view(third)).toMatchObject({ place: 2, waiting: 2 });
    expect(made()).toBe(1);
    const room = sandboxes.room(await sandboxes.probe());
    expect(room).toMatchObject({ containers: 0, vms: 0, waiting: 2, reason: expect.any(String) });
  });

  test('lets in whoever has waited longest, by itself, and tells them', async () => {
    const { sandboxes, first } = await full();
    const second = await queueUp(sandboxes);
    const third = await queueUp(sandboxes);
    const told: string[] = [];
    second.changes.add(({ state, place }) => told.push(`${state} ${place}`));
    await sandboxes.end(first, 'You ended it.');
    await until(() => second.state === 'admitted');
    const owner = second.asker.owner;
    expect(sandboxes.of(owner)[0]).toMatchObject({ id: second.sandbox, owner });
    expect(told.at(-1)).toBe('admitted 0');
    expect(sandboxes.queue.view(third)).toMatchObject({ state: 'waiting', place: 1, waiting: 1 });
  });

  test('lets nobody overtake: not who asks later, not who asks for less, not who asks twice', async () => {
    most = 2;
    const sandboxes = await stage.start();
    const first = await create(sandboxes);
    const big = await queueUp(sandboxes, twoBoxes);
    // There is room for one, but it is not theirs.
    const small = await queueUp(sandboxes);
    const again = await queueUp(sandboxes, oneBox, big.asker.owner);
    expect(sandboxes.queue.waiting).toEqual([big, small, again]);
    expect(small.reason).toBe('Somebody else waits for room on this host.');
    await sandboxes.end(first, 'You ended it.');
    await until(() => big.state === 'admitted');
    expect([small.state, again.state]).toEqual(['waiting', 'waiting']);
  });

  test('the same wish keeps its place: a page was reloaded, or sent it twice', async () => {
    const { sandboxes } = await full();
    const ticket = await queueUp(sandboxes);
    await queueUp(sandboxes);
    expect(await queueUp(sandboxes, structuredClone(oneBox), ticket.asker.owner)).toBe(ticket);
    expect(sandboxes.queue.view(ticket).place).toBe(1);
    expect(sandboxes.queue.of(ticket.asker.owner)).toEqual([ticket]);
  });

  test('a place that is left is the next one’s', async () => {
    const { sandboxes, first } = await full();
    const second = await queueUp(sandboxes);
    const third = await queueUp(sandboxes);
    sandboxes.leaveQueue(second);
    expect(second.state).toBe('left');
    expect(() => sandboxes.queue.get(second.asker.owner, second.id)).toThrow(/no such place/);
    await sandboxes.end(first, 'You ended it.');
    await until(() => third.state === 'admitted');
    expect(sandboxes.of(second.asker.owner)).toEqual([]);
  });

  test('a place is its learner’s, counts for the quota, and is found again by a recovery code', async () => {
    const { sandboxes } = await full({ sandboxesPerLearner: 1 });
    const ticket = await queueUp(sandboxes);
    const { owner } = ticket.asker;
    expect(() => sandboxes.queue.get(newId(), ticket.id)).toThrow(/no such place/);
    const other: CreateSandbox = { machines: [{ name: 'b', kind: 'container' }] };
    await expect(ask(sandboxes, other, owner)).rejects.toMatchObject({ code: 'quota', status: 429 });
    const known = newId();
    sandboxes.handOver(owner, known);
    expect(sandboxes.queue.of(known)).toEqual([ticket]);
  });

  test('the queue is bounded, and says when to come back', async () => {
    const { sandboxes } = await full({ waiting: 1 });
    await queueUp(sandboxes);
    await expect(ask(sandboxes)).rejects.toMatchObject({ code: 'full', status: 503, retryAfter: 30 });
  });

  test('refuses at once what it never has room for', async () => {
    const { sandboxes } = await full();
    await expect(ask(sandboxes, twoBoxes)).rejects.toMatchObject({
      ...{ code: 'too_big', status: 422 },
      message: expect.stringContaining('2 machines, where 1 may run'),
    });
    expect(sandboxes.queue.waiting).toEqual([]);
  });
});

describe('never half-way', () => {
  test('a broker that is fuller than the books keeps everybody waiting, and nothing is left of the attempt', async () => {
    most = 4;
    const sandboxes = await stage.start();
    const make = broker.methodOf('container.create');
    broker.on('container.create', (params) => {
      if (params.hostname === 'other') throw new Refusal('limit', 'no user ids are left');
      return make(params);
    });
    const ticket = await queueUp(sandboxes, twoBoxes);
    expect(ticket.reason).toContain('no user ids are left');
    expect(broker.machines.size).toBe(0);
    expect(sandboxes.of(ticket.asker.owner)).toEqual([]);
    expect(sandboxes.queue.view(ticket)).toMatchObject({ state: 'waiting', place: 1 });
  });

  test('what cannot be made when its turn comes is refused with the reason, and the next is let in', async () => {
    const { sandboxes, first } = await full();
    const unlucky = await queueUp(sandboxes, { machines: [{ name: 'bad', kind: 'container' }] });
    const next = await queueUp(sandboxes);
    const make = broker.methodOf('container.create');
    broker.on('container.create', (params) => {
      if (params.hostname === 'bad') throw new Refusal('failed', 'the runtime said no');
      return make(params);
    });
    await sandboxes.end(first, 'You ended it.');
    await until(() => next.state === 'admitted');
    expect(unlucky).toMatchObject({ state: 'refused', reason: 'the runtime said no' });
  });

  test('fifty who ask at once for a host of ten get ten sandboxes and forty places, each its own', async () => {
    most = 10;
    const sandboxes = await stage.start();
    const got = await Promise.all(Array.from({ length: 50 }, () => ask(sandboxes)));
    expect(got.filter((one) => one instanceof Sandbox)).toHaveLength(10);
    expect(made()).toBe(10);
    expect(sandboxes.queue.waiting.map((one) => sandboxes.queue.view(one).place)).toEqual(
      Array.from({ length: 40 }, (_, index) => index + 1),
    );
  });

  test('machines on the host that are nobody’s here take their place', async () => {
    const record = { kind: 'container' as const, image: 'base', hostname: 'x', state: 'running' as const };
    const rest = { exit: null, limits: {}, labels: {}, created_ms: 1, pid: 7, terminals: [] };
    broker.machines.set('foreign', { machine: 'foreign', ...record, ...rest });
    const sandboxes = await stage.start();
    await until(() => sandboxes.foreign === 1);
    expect((await queueUp(sandboxes)).reason).toBe('All 1 machines of this host are in use.');
  });
});

describe('limits', () => {
  test('an address has so many sandboxes, whoever asks there; another has its own', async () => {
    most = 8;
    const sandboxes = await stage.start({ sandboxesPerAddress: 2 });
    await Promise.all([create(sandboxes), create(sandboxes)]);
    await expect(ask(sandboxes)).rejects.toMatchObject({ code: 'rate', status: 429, retryAfter: 60 });
    expect(await ask(sandboxes, oneBox, newId(), '198.51.100.7')).toBeInstanceOf(Sandbox);
  });

  test('also after the server was started again', async () => {
    most = 8;
    const before = await stage.start({ sandboxesPerAddress: 1 });
    await create(before);
    before.stop();
    const after = await stage.start({ sandboxesPerAddress: 1 });
    await expect(ask(after)).rejects.toMatchObject({ code: 'rate' });
  });
});
