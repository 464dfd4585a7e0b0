// What a full host does, and what a pool of machines does, on a real broker: places in the queue, room that is given up, and
// nothing left behind when the server is killed.
import { afterEach, describe, expect, test } from 'vitest';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import {
  apiErrorSchema,
  type Sandbox,
  statusSchema,
  type Ticket,
  ticketSchema,
} from '../../sandbox-server/src/protocol/api.ts';
import { patiently } from '../patience.ts';
import { census } from './census.ts';
import { Learner } from './learner.ts';
import { type Stack, type StackOptions, startStack } from './stack.ts';

const box = { name: 'box', kind: 'container', columns: 80, rows: 24 } as const;
const within = { timeout: patiently(20_000), interval: 50 };

let stack: Stack | undefined;
afterEach(async () => {
  const { state = '', cgroup = '' } = stack ?? {};
  await stack?.stop();
  stack = undefined;
  const nothing = { processes: [], mounts: [], cgroups: [], namespaces: [] };
  expect(census(state, cgroup)).toEqual(nothing);
});
const start = async (options: StackOptions) => {
  stack = await startStack(options);
  return stack;
};

const status = async (learner: Learner) =>
  statusSchema.parse((await learner.ask('GET', apiPaths.status)).body);

/** Asks for a box where there is no room. */
async function queueUp(learner: Learner): Promise<Ticket> {
  const { status: code, body } = await learner.ask('POST', apiPaths.sandboxes, { machines: [box] });
  expect(code, JSON.stringify(body)).toBe(202);
  return ticketSchema.parse(body);
}

const lookAt = async (learner: Learner, { ticket }: Ticket) =>
  ticketSchema.parse((await learner.ask('GET', apiPaths.ticket(ticket))).body);

/** Types in the first terminal of a box, which has to be a shell. */
async function shellOf(learner: Learner, { id, machines }: Sandbox) {
  const screen = learner.terminal(id, 'box', machines[0]?.terminals[0]?.terminal ?? '');
  await screen.attach();
  await screen.see(/[#$] $/);
  return screen;
}

describe('a host with room for two', () => {
  test('queues the others, lets them in one by one, and forgets who has gone', async () => {
    const { url } = await start({ broker: ['--max-machines', '2'] });
    const [ada, bob, cyd, dan] = await Promise.all([1, 2, 3, 4].map(() => Learner.arrive(url)));
    if (!ada || !bob || !cyd || !dan) throw new Error('nobody came');
    const first = await ada.create([box]);
    const second = await bob.create([box]);
    const third = await queueUp(cyd);
    const fourth = await queueUp(dan);
    expect([third.place, fourth.place]).toEqual([1, 2]);
    expect(third.reason).toBe('All 2 machines of this host are in use.');
    expect((await status(cyd)).you.waiting).toMatchObject([{ ticket: third.ticket, place: 1 }]);
    expect((await ada.ask('GET', apiPaths.ticket(third.ticket))).status).toBe(404);

    await ada.end(first.id);
    await expect.poll(async () => (await lookAt(cyd, third)).state, within).toBe('admitted');
    expect((await lookAt(dan, fourth)).place).toBe(1);
    const { sandbox } = await lookAt(cyd, third);
    const screen = await shellOf(cyd, await cyd.look(sandbox ?? ''));
    expect(await screen.run('echo in-$((40+2))')).toBe('in-42');

    expect((await dan.ask('DELETE', apiPaths.ticket(fourth.ticket))).status).toBe(204);
    await bob.end(second.id);
    await expect.poll(async () => (await status(dan)).room?.containers, within).toBe(1);
    expect((await status(dan)).you).toMatchObject({ sandboxes: [], waiting: [] });
  });

  test('refuses what it never has room for, and says what that is', async () => {
    const { url } = await start({ broker: ['--max-machines', '2'] });
    const learner = await Learner.arrive(url);
    const machines = ['a', 'b', 'c'].map((name) => ({ ...box, name }));
    const { status: code, body } = await learner.ask('POST', apiPaths.sandboxes, { machines });
    expect([code, apiErrorSchema.parse(body).error.code]).toEqual([422, 'too_big']);
  });

  test('knows after the server was killed who is inside; who waited asks again, and waits on', async () => {
    const running = await start({ broker: ['--max-machines', '1'] });
    const [ada, bob] = await Promise.all([Learner.arrive(running.url), Learner.arrive(running.url)]);
    const { id } = await ada.create([box]);
    const before = await queueUp(bob);
    await running.killServer();
    await running.startServer();
    expect((await bob.ask('GET', apiPaths.ticket(before.ticket))).status).toBe(404);
    const again = await queueUp(bob);
    expect(again.place).toBe(1);
    await ada.end(id);
    await expect.poll(async () => (await lookAt(bob, again)).state, within).toBe('admitted');
  });
});

describe('a pool', () => {
  const ready = async (learner: Learner) => (await status(learner)).room?.ready;
  const groups = ({ state, cgroup }: Stack) => census(state, cgroup).cgroups.length;

  test('gives a click a shell that was at its prompt already, to one learner only, and fills up again', async () => {
    const { url } = await start({ server: ['--pool', '2'] });
    const learners = await Promise.all([1, 2, 3].map(() => Learner.arrive(url)));
    const [first] = learners;
    if (!first) throw new Error('nobody came');
    await expect.poll(() => ready(first), within).toBe(2);
    const sandboxes = await Promise.all(learners.map((learner) => learner.create([box])));
    const pooled = sandboxes.filter(({ machines }) => machines[0]?.measures?.pooledAt !== null);
    expect(pooled.length).toBe(2);
    for (const [index, sandbox] of sandboxes.entries()) {
      const learner = learners[index];
      if (!learner) continue;
      const screen = await shellOf(learner, sandbox);
      expect(await screen.run('cat /proc/sys/kernel/hostname')).toBe('box');
      await screen.run(`touch /tmp/mine-${index}`);
      expect(await screen.run('echo /tmp/mine-*')).toBe(`/tmp/mine-${index}`);
    }
    const [one] = pooled;
    const steps = one?.machines[0]?.measures?.steps.map(({ step }) => step) ?? [];
    expect(steps).toContain('make container');
    await expect.poll(() => ready(first), within).toBe(2);
  });

  test('is ended by the server that comes after one that was killed, while a claimed machine lives on', async () => {
    const running = await start({ server: ['--pool', '2'] });
    const learner = await Learner.arrive(running.url);
    await expect.poll(() => ready(learner), within).toBe(2);
    const sandbox = await learner.create([box]);
    const screen = await shellOf(learner, sandbox);
    const pid = await screen.run('echo $$');
    await expect.poll(() => ready(learner), within).toBe(2);
    const full = groups(running);
    await running.killServer();
    await running.startServer();
    await expect.poll(() => ready(learner), within).toBe(2);
    await expect.poll(() => groups(running), within).toBe(full);
    await screen.attach();
    expect(await screen.run('echo $$')).toBe(pid);
    expect((await learner.look(sandbox.id)).machines[0]?.state).toBe('running');
  });

  test('survives its broker, and gives up its room before a learner has to wait', async () => {
    const running = await start({ server: ['--pool', '2'], broker: ['--max-machines', '4'] });
    const learner = await Learner.arrive(running.url);
    await expect.poll(() => ready(learner), within).toBe(2);
    await running.killBroker();
    await running.startBroker();
    await expect.poll(async () => (await status(learner)).room?.containers, within).toBe(4);
    const machines = ['a', 'b', 'c', 'd'].map((name) => ({ ...box, name }));
    const sandbox = await learner.create(machines);
    expect(sandbox.machines.map(({ state }) => state)).toEqual(Array(4).fill('running'));
    expect(await ready(learner)).toBe(0);
  });
});

describe('limits', () => {
  test('of an address hold for everybody there; a proxy that is trusted tells them apart', async () => {
    const proxied = ['--trust-proxy', '127.0.0.1', '--sandboxes-per-address', '1'];
    const { url } = await start({ server: proxied });
    const from = async (address: string) => {
      const learner = await Learner.arrive(url);
      const headers = { cookie: learner.cookie, origin: url, 'content-type': 'application/json' };
      const body = JSON.stringify({ machines: [box] });
      const request = { method: 'POST', body, headers: { ...headers, 'x-forwarded-for': address } };
      return (await fetch(url + apiPaths.sandboxes, request)).status;
    };
    expect(await from('2001:db8:1:2::7')).toBe(201);
    expect(await from('2001:db8:1:2:ffff::9')).toBe(429);
    expect(await from('198.51.100.4')).toBe(201);
    expect(await from('198.51.100.4, 198.51.100.5')).toBe(201);
  });
});
