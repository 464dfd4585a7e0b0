// What a learner does with a VM and with nothing else, through the server: begin it as a copy, move it, go back in time.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import {
  moveFiguresSchema,
  type Sandbox,
  snapshotListSchema,
} from '../../sandbox-server/src/protocol/api.ts';
import { census } from './census.ts';
import { Learner, type RemoteTerminal } from './learner.ts';
import { type Stack, startStack } from './stack.ts';

let stack: Stack;
let learner: Learner;
let sandbox: Sandbox;
let terminal: RemoteTerminal;

beforeAll(async () => {
  stack = await startStack();
  learner = await Learner.arrive(stack.url);
  const machines = [
    { name: 'box', kind: 'container' },
    { name: 'vm', kind: 'vm', start: 'template', columns: 80, rows: 24 },
  ] as const;
  sandbox = await learner.create([...machines]);
  sandbox = await learner.waitFor(sandbox.id, 'vm', 'running');
  terminal = learner.terminal(sandbox.id, 'vm', view().terminals[0]?.terminal ?? '');
  await terminal.attach();
  await terminal.see(/# $/);
});
afterAll(async () => {
  const { state, cgroup } = stack;
  await stack.stop();
  expect(census(state, cgroup)).toEqual({ processes: [], mounts: [], cgroups: [], namespaces: [] });
});

const view = (name = 'vm') => {
  const machine = sandbox.machines.find((one) => one.name === name);
  if (!machine) throw new Error(`no machine ${name}`);
  return machine;
};
const look = async () => {
  sandbox = await learner.look(sandbox.id);
};
/** As a page does when its connection was lost. */
const comeBack = async () => {
  await expect.poll(() => terminal.closed, { timeout: 20_000 }).not.toBeNull();
  await terminal.attach();
};

describe('a VM that begins as a copy', () => {
  test('shows how: no kernel of its own was booted for it', () => {
    const steps = view().measures?.steps.map(({ by, step }) => `${by}: ${step}`) ?? [];
    for (const step of ['copy the template', 'start QEMU', 'restore', 'identity'])
      expect(steps).toContain(`broker: ${step}`);
    expect(steps.filter((step) => step.startsWith('guest:'))).toEqual([]);
  });

  test('is moved, and its shell with it; the page learns how far it is and which process it is now', async () => {
    const before = view().hostPid;
    await terminal.run('kept=$((6 * 7))');
    const answer = await learner.ask('POST', apiPaths.migration(sandbox.id, 'vm'));
    expect(answer.status).toBe(200);
    const figures = moveFiguresSchema.parse(answer.body);
    expect(figures).toMatchObject({ status: 'completed', remainingBytes: 0 });
    await comeBack();
    expect(await terminal.run('echo "kept $kept"')).toContain('kept 42');
    await look();
    expect(view()).toMatchObject({ state: 'running' });
    expect(view().hostPid).not.toBe(before);
  });

  test('goes back to a snapshot: shell, files and all', async () => {
    await terminal.run('echo early > note');
    expect((await learner.ask('PUT', apiPaths.snapshot(sandbox.id, 'vm', 'first'))).status).toBe(201);
    const { body } = await learner.ask('GET', apiPaths.snapshots(sandbox.id, 'vm'));
    expect(snapshotListSchema.parse(body).snapshots).toMatchObject([{ snapshot: 'first' }]);

    await terminal.run('echo late > note; kept=lost');
    const back = await learner.ask('POST', `${apiPaths.snapshot(sandbox.id, 'vm', 'first')}/restore`);
    expect(back).toEqual({ status: 204, body: null });
    await comeBack();
    expect(await terminal.run('echo "$(cat note) and $kept"')).toContain('early and 42');
    await look();
    expect(view()).toMatchObject({ state: 'running', reason: null });
  });

  test.each([
    ['a container', 'POST', (id: string) => apiPaths.migration(id, 'box'), 501, /is a container/],
    [
      'a machine that is not there',
      'POST',
      (id: string) => apiPaths.migration(id, 'nobody'),
      404,
      /no machine/,
    ],
    [
      'a name of no snapshot',
      'PUT',
      (id: string) => apiPaths.snapshot(id, 'vm', 'A_b'),
      400,
      /1 to 27 of a-z/,
    ],
    [
      'a name that is taken',
      'PUT',
      (id: string) => apiPaths.snapshot(id, 'vm', 'first'),
      409,
      /delete it first/,
    ],
    [
      'a snapshot that is not there',
      'DELETE',
      (id: string) => apiPaths.snapshot(id, 'vm', 'none'),
      404,
      /none/,
    ],
    [
      'a move that is not under way',
      'DELETE',
      (id: string) => apiPaths.migration(id, 'vm'),
      404,
      /not being moved/,
    ],
  ])('%s is refused, and the VM runs on', async (_what, method, path, status, message) => {
    const answer = await learner.ask(method, path(sandbox.id));
    expect(answer).toMatchObject({ status, body: { error: { message: expect.stringMatching(message) } } });
    await look();
    expect(view().state).toBe('running');
  });

  test('only a VM has a way to start', async () => {
    const machines = [{ name: 'box', kind: 'container', start: 'template' }];
    const answer = await learner.ask('POST', apiPaths.sandboxes, { machines });
    expect(answer).toMatchObject({ status: 400, body: { error: { field: 'machines.0.start' } } });
  });
});
