// Nothing is lost: fifty shells and two VMs, each printing numbered lines, while server, broker and both are killed without
// a chance to say anything, and the programs below them exchanged. What this prints is what the closing note shows.
//
// With BULKHEAD_OLD_PROGRAMS (a `native/build` of an earlier version) everything is begun by that version and upgraded in
// place to this one: docs/operating.md, "Upgrade in place".
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import { type Census, census } from '../integration/census.ts';
import { Learner, type RemoteTerminal } from '../integration/learner.ts';
import { PROGRAMS, type Stack, startStack } from '../integration/stack.ts';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const ROOMS = 5;
const CONTAINERS_EACH = 5;
const SHELLS_EACH = 2;
const soon = { timeout: patiently(60_000) };

/** Prints a numbered line ten times a second until Ctrl-C. It starts nothing, so that every process there is can be known;
 * it waits at a pipe into which nobody writes, for a `read` of bash that gives up on a terminal can lose a key. noflsh: at
 * Ctrl-C the kernel would throw away what was printed and not yet taken (termios(3)). */
const COUNT = [
  'stty -echo noflsh; exec 9<> <(:); i=0 e=; trap e=1 INT',
  'until [[ $e ]]; do echo line-$((++i)); read -t 0.1 -u 9; done',
  'trap - INT; exec 9<&-; echo end-$i; stty echo -noflsh\n',
].join('; ');

interface Shell {
  where: string;
  screen: RemoteTerminal;
}
interface Room {
  learner: Learner;
  id: string;
  machines: readonly string[];
}

let stack: Stack;
/** A copy of the programs elsewhere, as a new version would be. */
const newer = temporaryFolder('newer');
let idle: Census;
/** Every process of every machine, once all are there. */
let everything: readonly string[];
const rooms: Room[] = [];
const shells: Shell[] = [];

const say = (line: string) => console.log(line);
const containers = Array.from({ length: CONTAINERS_EACH }, (_, index) => ({
  name: `box-${index + 1}`,
  kind: 'container' as const,
}));
const vms = [1, 2].map((index) => ({ name: `vm-${index}`, kind: 'vm' as const, start: 'template' as const }));

beforeAll(async () => {
  for (const program of ['bulkhead', 'bulkheadd', 'bulkhead-monitor']) {
    cpSync(join(PROGRAMS, program), join(newer, program));
  }
  const older = process.env.BULKHEAD_OLD_PROGRAMS;
  stack = await startStack(older === undefined ? {} : { programs: older });
  idle = census(stack.state, stack.cgroup);
  const [made, ...others] = await Promise.all([
    open(vms),
    ...Array.from({ length: ROOMS }, () => open(containers)),
  ]);
  rooms.push(...others);
  if (made) rooms.push(made);
  for (const room of rooms) {
    for (const name of room.machines) {
      await room.learner.waitFor(room.id, name, 'running');
      for (let one = 0; one < (name.startsWith('vm') ? 1 : SHELLS_EACH); one++) {
        shells.push(await startShell(room, name));
      }
    }
  }
}, patiently(240_000));

afterAll(async () => {
  await stack.stop();
  rmSync(newer, { recursive: true });
  expect(census(stack.state, stack.cgroup)).toEqual({
    processes: [],
    mounts: [],
    cgroups: [],
    namespaces: [],
  });
});

async function open(machines: typeof containers | typeof vms): Promise<Room> {
  const learner = await Learner.arrive(stack.url);
  const { id } = await learner.create(machines);
  return { learner, id, machines: machines.map(({ name }) => name) };
}

async function startShell({ learner, id }: Room, name: string): Promise<Shell> {
  const screen = learner.terminal(id, name, await learner.openTerminal(id, name));
  await screen.attach();
  await screen.see(/[#$] $/);
  screen.type(COUNT);
  await screen.see(/line-1\r/);
  return { where: `${id.slice(0, 4)}/${name}`, screen };
}

/** The number of the last line that has arrived. */
const lastLine = (text: string): number => Number(/line-(\d+)\r\n[^\n]*$/.exec(text.slice(-100))?.[1] ?? 0);

/** Everything that belongs to machines: what the census names but for the two services themselves. */
function machineProcesses(): string[] {
  const services = [stack.brokerPid, stack.serverPid].map(String);
  return census(stack.state, stack.cgroup).processes.filter(
    (one) => !services.includes(one.split(' ', 1)[0] ?? ''),
  );
}

/** Comes back to every terminal whose connection broke, and sees that it has gone on. */
async function comeBack(): Promise<{ broken: number; printed: number }> {
  const before = shells.map(({ screen }) => lastLine(screen.text));
  const broken = shells.filter(({ screen }) => screen.closed !== null);
  await Promise.all(broken.map(({ screen }) => screen.attach()));
  await Promise.all(
    shells.map(({ screen }, index) =>
      screen.see(new RegExp(`line-${(before[index] ?? 0) + 3}\r`), patiently(120_000)),
    ),
  );
  const printed = shells.reduce(
    (sum, { screen }, index) => sum + lastLine(screen.text) - (before[index] ?? 0),
    0,
  );
  return { broken: broken.length, printed };
}

describe('under fifty shells and two VMs', () => {
  const server = { kill: () => stack.killServer(), start: () => stack.startServer() };
  const broker = { kill: () => stack.killBroker(), start: () => stack.startBroker() };

  test('all are there, and nothing else runs in their machines', async () => {
    // What the server asks of a new machine runs in it for a moment.
    for (const { learner, id } of rooms) {
      await expect
        .poll(async () => (await learner.look(id)).machines.every(({ facts }) => facts), soon)
        .toBe(true);
    }
    everything = machineProcesses();
    say(`${shells.length} shells in ${rooms.flatMap(({ machines }) => machines).length} machines`);
    expect(shells.length).toBe(ROOMS * CONTAINERS_EACH * SHELLS_EACH + vms.length);
  });

  test.each([
    ['the server', [server]],
    ['the broker', [broker]],
    ['both', [broker, server]],
  ] as const)(
    '%s killed and started again: all there, and every byte',
    { timeout: patiently(180_000) },
    async (what, services) => {
      await Promise.all(services.map(({ kill }) => kill()));
      await expect.poll(machineProcesses, soon).toEqual(everything);
      // A terminal does not need the broker: only with the server do the connections break.
      const serverDied = services.some((one) => one === server);
      if (serverDied) {
        await expect.poll(() => shells.filter(({ screen }) => screen.closed === null).length, soon).toBe(0);
      }
      for (const { start } of services) await start();
      const { broken, printed } = await comeBack();
      say(
        `kill -9 ${what}: all ${everything.length} processes of machines lived on; ` +
          `${broken} of ${shells.length} terminals attached again, ${printed} lines since`,
      );
      await expect.poll(machineProcesses, soon).toEqual(everything);
      expect(broken).toBe(serverDied ? shells.length : 0);
      expect(shells.map(({ screen }) => screen.losses).filter((losses) => losses > 0)).toEqual([]);
    },
  );

  test('a sandbox whose time ran out while both were dead is ended, and the programs may be other ones', {
    timeout: patiently(180_000),
  }, async () => {
    const late = await open(containers.slice(0, 1));
    await startShell(late, 'box-1');
    const directories = readdirSync(join(stack.state, 'run/machines')).length;
    expect(machineProcesses().length).toBeGreaterThan(everything.length);
    await Promise.all([stack.killServer(), stack.killBroker()]);
    const database = new DatabaseSync(join(stack.state, 'server/sandboxes.db'));
    database.prepare('UPDATE sandboxes SET expires_at = 1 WHERE id = ?').run(late.id);
    database.close();
    stack.programs = newer;
    await stack.startBroker();
    await stack.startServer();
    const { printed } = await comeBack();
    await expect
      .poll(async () => (await late.learner.ask('GET', apiPaths.sandbox(late.id))).status, soon)
      .toBe(404);
    await expect.poll(machineProcesses, soon).toEqual(everything);
    const left = () => readdirSync(join(stack.state, 'run/machines')).length;
    await expect.poll(left, soon).toBe(directories - 1);
    say(`both again, and other programs: ${printed} lines since; the sandbox whose time ran out is gone`);
  });

  test('Ctrl-C ends each count: from the first line to the last, not one is missing or there twice', {
    timeout: patiently(120_000),
  }, async () => {
    let bytes = 0;
    let lines = 0;
    for (const { screen } of shells) screen.type('\x03');
    for (const { where, screen } of shells) {
      const [, last] = await screen.see(/end-(\d+)\r\n/, patiently(60_000));
      const from = screen.text.indexOf('line-1\r\n');
      const all = Array.from({ length: Number(last) }, (_, index) => `line-${index + 1}\r\n`).join('');
      // Not toBe: what differs would be the whole text.
      expect(screen.text.slice(from).startsWith(all), `${where}: ${screen.text.slice(-300)}`).toBe(true);
      expect(screen.text.slice(from + all.length), where).toMatch(/^end-\d+\r\n/);
      expect(await screen.run('echo still h""ere'), where).toBe('still here');
      bytes += screen.length;
      lines += Number(last);
    }
    say(`${shells.length} shells: ${lines} lines, ${bytes} bytes, each where it belongs; losses 0`);
  });

  test('ended, nothing is left of any of them', { timeout: patiently(120_000) }, async () => {
    const ends = await Promise.all(rooms.map(({ learner, id }) => learner.end(id)));
    expect(ends.map(({ status }) => status)).toEqual(rooms.map(() => 204));
    expect(machineProcesses()).toEqual([]);
    const { mounts, cgroups } = census(stack.state, stack.cgroup);
    expect({ mounts, cgroups }).toEqual({ mounts: idle.mounts, cgroups: idle.cgroups });
    expect(readdirSync(join(stack.state, 'run/machines'))).toEqual([]);
    expect(existsSync(join(stack.state, 'run/control.sock'))).toBe(true);
    say('ended: no process, mount, control group or file of a machine is left');
  });
});
