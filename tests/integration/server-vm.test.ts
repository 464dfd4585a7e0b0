// What a learner does with a VM and with nothing else, through the server: begin it as a copy, move it, go back in time.
import { once } from 'node:events';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import {
  moveFiguresSchema,
  previewOpenedSchema,
  type Sandbox,
  snapshotListSchema,
} from '../../sandbox-server/src/protocol/api.ts';
import { patiently } from '../patience.ts';
import { census } from './census.ts';
import { Learner, type RemoteTerminal } from './learner.ts';
import { type Stack, startStack } from './stack.ts';

let stack: Stack;
let learner: Learner;
let sandbox: Sandbox;
let terminal: RemoteTerminal;

beforeAll(async () => {
  stack = await startStack({ server: ['--preview-port', '0'] });
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
  await expect.poll(() => terminal.closed, { timeout: patiently(20_000) }).not.toBeNull();
  await terminal.attach();
};

/** The first words of what a machine serves at a port, as its learner's browser gets them. */
async function shown(name: string, port: number): Promise<{ status: number; text: string }> {
  const answer = await learner.ask('POST', apiPaths.previews(sandbox.id, name), { port });
  const url = new URL(previewOpenedSchema.parse(answer.body).url);
  const get = async (path: string, headers: Record<string, string>) => {
    const request = requestHttp({
      host: '127.0.0.1',
      port: url.port,
      path,
      headers: { host: url.host, ...headers },
    });
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    let text = '';
    for await (const piece of response.setEncoding('utf8')) text += piece;
    return { status: response.statusCode ?? 0, text, cookie: response.headers['set-cookie']?.[0] ?? '' };
  };
  const { cookie } = await get(url.pathname + url.search, {});
  return get('/', { cookie: cookie.split(';', 1)[0] ?? '' });
}

describe('a VM that begins as a copy', () => {
  test('shows how: no kernel of its own was booted for it', () => {
    const steps = view().measures?.steps.map(({ by, step }) => `${by}: ${step}`) ?? [];
    for (const step of ['copy the template', 'start QEMU', 'restore', 'identity'])
      expect(steps).toContain(`broker: ${step}`);
    expect(steps.filter((step) => step.startsWith('guest:'))).toEqual([]);
  });

  test('serves what is looked at through the link, as much as there is', async () => {
    const silent = await shown('vm', 8000);
    expect(silent).toMatchObject({
      status: 502,
      text: expect.stringContaining('Nothing listens on port 8000 of vm'),
    });
    // More than the link would hold for a reader that it does not hear from.
    await terminal.run(
      'mkdir w; head -c 3000000 /dev/zero | tr "\\0" x > w/index.html; busybox httpd -p 8000 -h w',
    );
    const { status, text } = await shown('vm', 8000);
    expect({ status, length: text.length }).toEqual({ status: 200, length: 3_000_000 });
  });

  test('stands still when it is frozen, and goes on where it was, with the clock of now', async () => {
    await terminal.run('kept=still');
    const frozen = await learner.ask('POST', apiPaths.freeze(sandbox.id, 'vm'));
    expect(frozen).toMatchObject({ status: 200, body: { state: 'frozen' } });
    expect((await shown('vm', 8000)).status).toBe(409);
    const refused = await learner.ask('POST', apiPaths.migration(sandbox.id, 'vm'));
    expect(refused.status).toBe(409);
    await stack.killServer();
    await stack.killBroker();
    await stack.startBroker();
    await stack.startServer();
    await look();
    expect(view()).toMatchObject({ state: 'frozen', reason: expect.stringContaining('frozen') });
    const from = Date.now(); // its own clock has stood since it was frozen
    expect(await learner.ask('POST', apiPaths.thaw(sandbox.id, 'vm'))).toMatchObject({
      status: 200,
      body: { state: 'running' },
    });
    await comeBack();
    expect(await terminal.run('echo "kept $kept"')).toContain('kept still');
    expect(Number(await terminal.run('date +%s'))).toBeGreaterThanOrEqual(Math.floor(from / 1_000));
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
