// Every command that a reading page offers, typed into machines of the kind that the page starts. What each prints is for the
// reader to look at; here it has to be something, and no complaint of a shell that does not know what is meant.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import type { Sandbox } from '../../sandbox-server/src/protocol/api.ts';
import { machinesOf, type Offer, type Setup, setups } from '../../site/src/components/sandbox/setup.ts';
import { readFacts } from '../../site/src/facts/facts.ts';
import { patiently } from '../patience.ts';
import { census } from './census.ts';
import { Learner, type RemoteTerminal } from './learner.ts';
import { type Stack, startStack } from './stack.ts';

interface Trial {
  page: string;
  setup: Setup;
  commands: Offer[];
}

const CONTENT = join(import.meta.dirname, '../../site/src/content');
const PAGES = join(CONTENT, 'docs');
const STRANGE = /command not found|syntax error|No such file or directory|invalid option|unrecognized option/;
/** The command that no shell comes back from. */
const DEADLY = 'echo c > /proc/sysrq-trigger';
const size = { columns: 120, rows: 40 };

/** Of every <TryIt> of the pages, a shell's worth each. */
function ofPages(): Trial[] {
  return readdirSync(PAGES, { recursive: true, encoding: 'utf8' })
    .filter((page) => page.endsWith('.mdx'))
    .flatMap((page) =>
      [...readFileSync(join(PAGES, page), 'utf8').matchAll(/<TryIt(.*?)\n\/>/gs)].map(([, props = '']) => ({
        page,
        setup: setups.find((one) => props.includes(`setup="${one}"`)) ?? 'container',
        commands: [
          ...props.matchAll(/command:\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(?:.*?\bin: '(box|vm)')?/g),
        ].map(([, literal, place]) => ({
          command: new Function(`return ${literal}`)() as string,
          ...(place === 'box' || place === 'vm' ? { in: place } : {}),
        })),
      })),
    );
}

/** Of the claims of 2013 and the rows of the matrix, each experiment once, and those not that a page has too. */
function ofFacts(): Trial[] {
  const { claims, properties } = readFacts(join(CONTENT, 'facts'));
  const found = new Map<string, Trial>();
  const onPages = new Set(
    ofPages().flatMap(({ setup, commands }) => commands.map((one) => setup + one.command)),
  );
  for (const [id, { experiment }] of [...claims, ...properties]) {
    if (!('commands' in experiment)) continue;
    const { setup, commands } = experiment;
    if (commands.every(({ command }) => onPages.has(setup + command))) continue;
    found.set(JSON.stringify(commands), { page: id, setup, commands });
  }
  return [...found.values()];
}

let stack: Stack;
let learner: Learner;

beforeAll(async () => {
  stack = await startStack();
  learner = await Learner.arrive(stack.url);
});
afterAll(async () => {
  const { state, cgroup } = stack;
  await stack.stop();
  expect(census(state, cgroup)).toEqual({ processes: [], mounts: [], cgroups: [], namespaces: [] });
});

// Whatever came of it: one that could not end its own would have taken the next one's place.
afterEach(async () => {
  const { sandboxes } = (await learner.ask('GET', apiPaths.sandboxes)).body as { sandboxes: Sandbox[] };
  for (const { id } of sandboxes) await learner.end(id);
});

/** The machines of a setup, with a shell in each. */
async function begin(setup: Setup): Promise<{ sandbox: Sandbox; shells: Map<string, RemoteTerminal> }> {
  let sandbox = await learner.create(machinesOf(setup, true, size));
  const shells = new Map<string, RemoteTerminal>();
  for (const { name } of sandbox.machines) {
    sandbox = await learner.waitFor(sandbox.id, name, 'running');
    const [first] = sandbox.machines.find((one) => one.name === name)?.terminals ?? [];
    const terminal = learner.terminal(sandbox.id, name, first?.terminal ?? '');
    await terminal.attach();
    shells.set(name, terminal);
  }
  return { sandbox, shells };
}

/** Types all of it, in the order of the page: what one command leaves behind, the next one finds. */
async function typeAll(shells: Map<string, RemoteTerminal>, { page, commands }: Trial): Promise<void> {
  for (const { command, in: only } of commands) {
    for (const [name, shell] of shells) {
      if (only !== undefined && only !== name) continue;
      const printed = await shell.run(command, patiently(60_000));
      expect.soft(printed, `${page}: ${command}`).not.toBe('');
      expect.soft(printed, `${page}: ${command}`).not.toMatch(STRANGE);
    }
  }
}

describe('the commands of a page', () => {
  const pages = Map.groupBy(ofPages(), ({ page, setup }) => `${page}, ${setup}`);

  test.each([...pages])('%s', { timeout: patiently(120_000) }, async (_name, found) => {
    const { shells } = await begin(found[0]?.setup ?? 'container');
    for (const trial of found) await typeAll(shells, trial);
  });
});

describe('the experiments of the claims and of the matrix', () => {
  const all = ofFacts();
  const isDeadly = ({ commands }: Trial) => commands.some(({ command }) => command === DEADLY);

  // One sandbox for all of a setup, as a reader has who goes from one claim to the next.
  test.each([...new Set(all.map(({ setup }) => setup))])(
    'in a %s',
    { timeout: patiently(240_000) },
    async (setup) => {
      const { sandbox, shells } = await begin(setup);
      for (const trial of all.filter((one) => one.setup === setup && !isDeadly(one)))
        await typeAll(shells, trial);
      const deadly = all.filter((one) => one.setup === setup).find(isDeadly);
      const [before, after] = [deadly?.commands[0], deadly?.commands[2]];
      if (deadly && before && after) {
        await typeAll(shells, { ...deadly, commands: [before] });
        shells.get('vm')?.type(`${DEADLY}\n`);
        const end = async () =>
          (await learner.look(sandbox.id)).machines.find(({ name }) => name === 'vm')?.end?.cause;
        await expect.poll(end, { timeout: patiently(30_000) }).toBe('panic');
        await typeAll(shells, { ...deadly, commands: [after] });
      }
      await learner.end(sandbox.id);
    },
  );
});
