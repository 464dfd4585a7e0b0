// Learners who break their machine, or go for the check itself: they get a clear word and a machine that begins again, and
// no green step. What a check withstands in detail is in tests/escape/check.test.ts.
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import type { Check, Ran, SandboxEvent } from '../../sandbox-server/src/protocol/api.ts';
import { sandboxSchema } from '../../sandbox-server/src/protocol/api.ts';
import { patiently } from '../patience.ts';
import { Events } from './events.ts';
import { Learner } from './learner.ts';
import { type Stack, startStack } from './stack.ts';

const LAB = 'only-a-process';
/** A step that looks at processes, and what its check says before it is done. */
const STEP = { id: 'orphan', missing: 'No sleep 4713 runs.' };

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ server: ['--labs', join(import.meta.dirname, '../../labs')] });
});
afterAll(() => stack.stop());

/** What is done, by which command, and what that says; null where the command itself may be killed. */
const harms: [string, string, string | null][] = [
  ['deletes every program', 'rm -rf /usr/bin /usr/sbin /usr/lib; echo /usr/bin/*', '/usr/bin/*'],
  ['fills the disk', 'cat /dev/zero > /root/full', null],
  [
    'forks without end',
    // In a session of its own: the command ends when there are many, and they go on.
    `setsid bash -c 'while :; do (exec -a bomb sleep 1000) & done' > /dev/null 2>&1 &
    while all=(/proc/[0-9]*); [ \${#all[@]} -lt 200 ]; do :; done; echo many`,
    'many',
  ],
  [
    'kills whatever the check starts',
    `setsid bash -c 'while :; do for p in /proc/[0-9]*; do
      p=\${p#/proc/}; [ $p -gt 1 ] && [ $p != $$ ] && kill -9 $p; done; done' > /dev/null 2>&1 & echo killing`,
    'killing',
  ],
  [
    'writes where the check and its tools are',
    'mkdir -p /machine/root; echo "exit 0" | tee /check /machine/check > /dev/null; cp -f --remove-destination /usr/bin/true /usr/bin/pgrep; cp -f --remove-destination /usr/bin/true /usr/bin/sh; echo written',
    'written',
  ],
];

test.concurrent.each(harms)(
  'a learner who %s has no green step, hears why, and begins again',
  { timeout: patiently(120_000) },
  async (_, harm, said) => {
    const learner = await Learner.arrive(stack.url);
    const made = await learner.ask('POST', apiPaths.sandboxes, { lab: LAB });
    expect(made.status).toBe(201);
    const { id } = sandboxSchema.parse(made.body);
    const events = await Events.follow(stack.url, learner.cookie, id);
    const check = async () => {
      const from = performance.now();
      await learner.ask('POST', apiPaths.check(id, STEP.id));
      const settled = ({ event, data }: SandboxEvent) =>
        event === 'check' && data.step === STEP.id && !['waiting', 'running'].includes(data.state);
      return (await events.when(settled, 'a verdict', from)).event.data as Check;
    };
    const command = ['/usr/bin/bash', '-c', harm];
    const harmed = await learner.ask('POST', apiPaths.exec(id, 'box'), { command, timeoutMs: 30_000 });
    if (said !== null) expect((harmed.body as Ran).stdout.trim()).toBe(said);
    expect(await check()).toMatchObject({ state: 'missing', reason: STEP.missing });
    // Its solution needs the machine's own programs: it is done, or it is said what to do.
    const solved = await learner.ask('POST', apiPaths.solve(id, STEP.id));
    if (solved.status !== 200)
      expect(solved).toMatchObject({
        status: 409,
        body: { error: { code: 'conflict', message: expect.stringMatching(/begin the machine again\.$/) } },
      });

    expect(await learner.ask('POST', apiPaths.restart(id, 'box'), {})).toMatchObject({ status: 200 });
    await learner.waitFor(id, 'box', 'running');
    expect(await learner.ask('POST', apiPaths.solve(id, STEP.id))).toMatchObject({
      status: 200,
      body: { status: 0 },
    });
    expect(await check()).toMatchObject({ state: 'done' });
    events.close();
    await learner.end(id);
  },
);
