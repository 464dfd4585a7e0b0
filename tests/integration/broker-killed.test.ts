// A broker that dies at any moment costs nothing: what runs is found again, what was half made goes, what was being restarted stays.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { TestBroker } from './broker.ts';
import { expectNothingLeft, hostPid } from './broker-remains.ts';
import { runs } from './monitor.ts';

let broker: TestBroker;

describe('a broker that was killed', () => {
  afterEach(() => broker.dispose());

  it('finds every machine and terminal again, and not a byte is lost', async () => {
    broker = await TestBroker.start();
    await broker.create('box', { labels: { owner: 'x' } });
    await broker.create('nest', { profile: 'nested' });
    const terminal = await broker.open('box');
    const viewer = await broker.attach('box', terminal);
    await viewer.untilText('#');
    // Counts while there is no broker, and after.
    viewer.type('for i in $(seq 3000); do echo "line $i."; [ $((i % 100)) = 0 ] && sleep 0.05; done\n');
    await viewer.untilText('line 500.');
    const before = await broker.control.request('machine.list', {});
    await broker.kill();
    await viewer.untilText('line 1500.');
    await broker.start();
    expect(await broker.control.request('machine.list', {})).toEqual(before);
    await viewer.untilText('line 3000.');
    const again = await broker.attach('box', terminal);
    await again.untilText('line 3000.');
    const counted = [...viewer.text().matchAll(/^line (\d+)\./gm)].map(([, number]) => Number(number));
    expect(counted).toEqual(Array.from({ length: 3000 }, (_, index) => index + 1));
    expect(viewer.lost).toBe(0);

    // It is in charge again: of commands, of ends, of what is left.
    expect(await broker.shell('box', 'hostname')).toBe('box');
    viewer.type('exit 9\n');
    const ended = await broker.control.event((one) => one.event === 'terminal.exited');
    expect(ended).toMatchObject({ machine: 'box', terminal, kind: 0, status: 9 });
    process.kill(await hostPid(broker, 'nest'), 'SIGKILL');
    await broker.control.event((one) => one.event === 'machine.exited' && one.machine === 'nest');
    await broker.control.request('machine.delete', { machine: 'box' });
    await broker.control.request('machine.delete', { machine: 'nest' });
    expectNothingLeft(broker);
  });

  it('says what ended while it was away', async () => {
    broker = await TestBroker.start();
    await broker.create('box');
    const terminal = await broker.open('box', ['sleep', '1000']);
    const pid = await hostPid(broker, 'box');
    await broker.kill();
    process.kill(pid, 'SIGKILL');
    while (runs(pid)) await new Promise((resolve) => setTimeout(resolve, 5));
    await broker.start();
    // A zombie that nobody has reaped yet passes for alive for a moment.
    await expect
      .poll(async () => (await broker.control.request('machine.list', {})).machines)
      .toMatchObject([
        {
          machine: 'box',
          state: 'exited',
          exit: expect.stringContaining('ended'),
          terminals: [{ terminal, state: 'exited' }],
        },
      ]);
  });

  it('removes what its maker left half made, and records from before a reboot', async () => {
    broker = await TestBroker.start();
    await broker.create('old');
    const record = join(broker.state, 'run/machines/old/machine.json');
    const text = readFileSync(record, 'utf8');
    await broker.kill();
    writeFileSync(record, text.replace(/"boot": "[^"]+"/, '"boot": "00000000-0000-0000-0000-000000000000"'));
    await broker.start();
    // What is left of it is cleared by a process of its own, while the broker answers already.
    await expect.poll(() => broker.census().processes).toHaveLength(1);
    expectNothingLeft(broker);

    // A crash in the middle of making: whatever moment it hits, the next broker leaves nothing of it.
    for (const delay of [0, 2, 4, 8, 16]) {
      const created = broker.create('half').catch(() => null);
      await new Promise((resolve) => setTimeout(resolve, delay));
      await broker.kill();
      await created;
      await broker.start();
      const { machines } = await broker.control.request('machine.list', {});
      for (const { machine } of machines) await broker.control.request('machine.delete', { machine });
      // A launch that had made a process, and written nothing down yet, ends by itself: its runtime is gone.
      await expect.poll(() => broker.census().processes).toHaveLength(1);
      expectNothingLeft(broker);
    }
  });
});

describe('a broker that was killed while it restarts a machine', () => {
  afterEach(() => broker.dispose());

  it('still has the machine, which can be begun again', async () => {
    broker = await TestBroker.start();
    await broker.create('again', { labels: { owner: 'x' } });
    // Whatever moment the kill hits: its end, its making, or the first moments of what was made.
    for (const delay of [0, 1, 2, 4, 8, 16]) {
      const restarted = broker.control.request('machine.restart', { machine: 'again' }).catch(() => null);
      await new Promise((resolve) => setTimeout(resolve, delay));
      await broker.kill();
      await restarted;
      await broker.start();
      const { machines } = await broker.control.request('machine.list', {});
      expect(machines).toMatchObject([{ machine: 'again', labels: { owner: 'x' } }]);
      await broker.control.request('machine.restart', { machine: 'again' });
      expect(await broker.shell('again', 'hostname')).toBe('again');
    }
    await broker.control.request('machine.delete', { machine: 'again' });
    // A launch that had made a process, and written nothing down yet, ends by itself: its runtime is gone.
    await expect.poll(() => broker.census().processes).toHaveLength(1);
    expectNothingLeft(broker);
  });
});
