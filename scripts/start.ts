// `npm start`: from whatever is there to a running Bulkhead, then wait for Ctrl-C.

import { hostRemarks } from './host-remark.ts';
import { helpText, type Options, parseOptions } from './options.ts';
import { ensureRoot, interruptRunning, run } from './privilege.ts';
import { duration, PlainError } from './progress.ts';
import { serveReadingPages } from './reading-pages.ts';
import { checkPort, Services } from './services.ts';
import { inStep, PROGRAMS, setUp } from './setup.ts';
import { distribution } from './system-packages.ts';
import { buildTabImage } from './tab-image.ts';

const STEPS = 6;

const findAcceleration = async (options: Options): Promise<string> => {
  const args = ['vm-probe', '--state', options.state, '--accel', options.accel];
  const { status, stdout, stderr } = await run(`${PROGRAMS}/bulkheadd`, args, { root: true });
  if (status !== 0) throw new PlainError(stderr.trim().replace(/^bulkheadd: /, ''));
  const found = JSON.parse(stdout) as { accel: string; reason: string };
  // The whole finding is on the page and in <state>/accel.json; here, its first clause.
  return found.accel === 'kvm' ? 'KVM' : `emulation: ${found.reason.split(/[:;]/)[0]}`;
};

const main = async (): Promise<void> => {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    process.stdout.write(helpText());
    return;
  }
  const options = parseOptions(args, process.env);
  const began = performance.now();
  await checkPort(options.address, Number(options.port));
  if (process.platform !== 'linux') return serveReadingPages(options);

  console.log(`Bulkhead on ${distribution()?.name ?? 'Linux'}, Node ${process.versions.node}`);
  ensureRoot();

  const services = new Services(options);
  const ending = new AbortController();
  const interrupted = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        ending.abort();
        resolve();
      });
  });
  let tabImage: Promise<unknown> = Promise.resolve();
  const setup = async (): Promise<boolean> => {
    await setUp({
      state: options.state,
      images: `${options.state}/images`,
      forTests: false,
      steps: STEPS,
      publicUrl: options['public-url'].split(',')[0],
    });
    await inStep(6, STEPS, 'VM acceleration', () => findAcceleration(options));
    await services.start();
    return true;
  };
  try {
    if (await Promise.race([setup(), interrupted.then(() => false)])) {
      console.log(
        `\nBulkhead is at ${services.url}   (ready in ${duration(performance.now() - began)}; Ctrl-C ends it)\n`,
      );
      // After the address, which nobody should wait for: where KVM hangs the probe takes a second to see it.
      for (const remark of await Promise.race([
        hostRemarks(`${options.state}/images`),
        interrupted.then(() => []),
      ]))
        console.log(remark);
      if (options.tab === 'on' && !ending.signal.aborted)
        tabImage = buildTabImage(`${options.state}/images`, (line) => console.log(line), {
          signal: ending.signal,
        });
      await interrupted;
    }
  } finally {
    interruptRunning();
    if (services.running) console.log('\nEnding every sandbox …');
    await services.stop();
    await tabImage;
  }
};

try {
  await main();
  process.exit(0);
} catch (error) {
  console.error(
    `bulkhead: ${error instanceof PlainError ? error.message : error instanceof Error ? error.stack : error}`,
  );
  process.exit(1);
}
