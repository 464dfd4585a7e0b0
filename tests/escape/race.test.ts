// Somebody who shares files with a container that is being made, and moves them under the runtime's hands: a volume of two
// containers, a root of two. Hundreds of launches each, for one lost race is enough.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Config, Workshop } from '../integration/bundle.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { buildAttempts } from './arena.ts';

const LAUNCHES = 150;

const tools = temporaryFolder('race');
const attempts = join(tools, 'attempts');
let shop: Workshop;
let racer: ChildProcess | null = null;

beforeAll(() => buildAttempts(attempts));
afterAll(() => rmSync(tools, { recursive: true }));
beforeEach(() => {
  shop = new Workshop();
});
afterEach(async () => {
  await stop();
  shop.end();
});

/** Exchanges two names, without a pause, until `stop`. */
const exchange = async (one: string, other: string): Promise<void> => {
  racer = spawn(attempts, ['exchange', one, other], { stdio: ['pipe', 'pipe', 'inherit'] });
  if (racer.stdout) await once(racer.stdout, 'data');
};
const stop = async (): Promise<void> => {
  if (!racer) return;
  const over = once(racer, 'exit');
  racer.stdin?.end();
  await over;
  racer = null;
};

/** The container's root is the image itself, which others can reach: no overlay, and no user namespace between. */
const shared = (config: Config): void => {
  config.annotations = {};
  config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'user');
  delete config.linux.uidMappings;
  delete config.linux.gidMappings;
};

/** Launches again and again; what each said. */
const launches = (command: string, change: (config: Config) => void): string[] => {
  const bundle = shop.bundle(command, change);
  return Array.from({ length: LAUNCHES }, (_, round) => {
    const { stdout, stderr } = shop.run(['run', '--bundle', bundle, `race-${round}`]);
    return `${stdout}${stderr}`;
  });
};

describe('a folder that becomes a link and back, without end', () => {
  let outside: string;
  beforeEach(() => {
    outside = join(shop.directory, 'outside');
    mkdirSync(join(outside, 'deep/target'), { recursive: true });
    mkdirSync(join(shop.image, 'volume/folder/deep/target'), { recursive: true });
    symlinkSync(outside, join(shop.image, 'volume/link'));
  });

  it('leads a mount out of the root where links are looked for before it (CVE-2021-30465)', async () => {
    await exchange(join(shop.image, 'volume/folder'), join(shop.image, 'volume/link'));
    const { stdout } = shop.shell(
      `unshare --mount --propagation private ${attempts} mount_by_name ${shop.image} /volume/folder/deep/target`,
    );
    expect(stdout).toMatch(/^GOT a mount outside/);
  });

  it('leads none of this runtime’s mounts, folders or files out of it', async () => {
    await exchange(join(shop.image, 'volume/folder'), join(shop.image, 'volume/link'));
    const said = launches('grep -c outside /proc/self/mountinfo; ls /volume/*/deep', (config) => {
      shared(config);
      const tmpfs = { type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'size=4k'] };
      config.mounts.push({ ...tmpfs, destination: '/volume/folder/deep/target' });
      config.mounts.push({ ...tmpfs, destination: '/volume/folder/deep/made/by/runtime' });
      const file = { type: 'bind', source: join(shop.image, 'etc/motd'), options: ['bind', 'ro'] };
      config.mounts.push({ ...file, destination: '/volume/folder/deep/file' });
    });
    await stop();
    const worked = said.filter((text) => text.startsWith('0\n'));
    // The others found a link whose end is not in the image: inside the root, that is.
    expect(worked.length).toBeGreaterThan(0);
    for (const text of said)
      expect(text).toMatch(/^0\n|inside the container's root|Too many levels|No such file|not a directory/i);
    expect(readdirSync(join(outside, 'deep'))).toEqual(['target']);
    expect(readdirSync(join(outside, 'deep/target'))).toEqual([]);
  });
});

it('what is hidden in /proc stays hidden, wherever its folder is moved meanwhile (CVE-2019-19921)', async () => {
  mkdirSync(join(shop.image, 'proc-2'));
  const bundle = shop.bundle('sleep 1000', shared);
  const look = `proc=$(ls -d /proc*/self | head -1); proc=\${proc%/self}
    wc -c < $proc/timer_list; wc -c < $proc/keys; echo 1 2>&1 > $proc/sys/vm/drop_caches`;
  let moved = 0;
  for (let round = 0; round < 30; round++) {
    await exchange(join(shop.image, 'proc'), join(shop.image, 'proc-2'));
    shop.detach('hidden', bundle);
    await stop();
    const { stdout, stderr } = shop.run(['exec', 'hidden', '/bin/sh', '-c', look]);
    expect(`${stdout}${stderr}`).toMatch(/^0\n0\n.*Read-only file system/);
    moved += `${stdout}${stderr}`.includes('/proc-2/') ? 1 : 0;
    shop.run(['delete', '--force', 'hidden']);
  }
  expect(moved).toBeGreaterThan(2);
});
