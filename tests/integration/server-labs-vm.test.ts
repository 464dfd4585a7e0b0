// The checks of a lab in a VM of its learner, and in a container that a carrier carries: how far each is to be believed.
import { chmodSync, cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import { type Check, type Sandbox, sandboxSchema } from '../../sandbox-server/src/protocol/api.ts';
import { progressSchema } from '../../sandbox-server/src/protocol/people.ts';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { Events } from './events.ts';
import { Learner } from './learner.ts';
import { type Stack, startStack } from './stack.ts';

const READY_LIMIT_MS = patiently(240_000);
const LAB = `---
title: Two depths
summary: A lab for the tests.
machines:
  - name: vm
    kind: vm
    start: template
    files: true
  - name: box
    kind: container
    profile: nested
    files: true
---

<Step id="answer" machine="vm">
</Step>

<Step id="second" machine="box">
</Step>
`;

let labs: string;
let stack: Stack;
let learner: Learner;
let sandbox: Sandbox;
let events: Events;

beforeAll(async () => {
  labs = temporaryFolder('labs');
  chmodSync(labs, 0o755); // for the server, who is nobody
  cpSync(join(import.meta.dirname, '../labs/three-steps'), join(labs, 'depths'), { recursive: true });
  rmSync(join(labs, 'depths/steps/process'), { recursive: true });
  writeFileSync(join(labs, 'depths/lab.mdx'), LAB);
  stack = await startStack({ server: ['--labs', labs], broker: ['--nesting', 'vm'] });
  learner = await Learner.arrive(stack.url);
  sandbox = sandboxSchema.parse((await learner.ask('POST', apiPaths.sandboxes, { lab: 'depths' })).body);
  events = await Events.follow(stack.url, learner.cookie, sandbox.id);
  for (const name of ['vm', 'box'])
    sandbox = await learner.waitFor(sandbox.id, name, 'running', READY_LIMIT_MS);
}, READY_LIMIT_MS);
afterAll(async () => {
  events?.close();
  await stack?.stop();
  rmSync(labs, { recursive: true });
});

const shell = (machine: string, command: string) =>
  learner.ask('POST', apiPaths.exec(sandbox.id, machine), { command: ['/bin/bash', '-c', command] });
const check = async (step: string) => {
  const from = performance.now();
  await learner.ask('POST', apiPaths.check(sandbox.id, step));
  const { event } = await events.when(
    ({ event, data }) => event === 'check' && data.step === step && /done|missing|failed/.test(data.state),
    `verdict on ${step}`,
    from,
  );
  return event.data as Check;
};
const kept = async () =>
  progressSchema
    .parse((await learner.ask('GET', '/api/progress')).body)
    .done.map(({ step, proof }) => `${step} ${proof}`);

test('in a VM a check is not fooled by other tools, and is called the word of the guest all the same', async () => {
  const missing = { state: 'missing', reason: 'There is no file /root/answer yet.', trust: 'guest' };
  expect(await check('answer')).toMatchObject(missing);
  await shell('vm', 'cp --remove-destination /usr/bin/true /usr/bin/grep; echo 41 > /root/answer');
  expect(await check('answer')).toMatchObject({ state: 'missing', reason: 'It is not 41.' });
  await shell('vm', 'echo 42 > /root/answer');
  expect(await check('answer')).toMatchObject({ state: 'done', trust: 'guest' });
  expect(await kept()).toEqual(['answer told']);
});

test('in a container that is carried it is to be believed, for nobody is let into its carrier', async () => {
  await expect
    .poll(async () => (await check('second')).reason, { timeout: patiently(20_000) })
    .toBe('run.sh is as it was.');
  const carrier = sandbox.machines.find((machine) => machine.carrier)?.name ?? '';
  expect(await shell(carrier, 'true')).toMatchObject({ status: 403 });
  const size = { columns: 80, rows: 24 };
  expect(await learner.ask('POST', apiPaths.terminals(sandbox.id, carrier), size)).toMatchObject({
    status: 403,
  });
  expect((await learner.ask('POST', apiPaths.solve(sandbox.id, 'second'))).status).toBe(200);
  expect(await check('second')).toMatchObject({ state: 'done', trust: 'outside' });
  expect(await kept()).toEqual(['answer told', 'second checked']);
});
