// Everything that can be asked of a running server, made from a seed: its routes, as it tells them itself, with bodies after
// the protocol's schemas and a step or many away from them, and WebSockets. Somebody beside it has a terminal that prints,
// and must not miss a byte; and the server must not grow.
import { rmSync } from 'node:fs';
import { linesIn } from '../integration/flood.ts';
import { Inspector } from '../integration/inspector.ts';
import { Learner, type RemoteTerminal } from '../integration/learner.ts';
import { containerImages, type Stack, startStack } from '../integration/stack.ts';
import { Attacker, Finding } from './attacker.ts';
import { routesOfServer } from './routes.ts';
import { Values } from './values.ts';

/** How much the server may have grown once it has seen everything, in bytes: what is compiled and kept for later. */
const GROWTH_MAX = 12 * 2 ** 20;
/** Requests until it has: nearly everything that it does it has then done. */
const FIRST = 300;
/** Requests after which an attacker looks whether it still has what it attacks with. */
const LOOK_AFTER = 40;
const PRINT = 'exec 9<> <(:); i=0; while :; do read -rt 0.02 -u 9; echo line-$((i++)); done';

export interface Done {
  requests: number;
  frames: number;
  /** Lines that the bystander got meanwhile. */
  lines: number;
  /** Bytes that the server grew by. */
  growth: number;
  seconds: number;
}

/** Throws Finding when a promise is broken. `requests`: about so many; `seconds`: for so long. */
export async function fuzzWeb(
  seed: number,
  limit: { requests: number } | { seconds: number },
): Promise<Done> {
  // Without an image for VMs: whoever asks for one is refused, and nobody has to wait for it.
  const images = containerImages();
  const stack = await startStack({ images, site: images, node: ['--inspect=127.0.0.1:0'] });
  try {
    return await attack(stack, seed, limit);
  } catch (error) {
    if (error instanceof Finding) error.message += ` (seed ${seed})\n${complaints(stack)}`;
    throw error;
  } finally {
    await stack.stop();
    rmSync(images, { recursive: true, force: true });
  }
}

/** What the server itself wrote of things that went wrong. */
const complaints = (stack: Stack): string =>
  stack.said
    .split('\n')
    .filter((line) => /^\{"level":(?:[456]0)|^[^{]/.test(line))
    .slice(-20)
    .join('\n');

async function attack(
  stack: Stack,
  seed: number,
  limit: { requests: number } | { seconds: number },
): Promise<Done> {
  const began = performance.now();
  const routes = await routesOfServer();
  const { screen, id } = await bystander(stack);
  const inspector = await Inspector.connect(stack.said);
  const values = new Values(seed);
  const attacker = new Attacker(stack.url, values, routes, { victim: id, secret: stack.state });
  let requests = 0;
  let frames = 0;
  const goOn = async (goesOn: () => boolean) => {
    while (goesOn()) {
      if (requests++ % LOOK_AFTER === 0) await attacker.arrive();
      if (values.chance(0.15)) frames += await attacker.converse();
      else await attacker.ask();
    }
  };
  await goOn(() => requests < FIRST);
  const before = await inspector.memory();
  await goOn(() =>
    'requests' in limit ? requests < limit.requests : performance.now() - began < limit.seconds * 1_000,
  );
  await attacker.leave();
  const after = await inspector.memory();
  inspector.close();
  const growth = after.heap + after.outside - before.heap - before.outside;
  if (growth > GROWTH_MAX) throw new Finding(`the server grew by ${growth} bytes in ${requests} requests`);
  const lines = await checkBystander(screen);
  return { requests, frames, lines, growth, seconds: (performance.now() - began) / 1_000 };
}

async function bystander(stack: Stack): Promise<{ screen: RemoteTerminal; id: string }> {
  const learner = await Learner.arrive(stack.url);
  const { id } = await learner.create([{ name: 'box', kind: 'container', columns: 80, rows: 24 }]);
  const screen = learner.terminal(id, 'box', await learner.openTerminal(id, 'box'));
  await screen.attach();
  await screen.see(/[#$] $/);
  screen.type(`${PRINT}\n`);
  await screen.see(/line-0\r/);
  return { screen, id };
}

/** Every line, in order, and a shell that answers. Returns how many lines. */
async function checkBystander(screen: RemoteTerminal): Promise<number> {
  screen.type('\x03');
  if ((await screen.run('echo still h""ere')) !== 'still here')
    throw new Finding('a bystander’s shell does not answer');
  const lines = linesIn(screen.text);
  const wrong = lines.findIndex((number, at) => number !== at);
  if (wrong !== -1 || screen.losses > 0) throw new Finding(`a bystander’s line ${wrong} is missing`);
  return lines.length;
}
