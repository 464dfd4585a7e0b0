// What a page that follows a sandbox is told of its machines: figures, what befell them, and the host's view.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import { hostViewSchema, type Notice, type Sandbox } from '../../sandbox-server/src/protocol/api.ts';
import { Events } from './events.ts';
import { Learner } from './learner.ts';
import { type Stack, startStack } from './stack.ts';

describe('a page that follows a sandbox', () => {
  let stack: Stack;
  let learner: Learner;
  let sandbox: Sandbox;
  let events: Events;
  beforeAll(async () => {
    stack = await startStack();
    learner = await Learner.arrive(stack.url);
    sandbox = await learner.create([{ name: 'box', kind: 'container', columns: 80, rows: 24 }]);
    events = await Events.follow(stack.url, learner.cookie, sandbox.id, ['box']);
  });
  afterAll(async () => {
    events?.close();
    await stack?.stop();
  });

  const run = (...command: string[]) =>
    learner.ask('POST', apiPaths.exec(sandbox.id, 'box'), { command, timeoutMs: 30_000 });
  const notice = async (kind: Notice['kind']) => {
    const { event } = await events.when(
      ({ event, data }) => event === 'notice' && data.kind === kind,
      `notice: ${kind}`,
    );
    return event.data;
  };

  test('is told its figures, and why one of them is missing', async () => {
    const { event } = await events.when(({ event }) => event === 'stats', 'stats');
    if (event.event !== 'stats') throw new Error('not stats');
    const { box } = event.data.machines;
    expect(box).toMatchObject({ oomKills: 0, pidsLimit: 256, memoryLimitBytes: 268_435_456 });
    expect(box?.throttling?.periods).toBeGreaterThanOrEqual(0);
    expect(box?.memoryAnonBytes).toBeGreaterThan(0);
    expect(box?.pressure === null).toBe(box?.pressureMissing !== null);
  });

  test('is told that the kernel ended a process because memory was full', async () => {
    await run('python3', '-c', 'a = bytearray(400 << 20)');
    expect(await notice('oom')).toMatchObject({
      ...{ machine: 'box', by: 'host', count: 1 },
      text: 'The kernel ended 1 process in box because memory was full: it may have 256 MiB.',
    });
  });

  test('is told that the kernel refused a process', async () => {
    const forks = `import os, time
try:
    while os.fork(): pass
    time.sleep(1000)
except OSError:
    os.kill(0, 9)`;
    await run('setsid', '--wait', 'python3', '-c', forks);
    expect(await notice('pids')).toMatchObject({ machine: 'box', count: 1 });
  });

  test("sees the host's view, and sees it change", async () => {
    const shows = (command: RegExp) =>
      events.when(
        ({ event, data }) =>
          event === 'view' && data.outside.processes.some((process) => command.test(process.command)),
        `view with ${command}`,
      );
    const { event } = await shows(/catatonit/);
    if (event.event !== 'view') throw new Error('not a view');
    const { outside, inside } = event.data;
    expect(inside).toBeNull();
    const init = outside.processes.find(({ pids }) => pids.at(-1) === 1);
    const [machine] = (await learner.look(sandbox.id)).machines;
    expect(init?.pids[0]).toBe(machine?.hostPid);
    expect(init).toMatchObject({ seccomp: 2, noNewPrivs: true, parent: null });
    const running = run('sleep', '4711');
    const { at } = await shows(/^sleep 4711/);
    await learner.ask('POST', apiPaths.restart(sandbox.id, 'box'), {});
    await running;
    const gone = await events.when(
      ({ event, data }) =>
        event === 'view' && !data.outside.processes.some(({ command }) => /^sleep 4711/.test(command)),
      'view without sleep',
      at,
    );
    expect(gone.at).toBeGreaterThan(at);
  });

  test('of somebody else sees nothing', async () => {
    const own = await learner.ask('GET', apiPaths.view(sandbox.id, 'box'));
    expect(hostViewSchema.parse(own.body).outside.total).toBeGreaterThan(0);
    const stranger = await Learner.arrive(stack.url);
    expect((await stranger.ask('GET', apiPaths.view(sandbox.id, 'box'))).status).toBe(404);
    for (const [path, status] of [
      [apiPaths.view(sandbox.id, 'nobody'), 404],
      [apiPaths.events(sandbox.id, ['nobody']), 404],
      [apiPaths.events(sandbox.id, ['../box']), 400],
      [`${apiPaths.events(sandbox.id)}?look=box`, 400],
    ] as const)
      expect((await learner.ask('GET', path)).status, path).toBe(status);
  });
});
