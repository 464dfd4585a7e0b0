// Every command that a reading page offers, typed into a container of the kind that the page opens. What each prints is for the
// reader to look at; here it has to be something, and no complaint of a shell that does not know what is meant.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { machinesOf, type Setup, setups } from '../../site/src/components/sandbox/setup.ts';
import { patiently } from '../patience.ts';
import { census } from './census.ts';
import { Learner } from './learner.ts';
import { type Stack, startStack } from './stack.ts';

interface Offer {
  page: string;
  setup: Setup;
  commands: string[];
}

const PAGES = join(import.meta.dirname, '../../site/src/content/docs');
const STRANGE = /command not found|syntax error|No such file or directory|invalid option|unrecognized option/;
const size = { columns: 120, rows: 40 };

/** The commands of every <TryIt> of the pages, a shell's worth each. */
function offers(): Offer[] {
  return readdirSync(PAGES, { recursive: true, encoding: 'utf8' })
    .filter((page) => page.endsWith('.mdx'))
    .flatMap((page) =>
      [...readFileSync(join(PAGES, page), 'utf8').matchAll(/<TryIt(.*?)\n\/>/gs)].map(([, props = '']) => ({
        page,
        setup: setups.find((one) => props.includes(`setup="${one}"`)) ?? 'container',
        commands: [...props.matchAll(/command:\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")/g)].map(
          ([, literal]) => new Function(`return ${literal}`)() as string,
        ),
      })),
    );
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

describe('the commands of a page', () => {
  const pages = Map.groupBy(offers(), ({ page, setup }) => `${page}, ${setup}`);

  test.each([...pages])('%s', { timeout: patiently(120_000) }, async (_name, found) => {
    const sandbox = await learner.create(machinesOf(found[0]?.setup ?? 'container', false, size));
    const [box] = sandbox.machines;
    const terminal = learner.terminal(sandbox.id, 'box', box?.terminals[0]?.terminal ?? '');
    await terminal.attach();
    // In the order of the page: what one shell leaves behind, the next one of that page finds.
    for (const command of found.flatMap(({ commands }) => commands)) {
      const printed = await terminal.run(command, patiently(60_000));
      expect(printed, command).not.toBe('');
      expect(printed, command).not.toMatch(STRANGE);
    }
    await learner.ask('DELETE', `/api/sandboxes/${sandbox.id}`);
  });
});
