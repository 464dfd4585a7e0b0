// What is recorded: things that only a server can show. Each scene is done on real machines, once, and told as it went.
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import type { Machine, MachineStats, MoveFigures, Sandbox } from '../../sandbox-server/src/protocol/api.ts';
import { formatBytes, formatMs } from '../../site/src/components/sandbox/format.ts';
import { Events } from '../integration/events.ts';
import { Learner } from '../integration/learner.ts';
import { type Camera, COLUMNS, ROWS } from './camera.ts';

export interface Scene {
  title: string;
  play: (camera: Camera, url: string) => Promise<void>;
}

const machineOf = (sandbox: Sandbox, name: string): Machine => {
  const machine = sandbox.machines.find((one) => one.name === name);
  if (!machine) throw new Error(`the sandbox has no machine ${name}`);
  return machine;
};

/** What the host pays for a machine, as the server measured it. */
async function costOf(url: string, learner: Learner, sandbox: Sandbox, name: string): Promise<MachineStats> {
  const events = await Events.follow(url, learner.cookie, sandbox.id);
  const measured = await events.when(
    ({ event, data }) => event === 'stats' && data.machines[name]?.hostBytes != null,
    `measure of ${name}`,
  );
  events.close();
  const stats = measured.event.event === 'stats' ? measured.event.data.machines[name] : undefined;
  if (!stats) throw new Error(`${name} was not measured`);
  return stats;
}

const boot: Scene = {
  title: 'A virtual machine boots, step by step',
  async play(camera) {
    await camera.say('A virtual machine is asked for. Nothing of it is there yet.');
    const sandbox = await camera.make([{ name: 'vm', kind: 'vm', start: 'boot' }]);
    const { measures, where } = machineOf(sandbox, 'vm');
    await camera.say('It is up. What the host measured on the way:');
    for (const { by, step, startMs, endMs, detail } of measures?.steps ?? []) {
      const row = `${formatMs(startMs).padStart(8)} ${formatMs(endMs - startMs).padStart(8)}  ${by}: ${step}`;
      camera.print(`${row} ${detail}`.slice(0, 74).concat('\r\n'));
      await camera.rest(250);
    }
    camera.print('\r\n');
    const shell = await camera.shell(sandbox, 'vm');
    await shell.run('uname -r; ps -e | wc -l');
    await shell.run('dmesg | grep -E "DMI:|Command line" | cut -c1-74');
    await camera.say(`A kernel of its own. The host has another one: ${where.kernel}.`);
    await camera.end(sandbox);
  },
};

const migration: Scene = {
  title: 'A virtual machine moves to another QEMU while it runs',
  async play(camera) {
    let sandbox = await camera.make([{ name: 'vm', kind: 'vm', start: 'template' }]);
    const shell = await camera.shell(sandbox, 'vm');
    const before = machineOf(sandbox, 'vm').hostPid;
    await shell.type('n=0; while sleep 0.2; do echo "tick $((n++))"; done');
    await shell.see((text) => /tick 7\r/.test(text));
    await camera.say(`It runs in QEMU, process ${before}. It is told to go on in another one.`);
    const figures = await camera.ask<MoveFigures>('POST', apiPaths.migration(sandbox.id, 'vm'));
    await shell.comeBack();
    sandbox = await camera.learner.look(sandbox.id);
    await camera.say(
      `It is in process ${machineOf(sandbox, 'vm').hostPid} now. ${formatBytes(figures.transferredBytes)} of memory were sent in ` +
        `${figures.rounds} rounds and ${formatMs(figures.elapsedMs)}; it stood still for ${formatMs(figures.pauseMs)}.`,
    );
    await shell.see((text) => /tick (2[5-9]|[3-9]\d)\r/.test(text));
    await shell.interrupt();
    await camera.say('No tick is missing. The program in it was told nothing.');
    await camera.end(sandbox);
  },
};

const snapshot: Scene = {
  title: 'A virtual machine goes back in time',
  async play(camera) {
    const sandbox = await camera.make([{ name: 'vm', kind: 'vm', start: 'template' }]);
    const shell = await camera.shell(sandbox, 'vm');
    await shell.run('kept=in-memory; echo "written before" > note; ls /usr/bin | wc -l');
    const saved = performance.now();
    const figures = await camera.ask<MoveFigures>('PUT', apiPaths.snapshot(sandbox.id, 'vm', 'before'));
    await camera.say(
      `All of it is saved from outside, memory included: ${formatBytes(figures.transferredBytes)} in ${formatMs(performance.now() - saved)}.`,
    );
    await shell.prompt();
    await shell.run('rm -rf /usr/bin /usr/sbin; kept=lost; ls');
    await camera.say('Nothing is left to repair it with. It goes back to the moment that was saved.');
    const began = performance.now();
    await camera.ask('POST', `${apiPaths.snapshot(sandbox.id, 'vm', 'before')}/restore`);
    await shell.comeBack();
    await camera.say(`That took ${formatMs(performance.now() - began)}.`);
    await shell.prompt();
    await shell.run('ls /usr/bin | wc -l; cat note; echo $kept');
    await camera.say('The files, the shell, and what it had in memory: for them the rest never happened.');
    await camera.end(sandbox);
  },
};

const panic: Scene = {
  title: 'One kernel panics, its neighbour goes on',
  async play(camera) {
    let sandbox = await camera.make([
      { name: 'box', kind: 'container' },
      { name: 'vm', kind: 'vm', start: 'template' },
    ]);
    await camera.say('A container on the host, and a virtual machine beside it. Both are root.');
    const box = await camera.shell(sandbox, 'box');
    await box.run('uname -r');
    await box.run('echo c > /proc/sysrq-trigger');
    await camera.say('In the container the file is not there. The virtual machine:');
    const vm = await camera.shell(sandbox, 'vm');
    await vm.run('uname -r');
    await vm.type('echo c > /proc/sysrq-trigger');
    while (machineOf(sandbox, 'vm').end === null) {
      await camera.rest(50);
      sandbox = await camera.learner.look(sandbox.id);
    }
    const end = machineOf(sandbox, 'vm').end;
    await camera.say(`The host saw it end. The cause: ${end?.cause}. The last lines on its console:`);
    for (const line of end?.console.slice(0, 12) ?? []) camera.print(`${line.slice(0, 74)}\r\n`);
    await camera.rest(2_500);
    await camera.say('And the container:');
    await box.prompt();
    await box.run('echo "nothing happened here"; uptime -p');
    await camera.end(sandbox);
  },
};

/** Two sandboxes of eight are what one learner may have. */
const CONTAINERS = 24;
const EACH = 8;

const density: Scene = {
  title: 'What two dozen containers cost, and what one virtual machine',
  async play(camera, url) {
    await camera.say(
      `${CONTAINERS} containers, asked for four at a time. For each: how long until its shell was there, and what the host pays.`,
    );
    let host = 0;
    let count = 0;
    const ends: (() => Promise<unknown>)[] = [];
    for (let round = 0; round < CONTAINERS / EACH; round++) {
      const learner = await Learner.arrive(url);
      for (let number = 0; number < EACH; number += EACH / 2) {
        const machines = Array.from({ length: EACH / 2 }, (_, index) => ({
          name: `box-${index + 1}`,
          kind: 'container' as const,
          columns: COLUMNS,
          rows: ROWS,
        }));
        const sandbox = await learner.create(machines);
        ends.push(() => learner.end(sandbox.id));
        for (const { name, measures } of sandbox.machines) {
          const stats = await costOf(url, learner, sandbox, name);
          host += stats.hostBytes ?? 0;
          count++;
          const made = formatMs(measures?.terminalMs ?? 0).padStart(8);
          camera.print(
            `${String(count).padStart(3)}  ${made}  ${formatBytes(stats.hostBytes ?? 0).padStart(9)}\r\n`,
          );
        }
      }
    }
    await camera.say(
      `Together they take ${formatBytes(host)} of the host: ${formatBytes(host / count)} each, and less the more there are, for they share what they read.`,
    );
    await camera.say('Now one virtual machine, booted, with the same shell.');
    const sandbox = await camera.make([{ name: 'vm', kind: 'vm', start: 'boot' }]);
    const { hostBytes } = await costOf(url, camera.learner, sandbox, 'vm');
    const ready = machineOf(sandbox, 'vm').measures?.terminalMs ?? 0;
    camera.print(`     ${formatMs(ready).padStart(8)}  ${formatBytes(hostBytes ?? 0).padStart(9)}\r\n`);
    const times = Math.round((hostBytes ?? 0) / (host / count));
    await camera.say(
      `It takes as much as ${times} of them. Both idle: a program in either adds what it takes itself.`,
    );
    for (const end of ends) await end();
    await camera.end(sandbox);
  },
};

export const scenes: Record<string, Scene> = { boot, migration, snapshot, panic, density };
