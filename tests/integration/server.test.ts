// The real server, broker, containers and VMs, as a learner meets them.
import { request as httpRequest } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type WebSocket from 'ws';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import { apiErrorSchema, statusSchema } from '../../sandbox-server/src/protocol/api.ts';
import { encodeFrame } from '../../sandbox-server/src/protocol/frames.ts';
import { patiently } from '../patience.ts';
import { type Census, census } from './census.ts';
import { expected, linesIn, sha256, tenMegabytes, typeFlood } from './flood.ts';
import { Learner, type RemoteTerminal } from './learner.ts';
import { type Stack, startStack } from './stack.ts';

const box = { name: 'box', kind: 'container', columns: 80, rows: 24 } as const;
const vm = { name: 'vm', kind: 'vm', columns: 80, rows: 24 } as const;

let stack: Stack;
let idle: Census;

beforeAll(async () => {
  stack = await startStack();
  idle = census(stack.state, stack.cgroup);
});
afterAll(async () => {
  await stack.stop();
  expect(census(stack.state, stack.cgroup)).toEqual({
    processes: [],
    mounts: [],
    cgroups: [],
    namespaces: [],
  });
});

/** What a test leaves running is ended, so that each begins on an idle stack, but for a machine that several share. */
const learners: Learner[] = [];
let shared = false;
afterEach(async () => {
  for (const learner of learners.splice(0)) {
    const { body } = await learner.ask('GET', apiPaths.sandboxes);
    const { sandboxes = [] } = body as { sandboxes?: { id: string }[] };
    for (const { id } of sandboxes) await learner.end(id);
  }
  if (!shared) expectIdle();
});

function expectIdle() {
  expect(shape(census(stack.state, stack.cgroup))).toEqual(shape(idle));
}

/** A census without what differs between two starts of the same server: pids and the ids of its namespaces. */
function shape({ processes, mounts, cgroups, namespaces }: Census) {
  return { processes: processes.length, mounts, cgroups, namespaces: namespaces.length };
}

async function arrive(): Promise<Learner> {
  const learner = await Learner.arrive(stack.url);
  learners.push(learner);
  return learner;
}

interface Started {
  learner: Learner;
  id: string;
  name: string;
  terminal: string;
  screen: RemoteTerminal;
}

/** A new terminal of a machine, at its prompt. */
async function open(learner: Learner, id: string, name: string): Promise<Started> {
  const terminal = await learner.openTerminal(id, name);
  const screen = learner.terminal(id, name, terminal);
  await screen.attach();
  await screen.see(/[#$] $/);
  return { learner, id, name, terminal, screen };
}

/** A running machine of one kind with a terminal at its prompt. */
async function start(wanted: typeof box | typeof vm, learner: Learner): Promise<Started> {
  const { id } = await learner.create([wanted]);
  await learner.waitFor(id, wanted.name, 'running');
  return open(learner, id, wanted.name);
}

describe('status', () => {
  test('says what the host is, what runs VMs and what there is room for', async () => {
    const learner = await arrive();
    const status = statusSchema.parse((await learner.ask('GET', apiPaths.status)).body);
    expect(status.host).toMatchObject({ vm: { accel: 'tcg' } });
    expect(status.host?.images.map(({ kind }) => kind).sort()).toEqual(['container', 'vm']);
    expect(status.room?.containers).toBeGreaterThan(0);
  });
});

describe.each([box, vm])('a $kind', (wanted) => {
  let machine: Started;
  beforeAll(async () => {
    shared = true;
    machine = await start(wanted, await Learner.arrive(stack.url));
  }, patiently(180_000));
  afterAll(async () => {
    shared = false;
    expect((await machine.learner.end(machine.id)).status).toBe(204);
    expectIdle();
  });
  const another = () => open(machine.learner, machine.id, machine.name);

  test('has a shell, facts of its own, measures on one axis, and a price', {
    timeout: patiently(180_000),
  }, async () => {
    const { learner, id, screen } = await another();
    expect(await screen.run('cat /proc/sys/kernel/hostname')).toBe(wanted.name);
    const release = await screen.run('uname -r');
    const look = async () => (await learner.look(id)).machines[0];
    await expect.poll(async () => (await look())?.facts, { timeout: patiently(20_000) }).not.toBeNull();
    const view = await look();
    expect(view?.facts).toMatchObject({ kernelRelease: release, hostname: wanted.name });
    expect(view?.facts?.pid1).not.toBe('');
    const who = new Set(view?.measures?.steps.map(({ by }) => by));
    expect(who).toContain(wanted.kind === 'vm' ? 'guest' : 'runtime');
    expect(view?.measures?.terminalMs).toBeGreaterThan(0);

    const events = await fetch(stack.url + apiPaths.events(id), { headers: { cookie: learner.cookie } });
    let text = '';
    for await (const chunk of events.body ?? []) {
      text += Buffer.from(chunk).toString();
      if (text.includes('event: stats\n') && text.endsWith('\n\n')) break;
    }
    const stats = JSON.parse(/event: stats\ndata: (.*)/.exec(text)?.[1] ?? '{}').machines[wanted.name];
    expect(stats.hostBytes).toBeGreaterThan(100_000);
    expect(stats.hostProcesses).toBeGreaterThan(0);
  });

  test('prints 10 MB byte for byte', { timeout: patiently(240_000) }, async () => {
    const { screen } = await another();
    expect(sha256(await tenMegabytes(screen))).toBe(expected);
  });

  test('loses nothing when the connection drops again and again', {
    timeout: patiently(180_000),
  }, async () => {
    const { screen } = await another();
    screen.type('for i in $(seq 1 100); do echo line-$i; sleep 0.02; done; echo fi""nished\n');
    for (const mark of [/line-20\r/, /line-40\r/, /line-60\r/]) {
      await screen.see(mark);
      screen.drop();
      await screen.attach();
    }
    await screen.see(/finished/, patiently(60_000));
    expect(screen.losses).toBe(0);
    expect(linesIn(screen.text)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  });

  test('says so when more was printed than is kept, and goes on where the drawn screen ends', {
    timeout: patiently(240_000),
  }, async () => {
    const { learner, id, screen } = await another();
    const other = learner.terminal(id, wanted.name, await learner.openTerminal(id, wanted.name));
    await other.attach();
    typeFlood(screen, { before: 'until [ -e /tmp/go ]; do sleep 0.1; done', after: 'touch /tmp/flooded' });
    await screen.see(/\[\?2004l/); // the shell has taken the line
    screen.drop();
    await other.run('touch /tmp/go; until [ -e /tmp/flooded ]; do sleep 0.1; done', patiently(120_000));
    await screen.attach();
    await screen.see(/:end/);
    expect(screen.losses).toBe(1);
    const [first = '', ...kept] = screen.text.slice(0, screen.text.indexOf(':end')).split('\n');
    expect('0123456789abcde'.endsWith(first)).toBe(true);
    expect(new Set(kept)).toEqual(new Set(['0123456789abcde', '']));
    const drawn = screen.frames.flatMap((frame) => (frame.type === 'snapshot' ? [...frame.bytes] : []));
    const rows =
      Buffer.from(drawn)
        .toString()
        .match(/0123456789abcde/g) ?? [];
    expect(rows.length, 'rows of the screen before').toBeGreaterThan(10);
  });

  test('keeps its shell, and what it prints meanwhile, when the server is killed', {
    timeout: patiently(180_000),
  }, async () => {
    const { learner, id, terminal, screen } = await another();
    const pid = await screen.run('echo $$');
    screen.type('for i in $(seq 1 120); do echo line-$i; sleep 0.02; done; echo fi""nished\n');
    await screen.see(/line-10\r/);
    await stack.killServer();
    await stack.startServer();
    await screen.attach();
    await screen.see(/finished/, patiently(60_000));
    expect(screen.losses).toBe(0);
    expect(linesIn(screen.text)).toEqual(Array.from({ length: 120 }, (_, index) => index + 1));
    expect(await screen.run('echo $$')).toBe(pid);
    const [view] = (await learner.waitFor(id, wanted.name, 'running')).machines;
    expect(view?.terminals).toContainEqual({ terminal, state: 'running' });
  });

  test('takes the size of its viewer, and tells when its shell ends', {
    timeout: patiently(180_000),
  }, async () => {
    const { screen } = await another();
    expect(await screen.run('stty size')).toBe('24 80');
    screen.resize(120, 40);
    await expect.poll(() => screen.frames).toContainEqual({ type: 'size', columns: 120, rows: 40 });
    expect(await screen.run('stty size')).toBe('40 120');
    screen.type('exit 3\n');
    await expect
      .poll(() => screen.frames.at(-1), { timeout: patiently(20_000) })
      .toMatchObject({ type: 'exit', status: 3 });
    await expect.poll(() => screen.closed, { timeout: patiently(20_000) }).toBe(1_000);
  });
});

describe('a server and a broker that die', () => {
  test('both killed and started again: the shell is there, and its container can be ended', async () => {
    const { learner, id, screen } = await start(box, await arrive());
    const pid = await screen.run('echo $$');
    await Promise.all([stack.killServer(), stack.killBroker()]);
    await stack.startBroker();
    await stack.startServer();
    await screen.attach();
    expect(await screen.run('echo $$')).toBe(pid);
    expect((await learner.end(id)).status).toBe(204);
  });

  test('a broker that is away is said, and an answer comes as soon as it is back', async () => {
    const learner = await arrive();
    await stack.killBroker();
    await expect
      .poll(async () => (await learner.ask('POST', apiPaths.sandboxes, { machines: [box] })).status)
      .toBe(503);
    const status = statusSchema.parse((await learner.ask('GET', apiPaths.status)).body);
    expect(status).toMatchObject({ host: null, reason: expect.stringContaining('broker') });
    await stack.startBroker();
    await expect.poll(async () => (await learner.ask('GET', apiPaths.sandboxes)).status).toBe(200);
    await expect
      .poll(async () => statusSchema.parse((await learner.ask('GET', apiPaths.status)).body).host)
      .not.toBeNull();
  });
});

describe('who may', () => {
  const refusal = (socket: WebSocket) =>
    new Promise<number>((resolve, reject) => {
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
      socket.on('open', () => reject(new Error('the upgrade was granted')));
      socket.on('error', () => {});
    });

  test('nobody but the learner: foreign pages, foreign names, other learners, forged cookies', async () => {
    const { learner, id, terminal } = await start(box, await arrive());
    const attach = (headers: Record<string, string | undefined>) =>
      refusal(learner.socket(id, 'box', terminal, headers));
    expect(await attach({ origin: 'http://evil.example' })).toBe(403);
    expect(await attach({ origin: 'null' })).toBe(403);
    expect(await attach({ origin: undefined })).toBe(403);
    expect(await attach({ host: 'evil.example', origin: 'http://evil.example' })).toBe(403);
    expect(await attach({ cookie: undefined })).toBe(401);
    expect(await attach({ cookie: `${learner.cookie.slice(0, -2)}AA` })).toBe(401);
    const other = await arrive();
    expect(await attach({ cookie: other.cookie })).toBe(404);
    expect((await other.ask('GET', apiPaths.sandbox(id))).status).toBe(404);
    expect((await other.end(id)).status).toBe(404);
    expect((await learner.look(id)).machines[0]?.state).toBe('running');
  });

  test('a page behind a name that was made to point here gets nothing', async () => {
    const { port } = new URL(stack.url);
    const status = await new Promise((resolve, reject) => {
      const options = { headers: { host: `rebound.example:${port}` } };
      httpRequest(`${stack.url}/`, options, (response) => resolve(response.resume().statusCode))
        .on('error', reject)
        .end();
    });
    expect(status).toBe(403);
  });

  test('a third sandbox is refused with what to do', async () => {
    const learner = await arrive();
    await learner.create([box]);
    await learner.create([box]);
    const { status, body } = await learner.ask('POST', apiPaths.sandboxes, { machines: [box] });
    expect(status).toBe(429);
    expect(apiErrorSchema.parse(body).error).toMatchObject({ code: 'quota' });
  });

  test('malformed JSON is a 400, malformed frames a close code, and the shell does not notice', async () => {
    const { learner, id, terminal, screen } = await start(box, await arrive());
    expect((await learner.ask('POST', apiPaths.sandboxes, '{"machines":')).status).toBe(400);
    const unknown = await learner.ask('POST', apiPaths.sandboxes, { machines: [{ ...box, image: '/etc' }] });
    expect(apiErrorSchema.parse(unknown.body).error.field).toBe('machines.0.image');
    for (const frame of [
      Uint8Array.of(0xff),
      encodeFrame({ type: 'role', mayType: true }),
      encodeFrame({ type: 'input', bytes: Buffer.from('touch /tmp/not-attached\n') }),
      new Uint8Array(0),
    ]) {
      const socket = learner.socket(id, 'box', terminal);
      socket.on('open', () => socket.send(frame));
      expect(await new Promise((resolve) => socket.on('close', resolve))).toBe(4_400);
    }
    expect(await screen.run('ls /tmp')).toBe('');
  });
});

describe('DELETE', () => {
  test('ends container and VM together, and nothing is left of them', {
    timeout: patiently(180_000),
  }, async () => {
    const learner = await arrive();
    const { id } = await learner.create([box, vm]);
    await learner.waitFor(id, 'vm', 'running');
    expect(census(stack.state, stack.cgroup).processes.length).toBeGreaterThan(idle.processes.length);
    expect((await learner.end(id)).status).toBe(204);
    expectIdle();
  });

  test('works in the middle of a VM boot', { timeout: patiently(60_000) }, async () => {
    const learner = await arrive();
    const { id } = await learner.create([vm]);
    expect((await learner.end(id)).status).toBe(204);
    expectIdle();
  });
});
