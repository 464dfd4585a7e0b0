// Terminals over the real WebSocket, server and monitor: every byte in both directions, whatever it is and however it is
// cut, several viewers with a role each, and a key press that is felt while the terminal is flooded.
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type WebSocket from 'ws';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import {
  ATTACH_VERSION,
  decodeFrame,
  encodeFrame,
  FRAME_MAX,
  RING_BYTES,
} from '../../sandbox-server/src/protocol/frames.ts';
import { patiently } from '../patience.ts';
import { sha256 } from './flood.ts';
import { arriveAsInstructor, openWorkshop } from './instructor.ts';
import { Learner, type RemoteTerminal, type Visit } from './learner.ts';
import { type Stack, startStack } from './stack.ts';

const box = { name: 'box', kind: 'container' } as const;
const MEGABYTE = 1_000_000;
const soon = { timeout: patiently(20_000) };

let stack: Stack;
let anna: Learner;
let id: string;

beforeAll(async () => {
  stack = await startStack();
  anna = await Learner.arrive(stack.url);
  ({ id } = await anna.create([box]));
}, patiently(60_000));
afterAll(() => stack.stop());

/** A shell in the container, at its prompt, and the name of its terminal. */
async function shell(visit: Visit = {}): Promise<{ terminal: string; screen: RemoteTerminal }> {
  const terminal = await anna.openTerminal(id, 'box');
  const screen = anna.terminal(id, 'box', terminal, visit);
  await screen.attach();
  await screen.see(/[#$] $/);
  return { terminal, screen };
}

/** A viewer that attaches, and then neither reads nor grants anything. */
async function fallAsleep(who: Learner, terminal: string): Promise<WebSocket> {
  const socket = who.socket(id, 'box', terminal);
  const attach = { type: 'attach', version: ATTACH_VERSION, offset: 0, credit: RING_BYTES } as const;
  socket.on('open', () => socket.send(encodeFrame({ ...attach, columns: 80, rows: 24 })));
  await new Promise<void>((resolve) =>
    socket.on('message', (data) => {
      if (decodeFrame(new Uint8Array(data as Buffer)).type === 'welcome') resolve();
    }),
  );
  socket.pause();
  return socket;
}

/** The same bytes each time, of all 256 values. */
function noise(length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 64) }, (_, index) =>
    createHash('sha512').update(`block ${index}`).digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
}

describe('what is typed', () => {
  test('arrives byte for byte, a megabyte pasted at once, of all values', async () => {
    const { screen } = await shell();
    const paste = noise(MEGABYTE);
    screen.type(`stty raw -echo; printf 're''ady'; head -c ${MEGABYTE} | sha256sum; stty sane\n`);
    await screen.see(/ready/);
    screen.type(paste);
    await screen.see(new RegExp(sha256(paste)));
    expect(await screen.run('echo still h""ere')).toBe('still here');
  });

  test('arrives between its brackets, text pasted into an editor that asked for them', async () => {
    const { screen } = await shell();
    // Without them it would all be commands, and each line indented by the one before.
    const lines = Array.from({ length: 2_500 }, (_, line) =>
      `    :${line} ZZ dd 0${'x'.repeat(60)}`.slice(0, 79),
    );
    const text = `${lines.join('\n')}\n`;
    screen.type('vi -u NONE -N pasted\n');
    await screen.see(/~ {79}/); // its empty lines are drawn after it has asked for brackets
    screen.type(`i\x1b[200~${text.replaceAll('\n', '\r')}\x1b[201~\x1b`);
    screen.type(':$d\r:wq\r'); // the insertion began in a line of its own, which is left over
    await screen.see(/written[\s\S]*[#$] $/);
    expect(await screen.run('sha256sum < pasted')).toBe(`${sha256(Buffer.from(text))}  -`);
  });

  test('arrives whole when its characters are cut anywhere', async () => {
    const { screen } = await shell();
    const text = 'Grüße, Ελλάδα, 日本語, العربية, 🚢';
    screen.type('stty -echo; head -n 1 | sha256sum; stty echo\n');
    await screen.see(/\[\?2004l\r?/);
    for (const byte of Buffer.from(`${text}\n`)) screen.type(Uint8Array.of(byte)); // a frame each
    await screen.see(new RegExp(sha256(Buffer.from(`${text}\n`))));
  });

  test('Ctrl-C is felt at once during a flood, also while another viewer has stopped reading', async () => {
    const { terminal, screen } = await shell();
    const asleep = await fallAsleep(anna, terminal);
    screen.type('yes flood\n');
    const flowing = screen.length + 4 * RING_BYTES;
    await screen.seeBytes(flowing, patiently(60_000));
    const before = screen.length;
    screen.type('\x03');
    await screen.see(/\^C[\s\S]*[#$] $/, patiently(60_000));
    // Credit is granted after the key on the same stream: what still comes is what had been granted, what the ring had
    // ready, and what the pty held; never what `yes` had left to say.
    expect(screen.length - before, 'bytes after the key').toBeLessThan(4 * RING_BYTES);
    expect(await screen.run('echo still h""ere')).toBe('still here');
    asleep.terminate();
  });
});

describe('what is printed', () => {
  test('arrives byte for byte, whatever the bytes are', async () => {
    const { screen } = await shell();
    screen.type(
      `head -c ${MEGABYTE} /dev/urandom > r; stty -opost; printf 'be''gin:'; cat r; printf ':e''nd'; stty opost; echo; sha256sum r\n`,
    );
    await screen.see(/begin:/);
    await screen.seeBytes(screen.length + MEGABYTE - RING_BYTES, patiently(60_000));
    const [, sum = ''] = await screen.see(/:end\r?\n([0-9a-f]{64})/);
    const all = screen.output;
    const printed = all.subarray(all.indexOf('begin:') + 6, all.lastIndexOf(':end'));
    expect(printed.length).toBe(MEGABYTE);
    expect(sha256(printed)).toBe(sum);
    await screen.run('rm r');
  });

  test('joins again where it was cut, in the middle of a character and of a connection', async () => {
    const { screen } = await shell();
    const ship = [...Buffer.from('🚢')].map((byte) => `\\x${byte.toString(16)}`);
    screen.type(
      `printf '<${ship.slice(0, 2).join('')}'; read -rsn 1; printf '${ship.slice(2).join('')}>\\n'\n`,
    );
    const half = Buffer.concat([Buffer.from('<'), Buffer.from('🚢').subarray(0, 2)]);
    await expect.poll(() => screen.output.subarray(-half.length).equals(half), soon).toBe(true);
    screen.drop();
    await screen.attach();
    screen.type('x');
    await screen.see(/<🚢>/);
    expect(screen.losses).toBe(0);
  });
});

describe('several viewers', () => {
  let ada: Learner;

  beforeAll(async () => {
    ada = await arriveAsInstructor(stack, 'ada');
    const code = await openWorkshop(ada);
    await anna.ask('POST', apiPaths.joinWorkshop, { code, name: 'Anna' });
  });

  const visit = async (terminal: string, how: Visit) => {
    const screen = ada.terminal(id, 'box', terminal, how);
    await screen.attach();
    return screen;
  };

  test('the smallest that types decides the size, and everybody is told; who watches changes nothing', async () => {
    const { terminal, screen } = await shell({ columns: 120, rows: 40 });
    const watching = await visit(terminal, { as: 'watch', columns: 60, rows: 20 });
    expect(watching.size).toBe('120x40');
    expect(await screen.run('stty size')).toBe('40 120');
    const helping = await visit(terminal, { as: 'type', columns: 100, rows: 50 });
    expect(helping.size).toBe('100x40');
    await expect.poll(() => [screen.size, watching.size], soon).toEqual(['100x40', '100x40']);
    expect(await screen.run('stty size')).toBe('40 100');
    watching.resize(10, 10);
    helping.resize(90, 30);
    await expect.poll(() => screen.size, soon).toBe('90x30');
    expect(
      screen.company.map(({ as, name, types }) => `${as} ${name} ${types ? 'types' : 'watches'}`),
    ).toEqual(['learner Anna types', 'instructor ada watches', 'instructor ada types']);
    helping.drop();
    await expect.poll(() => screen.size, soon).toBe('120x40');
    expect(await screen.run('stty size')).toBe('40 120');
    watching.drop();
    await expect.poll(() => screen.company.length, soon).toBe(1);
  });

  test('an instructor who helps types what the learner sees; who watches is refused, and sees', async () => {
    const { terminal, screen } = await shell();
    const watching = await visit(terminal, { as: 'watch' });
    const helping = await visit(terminal, { as: 'type' });
    helping.type('echo from-$((40+2))\n');
    for (const each of [screen, watching, helping]) await each.see(/from-42/);
    watching.type('touch /tmp/never\n'); // kept by its page: a watcher is granted no input
    watching.force('touch /tmp/never\n');
    await expect.poll(() => watching.closed, soon).toBe(4_403);
    expect(watching.reason).toBe('you only watch this terminal: what you type is not taken');
    expect(await screen.run('ls /tmp')).not.toContain('never');
    helping.drop();
  });

  test('one that has stopped reading keeps the others from nothing', async () => {
    const { terminal, screen } = await shell();
    const asleep = await fallAsleep(ada, terminal);
    screen.type(
      "stty -onlcr; printf 'be''gin:'; yes 0123456789abcde | head -c 3200000; printf ':e''nd'; stty onlcr\n",
    );
    await screen.see(/begin:/);
    await screen.see(/:end/, patiently(60_000));
    const all = screen.output;
    const printed = all.subarray(all.indexOf('begin:') + 6, all.lastIndexOf(':end'));
    expect(sha256(printed)).toBe(sha256(Buffer.from('0123456789abcde\n'.repeat(200_000))));
    asleep.terminate();
  });

  test('what only a server says, and frames that are too long, are refused and nobody else notices', async () => {
    const { terminal, screen } = await shell();
    for (const bytes of [Uint8Array.of(0x87), Uint8Array.of(0x00, 0), new Uint8Array(FRAME_MAX + 1)]) {
      const odd = ada.socket(id, 'box', terminal);
      odd.on('open', () => odd.send(bytes));
      expect([1_009, 4_400]).toContain(await new Promise((resolve) => odd.on('close', resolve)));
    }
    expect(await screen.run('echo still h""ere')).toBe('still here');
  });
});
