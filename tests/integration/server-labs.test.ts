// Labs through the real server: machines made for one, checks and solutions of its steps, and what is kept of them.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import {
  type Check,
  checkListSchema,
  checkSchema,
  labListSchema,
  type Sandbox,
  type SandboxEvent,
  sandboxSchema,
} from '../../sandbox-server/src/protocol/api.ts';
import { progressSchema } from '../../sandbox-server/src/protocol/people.ts';
import { patiently } from '../patience.ts';
import { Events } from './events.ts';
import { Learner } from './learner.ts';
import { type Stack, startStack } from './stack.ts';

const MIB = 1_048_576;
const LABS = join(import.meta.dirname, '../labs');
let stack: Stack;
let learner: Learner;
let sandbox: Sandbox;
let events: Events;

beforeAll(async () => {
  stack = await startStack({ server: ['--labs', LABS] });
  learner = await Learner.arrive(stack.url);
  const made = await learner.ask('POST', apiPaths.sandboxes, { lab: 'three-steps', columns: 90, rows: 30 });
  expect(made.status).toBe(201);
  sandbox = sandboxSchema.parse(made.body);
  events = await Events.follow(stack.url, learner.cookie, sandbox.id);
});
afterAll(async () => {
  events?.close();
  await stack.stop();
});

const shell = async (machine: string, command: string) => {
  const { body } = await learner.ask('POST', apiPaths.exec(sandbox.id, machine), {
    command: ['/bin/sh', '-c', command],
  });
  return (body as { stdout: string }).stdout.trim();
};
const settled = (step: string, from: number, state?: Check['state']) => {
  const fits = ({ event, data }: SandboxEvent) =>
    event === 'check' &&
    data.step === step &&
    (state ? data.state === state : !['waiting', 'running'].includes(data.state));
  return events.when(fits, `${state ?? 'verdict'} on ${step}`, from).then(({ event }) => event.data as Check);
};
const check = async (step: string) => {
  const from = performance.now();
  const { status, body } = await learner.ask('POST', apiPaths.check(sandbox.id, step));
  expect([status, checkSchema.parse(body).step]).toEqual([202, step]);
  return settled(step, from);
};
const states = (step: string, from: number) =>
  events.seen
    .filter(({ at }) => at >= from)
    .flatMap(({ event }) => (event.event === 'check' && event.data.step === step ? [event.data.state] : []));

describe('a lab', () => {
  test('is listed with its steps; one with a mistake is left out, and the log says where it is', async () => {
    const { labs } = labListSchema.parse((await learner.ask('GET', apiPaths.labs)).body);
    expect(labs.map(({ lab }) => lab)).toEqual(['careless', 'three-steps']);
    expect(labs[1]?.steps).toEqual([
      { step: 'answer', title: 'Write the answer', machine: 'box', watch: true },
      { step: 'process', title: 'Let something run', machine: 'box', watch: false },
      { step: 'second', title: 'Change a file of the lab', machine: 'nest', watch: false },
    ]);
    expect(stack.said).toMatch(/broken\/lab\.mdx:6: machines\.0\.kind: /);
    expect(await learner.ask('POST', apiPaths.sandboxes, { lab: 'broken' })).toMatchObject({ status: 404 });
  });

  test('has its machines, with a terminal each, and its files where it wants them', async () => {
    expect(sandbox.lab).toBe('three-steps');
    expect(sandbox.machines.map(({ name, profile, terminals }) => [name, profile, terminals.length])).toEqual(
      [
        ['box', 'hardened', 1],
        ['nest', 'nested', 1],
      ],
    );
    for (const { name } of sandbox.machines) {
      expect(await shell(name, '/root/work/run.sh; cat /root/note; stat -c %a /root/note')).toBe(
        'hello\none line\n644',
      );
    }
  });
});

test('a machine of a lab is as large as its front matter says, and the other as usual', async () => {
  const [box, nest] = sandbox.machines;
  expect(nest?.limits).toEqual({ ...box?.limits, memoryBytes: 64 * MIB, pids: 60, diskBytes: 8 * MIB });
  const KILLED = 128 + 9;
  const holds = 'head -c 100M /dev/zero | tail > /dev/null; echo $?';
  expect([await shell('box', holds), await shell('nest', holds)]).toEqual(['0', `${KILLED}`]);
  const writes = 'head -c 10M /dev/zero > /root/ten 2> /dev/null; echo $?; rm /root/ten';
  expect([await shell('box', writes), await shell('nest', writes)]).toEqual(['0', '1']);
});

describe('a step', () => {
  test('is missing with the last line of its check, without control characters, then done and kept', async () => {
    const missing = { machine: 'box', state: 'missing', trust: 'outside' };
    expect(await check('answer')).toMatchObject({ ...missing, reason: 'There is no file /root/answer yet.' });
    await shell('box', 'printf "\\033]0;owned\\007\\033[31m41" > /root/answer');
    expect(await check('answer')).toMatchObject({ ...missing, reason: 'It is not 41.' });
    expect(await check('process')).toMatchObject({ ...missing, reason: 'No sleep 1000 runs.' });
    await shell('box', 'echo 42 > /root/answer');
    expect(await check('answer')).toMatchObject({ state: 'done', reason: null });
    const { done } = progressSchema.parse((await learner.ask('GET', '/api/progress')).body);
    expect(done).toMatchObject([{ lab: 'three-steps', step: 'answer', proof: 'checked' }]);
    const { checks } = checkListSchema.parse((await learner.ask('GET', apiPaths.checks(sandbox.id))).body);
    expect(checks.map(({ step, state }) => [step, state])).toEqual([
      ['answer', 'done'],
      ['process', 'missing'],
    ]);
  });

  test('is solved in the machine, where it can be seen, and then is done', async () => {
    for (const step of ['process', 'second']) {
      const from = performance.now();
      const solution = (await learner.ask('GET', apiPaths.solution('three-steps', step))).body;
      const { status, body } = await learner.ask('POST', apiPaths.solve(sandbox.id, step));
      expect([status, (body as { status: number }).status]).toEqual([200, 0]);
      expect(await settled(step, from)).toMatchObject({ state: 'done' });
      const told = events.seen.flatMap(({ at, event }) =>
        at >= from && event.event === 'solve' ? [event.data] : [],
      );
      expect(told.map(({ state }) => state)).toEqual(['running', 'done']);
      expect(solution).toMatchObject({ script: expect.stringMatching(/^#!\/bin\//) });
      if (step === 'process') expect(told[1]?.output).toBe('started sleep 1000');
    }
    expect(await shell('nest', 'cat /root/work/run.sh')).toContain('# changed');
    expect(await shell('box', 'pgrep -cf "^sleep 1000$"')).toBe('1');
  });

  test('that is asked for many times at once is looked at once or twice', async () => {
    const from = performance.now();
    await Promise.all(
      Array.from({ length: 30 }, () => learner.ask('POST', apiPaths.check(sandbox.id, 'second'))),
    );
    await settled('second', from);
    await check('process');
    expect(states('second', from).filter((state) => state === 'running').length).toBeLessThanOrEqual(30);
    const runs = states('second', from).filter((state) => state === 'done').length;
    expect(runs).toBeGreaterThanOrEqual(1);
    expect(runs).toBeLessThan(30);
  });

  test('turns done by itself when something is typed', async () => {
    await shell('box', 'rm /root/answer');
    expect(await check('answer')).toMatchObject({ state: 'missing' });
    const from = performance.now();
    const terminal = sandbox.machines[0]?.terminals[0]?.terminal ?? '';
    const screen = learner.terminal(sandbox.id, 'box', terminal);
    await screen.attach();
    await screen.see(/[$#] /);
    screen.type('echo 42 > /root/answer\r');
    expect(await settled('answer', from, 'done')).toMatchObject({ state: 'done' });
    screen.drop();
  });

  test('is nobody else’s, and not of a sandbox without a lab', async () => {
    const other = await Learner.arrive(stack.url);
    const refused = { status: 404, body: { error: { code: 'not_found' } } };
    expect(await other.ask('POST', apiPaths.check(sandbox.id, 'answer'))).toMatchObject(refused);
    expect(await other.ask('POST', apiPaths.solve(sandbox.id, 'answer'))).toMatchObject(refused);
    expect(await other.ask('GET', apiPaths.checks(sandbox.id))).toMatchObject(refused);
    expect(await learner.ask('POST', apiPaths.check(sandbox.id, 'fourth'))).toMatchObject(refused);
    expect(await learner.ask('POST', apiPaths.check(sandbox.id, 'answer'), { state: 'done' })).toMatchObject({
      status: 400,
    });
    const plain = await other.create([{ name: 'box', kind: 'container' }]);
    expect(await other.ask('POST', apiPaths.check(plain.id, 'answer'))).toMatchObject({ status: 409 });
    await other.end(plain.id);
  });

  test('says so when its machine does not run, and is back at the beginning when that begins again', async () => {
    const from = performance.now();
    expect((await learner.ask('POST', apiPaths.restart(sandbox.id, 'nest'), {})).status).toBe(200);
    await events.machine('nest', 'running', from);
    await expect
      .poll(() => shell('nest', 'cat /root/work/run.sh'), { timeout: patiently(10_000) })
      .toBe('#!/bin/sh\necho hello');
    expect(await check('second')).toMatchObject({ state: 'missing', reason: 'run.sh is as it was.' });
  });

  test('is known to a server that was killed and started again, and what was done is still done', async () => {
    events.close();
    await stack.killServer();
    await stack.startServer();
    events = await Events.follow(stack.url, learner.cookie, sandbox.id);
    expect((await learner.look(sandbox.id)).lab).toBe('three-steps');
    expect(await shell('nest', 'echo mine > /root/note; cat /root/note')).toBe('mine');
    expect(await check('answer')).toMatchObject({ state: 'done' });
    expect(await shell('nest', 'cat /root/note')).toBe('mine');
    const { done } = progressSchema.parse((await learner.ask('GET', '/api/progress')).body);
    expect(done.map(({ step }) => step).toSorted()).toEqual(['answer', 'process', 'second']);
  });
});
