// A learner's way through a lab as the page's own code takes it (site/src/components/lab/lab-session.ts), without a page and
// with the real server and real machines: where one is, what is done for one, and what is said when it cannot be.
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { loadLab } from '../../sandbox-server/src/labs/load.ts';
import { progressSchema } from '../../sandbox-server/src/protocol/people.ts';
import { LabProgress } from '../../site/src/components/lab/lab-progress.ts';
import { LabSession, type LabStep, type LabView } from '../../site/src/components/lab/lab-session.ts';
import { request } from '../../site/src/components/sandbox/api.ts';
import { SandboxSession } from '../../site/src/components/sandbox/sandbox-session.ts';
import { EventStream } from '../../site/src/testing/event-stream.ts';
import { patiently } from '../patience.ts';
import { Learner } from './learner.ts';
import { type Stack, startStack } from './stack.ts';

const LABS = join(import.meta.dirname, '../labs');
const { slug, matter, steps } = loadLab(join(LABS, 'three-steps'));
const facts = {
  ...{ slug, title: matter.title, minutes: 1, machines: matter.machines, next: [] },
  steps: steps.map(({ id, title, machine, watch }) => ({ id, title, machine, watch })),
};
const [answer, process, second] = facts.steps as [LabStep, LabStep, LabStep];
const SIZE = { columns: 80, rows: 24 };

let stack: Stack;
let learner: Learner;
let lab: LabSession;
/** What the page asked of the server: method and path. */
let asked: string[] = [];
const open: LabSession[] = [];

beforeAll(async () => {
  stack = await startStack({ server: ['--labs', LABS] });
  learner = await Learner.arrive(stack.url);
  const real = globalThis.fetch;
  // A browser would know where its page is from, and send the cookie.
  vi.stubGlobal('fetch', (path: string, init?: RequestInit) => {
    if (!init?.signal?.aborted) asked.push(`${init?.method ?? 'GET'} ${path}`);
    const headers = {
      ...(init?.headers as Record<string, string>),
      cookie: learner.cookie,
      origin: stack.url,
    };
    return real(new URL(path, stack.url), { ...init, headers });
  });
  lab = visit();
});
afterEach(() => {
  asked = [];
});
afterAll(async () => {
  for (const one of open) one.dispose();
  vi.unstubAllGlobals();
  await stack.stop();
});

/** The lab's page in a browser that was never here. */
function visit(): LabSession {
  const kept = new Map<string, string>();
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
  const sandbox = new SandboxSession({
    mine: () => true,
    lab: slug,
    listen: (path) => new EventStream(path),
  });
  const made = new LabSession(
    facts,
    sandbox,
    new LabProgress({ lab: slug, ask: request, storage: () => storage }),
  );
  open.push(made);
  return made;
}

const stateOf = (step: LabStep, of = lab) => of.sandbox.view.checks[step.id]?.state;
const reaches = (what: () => unknown, expected: unknown) =>
  vi.waitFor(() => expect(what()).toEqual(expected), { timeout: patiently(20_000), interval: 20 });
const posts = (end: string) => asked.filter((one) => one.startsWith('POST') && one.endsWith(end)).length;
const progress = async () => progressSchema.parse((await learner.ask('GET', '/api/progress')).body);
/** Everything that a view said of what was being done, while something was. */
async function heard(what: () => Promise<void>): Promise<string[]> {
  const words = new Set<string>();
  const leave = lab.subscribe(({ doing }: LabView) => doing !== null && words.add(doing));
  await what().finally(leave);
  return [...words];
}

describe('the way through a lab', () => {
  test('leads from its introduction over each step to the end, and no further', () => {
    expect(lab.parts).toEqual(['intro', 'answer', 'process', 'second', 'finish']);
    lab.move(-1);
    expect(lab.view.at).toBe('intro');
    for (const part of lab.parts.slice(1)) {
      lab.move(1);
      expect(lab.view.at).toBe(part);
    }
    lab.move(1);
    lab.go('nowhere');
    expect([lab.view.at, lab.step]).toEqual(['finish', undefined]);
    lab.go('intro');
    expect(asked.filter((one) => one.startsWith('POST'))).toEqual([]);
  });

  test('starts at the first step, which is checked as soon as its machine runs, once', async () => {
    await lab.start(SIZE);
    expect(lab.view).toMatchObject({ at: 'answer', behind: false, problem: null });
    await reaches(() => stateOf(answer), 'missing');
    lab.go('answer');
    expect(posts('/steps/answer/check')).toBe(1);
    expect((await progress()).places).toMatchObject([{ lab: slug, step: 'answer' }]);
  });

  test('has a step done when something made it so, without being asked again', async () => {
    await reaches(() => lab.sandbox.view.hearing, true);
    expect(await lab.output('echo 42 | tee /root/answer', 'box')).toBe('42');
    await reaches(() => Object.keys(lab.view.done), ['answer']);
    expect(posts('/check')).toBe(0);
  });
});

describe('what is done for a learner', () => {
  test('a solution is shown, and applied when that is wanted, in words and one at a time', async () => {
    lab.go('process');
    await lab.showSolution(process);
    expect(lab.view.solutions).toEqual({ process: steps[1]?.solve });
    const words = await heard(async () => {
      await Promise.all([lab.solve(process), lab.solve(process)]);
    });
    expect(words).toEqual(['Applying the solution of “Let something run”']);
    expect([posts('/solve'), lab.view.doing, lab.view.problem]).toEqual([1, null, null]);
    await reaches(() => Object.keys(lab.view.done), ['answer', 'process']);
  });

  test('a solution that fails says how, and leaves the step open', async () => {
    lab.go('second');
    await lab.output('mv /root/work /root/away', 'nest');
    await lab.solve(second);
    expect(lab.view).toMatchObject({
      doing: null,
      problem: expect.stringMatching(
        /^The solution of “Change a file of the lab” failed: .*run\.sh: Directory nonexistent\.$/,
      ),
    });
    expect(lab.view.done).not.toHaveProperty('second');
    lab.go('second');
    expect(lab.view.problem).toBeNull();
  });

  test('a step begins again in new machines, with the solutions of those before it', async () => {
    await lab.output('touch /root/old', 'box');
    await heard(() => lab.beginStep(second));
    expect([lab.view.problem, posts('/restart'), posts('/solve')]).toEqual([null, 2, 2]);
    expect(await lab.output('cat /root/answer; ls /root', 'box')).toMatch(/^42\n(?!.*old)/s);
    expect(await lab.output('pgrep -cf "^sleep 1000$"', 'box')).toBe('1');
    await reaches(() => stateOf(second), 'missing');
  });

  test('a machine begins again by itself', async () => {
    const words = await heard(() => lab.beginMachine('nest'));
    expect(words).toEqual(['Beginning nest again']);
    expect(posts('/restart')).toBe(1);
    expect(await lab.output('cat /root/answer', 'box')).toBe('42');
  });

  test('words of a machine come one after the other, and a command that fails says why', async () => {
    const slow = lab.output('sleep 0.2; date +%s%N', 'box');
    const quick = lab.output('date +%s%N', 'box');
    expect(BigInt(await slow)).toBeLessThan(BigInt(await quick));
    await expect(lab.output('cat /no/such', 'box')).rejects.toThrow('No such file');
    expect(await lab.output('echo still there', 'box')).toBe('still there');
  });
});

describe('a lab that was left', () => {
  test('is found where it was, with what was done, in another browser of the same learner', async () => {
    const elsewhere = visit();
    expect(await elsewhere.resume()).toBe('second');
    expect(elsewhere.sandbox.view).toMatchObject({ phase: 'running', rejoined: true });
    expect(Object.keys(elsewhere.view.done).toSorted()).toEqual(['answer', 'process']);
    elsewhere.dispose();
  });

  test('and begun in new machines is behind, until it has caught up', async () => {
    await lab.sandbox.end();
    expect(lab.sandbox.view.phase).toBe('ended');
    await lab.solve(second);
    expect(lab.view.problem).toBe('There are no machines to do it in.');
    await lab.start(SIZE);
    expect(lab.view).toMatchObject({ at: 'second', behind: true });
    await heard(() => lab.catchUp());
    expect(lab.view).toMatchObject({ behind: false, problem: null });
    expect(await lab.output('cat /root/answer', 'box')).toBe('42');
    await reaches(() => stateOf(process), 'done');
  });

  test('and begun anew is as on the first day, here and on the server', async () => {
    await heard(() => lab.beginLab());
    expect(lab.view).toMatchObject({ at: 'intro', done: {}, behind: false, problem: null, solutions: {} });
    await expect(lab.output('cat /root/answer', 'box')).rejects.toThrow('No such file');
    await reaches(() => posts('/restart'), 2);
    await vi.waitFor(async () => expect(await progress()).toEqual({ done: [], places: [] }));
  });

  test('asks nothing any more once its page is gone', async () => {
    lab.dispose();
    asked = [];
    lab.go('answer');
    await lab.check(answer);
    expect(asked.filter((one) => one.includes('/api/sandboxes'))).toEqual([]);
  });
});
