// `npm run install-system`: Bulkhead as services of this machine, under systemd. Run again, it upgrades in place.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { layOut } from './install/layout.ts';
import { units } from './install/units.ts';
import { readFile } from './options.ts';
import { isRoot, run } from './privilege.ts';
import { PlainError } from './progress.ts';
import { inStep, PROGRAMS, ROOT, SERVER_USER, setUp } from './setup.ts';
import { buildTabImage } from './tab-image.ts';

const STEPS = 8;
const place = {
  programs: '/usr/local/lib/bulkhead',
  config: '/etc/bulkhead/bulkhead.yaml',
  state: '/var/lib/bulkhead',
  user: SERVER_USER,
};
const HELP = `Usage: npm run install-system -- [options]

Installs what is missing, builds, and puts Bulkhead under systemd: programs in ${place.programs}, the configuration in
${place.config}, state in ${place.state}. Run again, it upgrades; no machine and no terminal ends.
${place.programs}/uninstall undoes it.

  --root DIR   lay out into the root of another system, an image say: nothing is built or started there,
               and its images are yours to bring (labs/images/build --out DIR${place.state}/images)
  --help       this text
`;

const must = async (command: string, args: readonly string[]): Promise<void> => {
  const { status, stderr } = await run(command, args, { root: true });
  if (status === 0) return;
  throw new PlainError(`${command} ${args.join(' ')} failed: ${stderr.trim().split('\n').at(-1)}`);
};

const startServices = async (): Promise<string> => {
  // The first time nothing runs; an upgrade begins the new programs. Machines are in a service that is not touched.
  await must('systemctl', ['daemon-reload']);
  await must('systemctl', ['enable', 'bulkheadd', 'bulkhead-server']);
  await must('systemctl', ['restart', 'bulkheadd', 'bulkhead-server']);
  return 'bulkheadd and bulkhead-server run';
};

const main = async (): Promise<void> => {
  const { values } = parseArgs({ options: { root: { type: 'string' }, help: { type: 'boolean' } } });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  if (!isRoot) throw new PlainError('this writes to /usr/local and /etc: run it as root, with sudo');
  const layout = { from: ROOT, native: process.env.BULKHEAD_PROGRAMS ?? PROGRAMS, place };
  if (values.root !== undefined) {
    const root = values.root;
    layOut({ ...layout, root });
    for (const name of ['server', 'images']) mkdirSync(join(root, place.state, name), { recursive: true });
    await must('systemctl', [`--root=${root}`, 'enable', ...Object.keys(units(place)).filter(isStarted)]);
    console.log(`Laid out in ${root}; it needs a system user ${place.user}, and images`);
    return;
  }
  const configured = readFile(existsSync(place.config) ? place.config : '');
  await setUp({
    state: place.state,
    images: join(place.state, 'images'),
    forTests: false,
    steps: STEPS,
    publicUrl: configured['public-url']?.split(',')[0],
  });
  await inStep(6, STEPS, 'Programs', async () => {
    layOut({ ...layout, root: '/' });
    return place.programs;
  });
  await inStep(7, STEPS, 'Services', startServices);
  await inStep(8, STEPS, 'Linux for tabs', async (step) => {
    const said: string[] = [];
    const built = await buildTabImage(join(place.state, 'images'), (line) => {
      said.push(line);
      step.say(line);
    });
    return built ? 'the image is there' : (said.at(-1) ?? 'not built');
  });
  console.log(
    `\nBulkhead is at http://127.0.0.1:7080 unless ${place.config} says otherwise; journalctl -u bulkhead-server -u bulkheadd has its log\n`,
  );
};

/** The machines' service is started by the broker's. */
const isStarted = (unit: string): boolean => unit !== 'bulkhead-machines.service';

try {
  await main();
  process.exit(0);
} catch (error) {
  console.error(`bulkhead: ${error instanceof PlainError ? error.message : error}`);
  process.exit(1);
}
