// Plays the scenes on machines of their own and writes them to site/src/recordings: `npm run record`, or those named:
// `npm run record -- panic boot`. One virtual machine at a time. What was recorded says when, and on what machine.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { durationOf, formatCast } from '../../site/src/components/recording/asciicast.ts';
import { environment } from '../bench/environment.ts';
import { Learner } from '../integration/learner.ts';
import { startStack } from '../integration/stack.ts';
import { Camera, COLUMNS, ROWS } from './camera.ts';
import { scenes } from './scenes.ts';

const FOLDER = join(import.meta.dirname, '../../site/src/recordings');
const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !(name in scenes));
if (unknown) throw new Error(`no scene is called ${unknown}; there are: ${Object.keys(scenes).join(', ')}`);

for (const [name, { title, play }] of Object.entries(scenes)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const stack = await startStack({ broker: ['--accel', 'auto'] });
  try {
    const { cpu, cpus, memoryGiB, kernel, load } = environment();
    const learner = await Learner.arrive(stack.url);
    const { body } = await learner.ask('GET', '/api/status');
    const { vm } = (body as { host: { vm: { accel: string | null } } }).host;
    const camera = new Camera(learner);
    await play(camera, stack.url);
    const cast = {
      header: {
        version: 2 as const,
        width: COLUMNS,
        height: ROWS,
        timestamp: Math.floor(Date.now() / 1_000),
        title,
        bulkhead: {
          machine: `${cpus} processors (${cpu}), ${memoryGiB} GiB of memory, Linux ${kernel}`,
          virtualMachines:
            vm.accel === 'kvm'
              ? 'with KVM'
              : 'on an emulated processor (QEMU TCG), since KVM cannot be used there',
          load,
          command: `npm run record -- ${name}`,
        },
      },
      events: camera.events,
    };
    writeFileSync(join(FOLDER, `${name}.cast`), formatCast(cast));
    console.log(`${name}: ${durationOf(cast).toFixed(0)} s, load ${load}`);
  } catch (error) {
    console.error(stack.report());
    throw error;
  } finally {
    await stack.stop();
  }
}
