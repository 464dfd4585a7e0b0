// What a learner does with a container in a VM and with nothing else, through the server: have it go on in another VM with the
// terminal that is open on it, find it there again, and go back to a checkpoint of it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiPaths, attachClose } from '../../sandbox-server/src/protocol/addresses.ts';
import {
  checkpointedSchema,
  checkpointListSchema,
  containerMovedSchema,
  type Sandbox,
} from '../../sandbox-server/src/protocol/api.ts';
import { patiently } from '../patience.ts';
import { census } from './census.ts';
import { Learner, type RemoteTerminal } from './learner.ts';
import { type Stack, startStack } from './stack.ts';

const LIMIT_MS = patiently(180_000);
const size = { columns: 80, rows: 24 };

let stack: Stack;
let learner: Learner;
let sandbox: Sandbox;
let terminal: RemoteTerminal;

beforeAll(async () => {
  stack = await startStack();
  learner = await Learner.arrive(stack.url);
  sandbox = await learner.create([
    { name: 'one', kind: 'vm', start: 'template' },
    { name: 'two', kind: 'vm', start: 'template', ...size },
    { name: 'box', kind: 'container', in: 'one', ...size },
    { name: 'plain', kind: 'container' },
  ]);
  for (const { name } of sandbox.machines) {
    sandbox = await learner.waitFor(sandbox.id, name, 'running', LIMIT_MS);
  }
  terminal = learner.terminal(sandbox.id, 'box', view().terminals[0]?.terminal ?? '');
  await terminal.attach();
  await terminal.see(/# $/);
}, LIMIT_MS);
afterAll(async () => {
  const { state, cgroup } = stack;
  await stack.stop();
  expect(census(state, cgroup)).toEqual({ processes: [], mounts: [], cgroups: [], namespaces: [] });
});

const view = (name = 'box') => {
  const machine = sandbox.machines.find((one) => one.name === name);
  if (!machine) throw new Error(`no machine ${name}`);
  return machine;
};
const look = async () => {
  sandbox = await learner.look(sandbox.id);
};
/** As a page does: its connection was lost, and it has what it has. */
const comeBack = async () => {
  await expect.poll(() => terminal.closed, { timeout: LIMIT_MS }).not.toBeNull();
  await terminal.attach();
};
const ticks = () => [...terminal.text.matchAll(/^tick-(\d+)\r$/gm)].map(([, number]) => Number(number));
const goesOn = async () => {
  await terminal.see(new RegExp(`tick-${(ticks().at(-1) ?? 0) + 5}\\r`), LIMIT_MS);
  expect(ticks()).toEqual(ticks().map((_, index) => index));
};

describe('a container in a VM', () => {
  test('goes on in another VM, and the terminal that is open on it with every line', {
    timeout: LIMIT_MS,
  }, async () => {
    // Of one process: what a shell between two commands means for CRIU, checkpoint.ts tells.
    terminal.type('exec 9<> <(:); n=0; while ! read -rt 0.05 -u 9; do echo tick-$((n++)); done\n');
    await terminal.see(/tick-5\r/, LIMIT_MS);
    const answer = await learner.ask('POST', apiPaths.move(sandbox.id, 'box'), { to: 'two' });
    expect(answer.status).toBe(200);
    const { bytes, standstillMs, elapsedMs } = containerMovedSchema.parse(answer.body);
    expect(bytes).toBeGreaterThan(100_000);
    expect(standstillMs).toBeLessThan(elapsedMs);
    await comeBack();
    await goesOn();
    expect(terminal.losses).toBe(0);
    await look();
    expect(view()).toMatchObject({ state: 'running', where: { vm: 'two', host: 'two' } });
    expect(view().why).toContain('moved here from one');
  });

  test('is found there by a server that was started again', { timeout: LIMIT_MS }, async () => {
    await stack.killServer();
    await stack.startServer();
    // At once, as its page does: until the guests have told which of them has it, it is out of reach, and never said to be gone.
    const codes: (number | null)[] = [];
    const back = async () => {
      await terminal.attach().catch(() => codes.push(terminal.closed));
      return terminal.closed;
    };
    await expect.poll(back, { timeout: LIMIT_MS }).toBeNull();
    expect(codes.filter((code) => code !== attachClose.lost && code !== attachClose.serverStops)).toEqual([]);
    await goesOn();
    await look();
    expect(view().where).toMatchObject({ vm: 'two', host: 'two' });
    expect(view()).toMatchObject({ state: 'running', reason: null, end: null });
    await learner.waitFor(sandbox.id, 'one', 'running', LIMIT_MS);
  });

  test('goes back to a checkpoint: shell, variables, files and all', { timeout: LIMIT_MS }, async () => {
    terminal.type('\x03');
    await terminal.run('cd; kept=$((6 * 7)); echo early > note', LIMIT_MS);
    const path = apiPaths.checkpoint(sandbox.id, 'box', 'first');
    const made = await learner.ask('PUT', path);
    expect(made.status).toBe(201);
    expect(checkpointedSchema.parse(made.body).bytes).toBeGreaterThan(100_000);
    const { body } = await learner.ask('GET', apiPaths.checkpoints(sandbox.id, 'box'));
    expect(checkpointListSchema.parse(body).checkpoints).toMatchObject([{ checkpoint: 'first' }]);
    await terminal.run('echo late > note; kept=lost', LIMIT_MS);
    expect(await learner.ask('POST', `${path}/restore`)).toEqual({ status: 204, body: null });
    await comeBack();
    expect(await terminal.run('echo "$(cat note) and $kept"', LIMIT_MS)).toContain('early and 42');
  });

  test('whose way back fails goes on where it stood', { timeout: LIMIT_MS }, async () => {
    await terminal.run('kept=now', LIMIT_MS);
    const path = apiPaths.checkpoint(sandbox.id, 'box', 'first');
    // It still says what it is; what CRIU would read of it is gone.
    const guest = learner.terminal(sandbox.id, 'two', view('two').terminals[0]?.terminal ?? '');
    await guest.attach();
    const cut = 'find / -path "*/checkpoints/first*" -type f 2>/dev/null -exec truncate -s 20K {} + -print';
    expect(await guest.run(cut, LIMIT_MS)).toContain('first');
    const answer = await learner.ask('POST', `${path}/restore`);
    expect(answer.status).toBeGreaterThanOrEqual(500);
    await comeBack();
    expect(await terminal.run('echo "$(cat note) and $kept"', LIMIT_MS)).toContain('early and now');
    await look();
    expect(view()).toMatchObject({ state: 'running', reason: null, end: null });
    expect((await learner.ask('DELETE', path)).status).toBe(204);
  });

  test.each([
    ['to where it is', 'box', { to: 'two' }, 400, /is in two already/],
    ['into a container', 'box', { to: 'plain' }, 400, /is a container/],
    ['to a machine that is not there', 'box', { to: 'nobody' }, 404, /no machine/],
    ['from the host', 'plain', { to: 'two' }, 501, /runs on the host itself/],
    ['if it is a VM', 'one', { to: 'two' }, 501, /is a VM/],
  ])('is not moved %s', async (_what, name, body, status, message) => {
    const answer = await learner.ask('POST', apiPaths.move(sandbox.id, name), body);
    expect(answer).toMatchObject({ status, body: { error: { message: expect.stringMatching(message) } } });
  });

  test('with something in it that cannot be moved stays where it is, and the page is told what', {
    timeout: LIMIT_MS,
  }, async () => {
    const until = (state: string) => `until ss -Htna | grep -q "${state}.*:5001"; do sleep 0.1; done`;
    await terminal.run(`nc -l 127.0.0.1 5001 & ${until('LISTEN')}`, LIMIT_MS);
    await terminal.run(`sleep 4711 | nc 127.0.0.1 5001 & ${until('ESTAB')}`, LIMIT_MS);
    const answer = await learner.ask('POST', apiPaths.move(sandbox.id, 'box'), { to: 'one' });
    expect(answer).toMatchObject({
      status: 501,
      body: { error: { message: expect.stringMatching(/an open TCP connection .*CRIU: .*Connected TCP/) } },
    });
    expect(await terminal.run('echo still $kept', LIMIT_MS)).toContain('still now');
    await look();
    expect(view()).toMatchObject({ state: 'running', where: { vm: 'two' } });
  });
});
