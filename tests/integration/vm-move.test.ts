// VMs on the move: to another QEMU while a terminal prints, called off or gone wrong without harm, and back to a moment that
// was saved.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LinkHost } from '../../sandbox-server/src/broker/link.ts';
import { patiently } from '../patience.ts';
import { MIB, TestBroker } from './broker.ts';
import { BOOTS_LIMIT_MS, bootGuest } from './guest.ts';
import { run, Screen } from './vm.ts';

const MEMORY = 256 * MIB;
const PATIENCE_MS = patiently(20_000);

let broker: TestBroker;
let link: LinkHost;
let screen: Screen;
let terminal = '';

beforeAll(async () => {
  broker = await TestBroker.start();
  ({ link } = await bootGuest(broker.control, 'vm', join(broker.state, 'run/machines/vm'), MEMORY));
  ({ terminal } = await link.request('terminal.open', { machine: 'host', columns: 80, rows: 24 }));
  await look();
  await screen.shows(/# $/);
  screen.type('n=0; while sleep 0.05; do echo tick-$((n++)); done\r');
  await screen.shows(/tick-3\b/);
}, BOOTS_LIMIT_MS);
afterAll(async () => {
  link.close('the test is over');
  await broker.dispose();
});

const request = () => broker.control;
/** Attaches to the terminal anew, as a page does that lost its connection. */
const look = async () => {
  await link.greeted(PATIENCE_MS);
  screen = new Screen(await link.attach('host', terminal), 80, 24);
};
const ticks = () => [...screen.text.matchAll(/tick-(\d+)\r/g)].map(([, number]) => Number(number));
const expectNoGap = () => {
  const seen = ticks();
  expect(seen).toEqual(seen.map((_, index) => (seen[0] ?? 0) + index));
};
/** Waits until the loop in the terminal has gone on. */
const goesOn = async () => {
  const last = ticks().at(-1) ?? 0;
  await screen.shows(new RegExp(`tick-${last + 5}\\b`));
};
/** The link is lost with the QEMU that had it; what the terminal printed meanwhile is not. */
const comesBack = async () => {
  await expect
    .poll(
      () =>
        run(link, 'host', 'true').then(
          () => true,
          () => false,
        ),
      { timeout: PATIENCE_MS },
    )
    .toBe(true);
  await look();
  await screen.shows(/tick-\d+/);
  await goesOn();
};
const qemus = () =>
  broker.census().processes.filter((line) => line.includes('qemu-system') && line.includes('-name vm'));
const pidOf = async () =>
  (await request().request('machine.list', {})).machines.find(({ machine }) => machine === 'vm')?.pid ?? 0;

describe('a VM that is moved while it runs', () => {
  it('goes on in another QEMU, tells how it goes, and no line of its terminal is lost', async () => {
    const before = await pidOf();
    const { machine, figures } = await request().request('vm.migrate', { machine: 'vm' });
    expect(machine.pid).not.toBe(before);
    await expect.poll(() => existsSync(`/proc/${before}`)).toBe(false);
    expect(figures).toMatchObject({ status: 'completed', remaining_bytes: 0 });
    expect(figures.transferred_bytes).toBeGreaterThan(16 * MIB);
    expect(figures.total_bytes).toBeGreaterThan(MEMORY - 1);
    expect(figures.rounds).toBeGreaterThan(1);
    expect(figures.pause_ms).toBeGreaterThan(0);
    expect(figures.pause_ms).toBeLessThan(figures.elapsed_ms ?? 0);
    const told = request().events.filter(({ event }) => event === 'machine.moving');
    expect(told.length).toBeGreaterThan(1);
    expect(told.at(-1)).toMatchObject({ machine: 'vm', ...figures });
    await comesBack();
    expect(ticks()[0]).toBe(0);
    expectNoGap();
    expect(qemus()).toHaveLength(1);
    expect(readdirSync(join(broker.state, 'run/machines/vm'))).not.toContain('next');
  });

  it('stays where it is when the move is called off', async () => {
    const before = await pidOf();
    const moving = request().request('vm.migrate', { machine: 'vm' });
    const refused = expect(moving).rejects.toMatchObject({ message: expect.stringContaining('cancelled') });
    await request().request('vm.migrate.cancel', { machine: 'vm' });
    await refused;
    expect(await pidOf()).toBe(before);
    await goesOn();
    expect(qemus()).toHaveLength(1);
  });

  it('stays where it is when the other QEMU dies on the way', async () => {
    const before = await pidOf();
    const moving = request().request('vm.migrate', { machine: 'vm' });
    const refused = expect(moving).rejects.toMatchObject({ code: 'failed' });
    await expect.poll(() => qemus().length, { interval: 5, timeout: PATIENCE_MS }).toBe(2);
    const other = qemus()
      .map((line) => Number(line.split(' ')[0]))
      .find((pid) => pid !== before);
    process.kill(other ?? 0, 'SIGKILL');
    await refused;
    expect(await pidOf()).toBe(before);
    await goesOn();
    expect(qemus()).toHaveLength(1);
  });

  it('is there once, and runs, after the broker died in the middle', async () => {
    const lost = request()
      .request('vm.migrate', { machine: 'vm' })
      .catch((error: Error) => error.message);
    await expect.poll(() => qemus().length, { interval: 5, timeout: PATIENCE_MS }).toBe(2);
    await broker.kill();
    await lost;
    await broker.start();
    await expect.poll(() => qemus().length, { timeout: PATIENCE_MS }).toBe(1);
    await comesBack();
    expectNoGap();
  });

  it('is moved once at a time', async () => {
    const [first, second] = await Promise.allSettled([
      request().request('vm.migrate', { machine: 'vm' }),
      request().request('vm.migrate', { machine: 'vm' }),
    ]);
    expect(first.status).toBe('fulfilled');
    expect(second).toMatchObject({ reason: { code: 'exists' } });
    await comesBack();
  });
});

describe('a snapshot', () => {
  it('is saved while the VM goes on, and listed', async () => {
    await run(link, 'host', 'echo early > /root/note');
    const { figures } = await request().request('vm.snapshot.save', { machine: 'vm', snapshot: 'before' });
    expect(figures).toMatchObject({ status: 'completed' });
    await goesOn();
    const { snapshots } = await request().request('vm.snapshot.list', { machine: 'vm' });
    expect(snapshots).toMatchObject([{ snapshot: 'before' }]);
    expect(snapshots[0]?.bytes).toBeGreaterThan(16 * MIB);
  });

  it('brings back the moment: files, processes and what the terminal shows; but not the time of day', async () => {
    await run(link, 'host', 'echo late > /root/note; touch /root/later');
    // Echoed between two ticks, and nobody reads it.
    screen.type('later\r');
    await screen.shows(/later/);
    const askedAt = Date.now() / 1_000;
    await request().request('vm.snapshot.restore', { machine: 'vm', snapshot: 'before' });
    await comesBack();
    expect(screen.text).not.toContain('later');
    expectNoGap();
    const { stdout } = await run(link, 'host', 'cat /root/note; ls /root/later 2>&1; date +%s; hostname');
    const [note, later, seconds, hostname] = stdout.trim().split('\n');
    expect([note, hostname]).toEqual(['early', 'vm']);
    expect(later).toContain('No such file');
    // Whole seconds, of a clock that was set while the host's went on.
    expect(Number(seconds)).toBeGreaterThan(askedAt - 2);
    expect(Number(seconds)).toBeLessThan(Date.now() / 1_000 + 1);
    expect(qemus()).toHaveLength(1);
  });

  it.each([
    ['a name that is taken', 'vm.snapshot.save', 'before', 'exists', /delete it first/],
    ['one that there is not', 'vm.snapshot.restore', 'never', 'not_found', /no snapshot never/],
    ['a name with a slash', 'vm.snapshot.save', '../x', 'bad_request', /1 to 27 of a-z/],
  ] as const)('%s is refused', async (_what, method, snapshot, code, message) => {
    const refused = request().request(method, { machine: 'vm', snapshot });
    await expect(refused).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('of another QEMU or image is refused, and the VM runs on', async () => {
    const path = join(broker.state, 'run/machines/vm/snapshots/before.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace(/"key": "\S+/, '"key": "another-image'));
    const refused = request().request('vm.snapshot.restore', { machine: 'vm', snapshot: 'before' });
    await expect(refused).rejects.toMatchObject({ code: 'unsupported', field: 'snapshot' });
    await goesOn();
  });

  it('can be deleted, and goes with its machine', async () => {
    await request().request('vm.snapshot.delete', { machine: 'vm', snapshot: 'before' });
    expect((await request().request('vm.snapshot.list', { machine: 'vm' })).snapshots).toEqual([]);
    await request().request('machine.delete', { machine: 'vm' });
    expect(readdirSync(join(broker.state, 'run/machines'))).toEqual([]);
    expect(broker.census().processes).toHaveLength(1); // the broker
  });
});
