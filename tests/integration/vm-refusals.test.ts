// What cannot be done with VMs, provoked for real: nonsense, a full disk, another QEMU or image than before, none, one that
// is too old, and two things at once. Each is one sentence that says why, and the VM that runs goes on.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { LinkHost } from '../../sandbox-server/src/broker/link.ts';
import type { BrokerParams } from '../../sandbox-server/src/protocol/broker.ts';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { MIB, TestBroker } from './broker.ts';
import { BOOTS_LIMIT_MS, bootGuest } from './guest.ts';
import { IMAGES } from './stack.ts';
import { run } from './vm.ts';

const MEMORY = 160 * MIB;
/** Room for two snapshots of such a VM, and what has to be left beside. */
const DISK = MEMORY + 256 * MIB + 300 * MIB;
const QEMU = '/usr/bin/qemu-system-x86_64';
/** Mounted over the programs of the host in the broker's own namespace, so that QEMU can be another there. */
const apart = temporaryFolder('refusals');
const MOUNTS = `mount -t tmpfs tmpfs ${apart}
mkdir ${apart}/upper ${apart}/work
mount -t overlay overlay -o lowerdir=/usr/bin,upperdir=${apart}/upper,workdir=${apart}/work /usr/bin`;

let broker: TestBroker;
let link: LinkHost;
let pid = 0;
const control = () => broker.control;

const resize = (bytes: number) =>
  execFileSync('mount', ['-o', `remount,size=${bytes}`, 'tmpfs', broker.state]);
/** Leaves this many bytes of the disk on which the broker's state is. */
const leave = (bytes: number) => {
  const { bsize, blocks, bfree } = statfsSync(broker.state);
  resize((blocks - bfree) * bsize + bytes);
};
/** The same while somebody writes, who may be faster than the measuring of what is used. */
const leaveAtMost = (bytes: number): void => {
  try {
    leave(bytes);
  } catch (error) {
    if (bytes > DISK) throw error;
    leaveAtMost(2 * bytes);
  }
};
/** In the broker's mount namespace. */
const within = (command: string) => {
  const said = spawnSync('nsenter', ['-t', `${broker.pid}`, '-m', 'sh', '-ec', command], {
    encoding: 'utf8',
  });
  expect(said.stderr).toBe('');
};

beforeAll(async () => {
  const prepare = (state: string) =>
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK},mode=755`, 'tmpfs', state]);
  broker = await TestBroker.start([], { prepare, mounts: MOUNTS });
  ({ link, pid } = await bootGuest(control(), 'vm', join(broker.state, 'run/machines/vm'), MEMORY));
  // So that there is something to save and to move.
  await run(link, 'host', 'head -c 50000000 /dev/urandom > /dev/shm/much');
}, BOOTS_LIMIT_MS);
afterAll(async () => {
  link.close('the test is over');
  await broker.stop();
  execFileSync('umount', [broker.state]);
  for (const path of [broker.state, apart]) rmSync(path, { recursive: true });
});

const record = async (machine = 'vm') =>
  (await control().request('machine.list', {})).machines.find((one) => one.machine === machine);

// Whatever was refused: the VM that runs is the same process, and answers.
afterEach(async () => {
  if (!(await record())) return; // the last test has deleted it
  expect(await record()).toMatchObject({ state: 'running', pid });
  expect((await run(link, 'host', 'echo unharmed')).stdout).toBe('unharmed\n');
});

const create = (changed: Partial<BrokerParams<'vm.create'>>) => {
  const limits = { memory_bytes: MEMORY, cpu_millis: 1_000 };
  return control().request('vm.create', {
    machine: 'new',
    image: 'vm',
    hostname: 'new',
    limits,
    labels: {},
    ...changed,
  });
};
const memory = (memory_bytes: number) => ({ limits: { memory_bytes, cpu_millis: 1_000 } });
const save = (snapshot: string) => control().request('vm.snapshot.save', { machine: 'vm', snapshot });
const restore = (snapshot: string) => control().request('vm.snapshot.restore', { machine: 'vm', snapshot });
const migrate = () => control().request('vm.migrate', { machine: 'vm' });
const refused = (what: Promise<unknown>, code: string, message: RegExp) =>
  expect(what).rejects.toMatchObject({ code, message: expect.stringMatching(message) });

describe('a VM that there cannot be', () => {
  it.each([
    [
      'of an image that nobody has made',
      { image: 'windows' },
      'not_found',
      /no vm image windows here; there is vm/,
    ],
    ['without memory', memory(0), 'bad_request', /memory_bytes must be at least 100663296/],
    ['with less than none', memory(-1), 'bad_request', /memory_bytes must be at least 100663296/],
    [
      'with part of a megabyte',
      memory(MEMORY + 1),
      'bad_request',
      /memory_bytes must be a multiple of 1048576/,
    ],
    ['with more than there is', memory(totalmem() + MIB), 'limit', /memory_bytes may be at most \d+ here/],
    [
      'with a feature that nobody knows',
      { features: ['tpm' as 'selinux'] },
      'bad_request',
      /no feature "tpm"/,
    ],
  ])('%s is refused by name', async (_what, changed, code, message) => {
    await refused(create(changed), code, message);
    expect(await record('new')).toBeUndefined();
  });
});

describe('a full disk', () => {
  afterEach(async () => {
    resize(DISK);
    // What failed at its last step is being deleted when that is said.
    const machines = () => readdirSync(join(broker.state, 'run/machines'));
    await expect.poll(machines, { timeout: patiently(20_000) }).toEqual(['vm']);
  });
  const snapshots = () => {
    const directory = join(broker.state, 'run/machines/vm/snapshots');
    return existsSync(directory) ? readdirSync(directory) : [];
  };

  it('has no room for a snapshot: said before the VM stands still', async () => {
    leave(64 * MIB);
    await refused(
      save('much'),
      'limit',
      /disk is too full for a snapshot: 64 MB are free in .*, 416 are needed/,
    );
    expect(snapshots()).toEqual([]);
  });

  it('fills while a snapshot is written: there is none, and the VM goes on', async () => {
    const saving = save('cut');
    const failed = refused(saving, 'failed', /No space left on device|[Uu]nable to write|Input\/output/);
    await expect.poll(snapshots, { interval: 1, timeout: patiently(20_000) }).toEqual(['cut']);
    leaveAtMost(4 * MIB);
    await failed;
    expect(snapshots()).toEqual([]);
    expect((await control().request('vm.snapshot.list', { machine: 'vm' })).snapshots).toEqual([]);
  });

  it('has no room for another machine, copied or booted', async () => {
    leave(0);
    await refused(create({ start: 'template' }), 'failed', /No space left on device/);
    await refused(create({ start: 'boot' }), 'failed', /No space left on device/);
    expect(broker.log).toContain('no VM template can be made, so VMs boot');
  });

  it(
    'fills while a template is made: it is made all the same, for it is in memory',
    async () => {
      const making = create({ start: 'template' });
      await expect
        .poll(() => readdirSync(join(broker.state, 'run/machines')), {
          interval: 5,
          timeout: patiently(20_000),
        })
        .toContain('template-2');
      await expect
        .poll(() => existsSync(join(broker.state, 'run/machines/template-2/console.log')), {
          timeout: patiently(20_000),
        })
        .toBe(true);
      leave(0);
      // The template is; the copy needs a record, and says so.
      await refused(making, 'failed', /No space left on device/);
      await expect.poll(() => broker.log).toContain('a VM template is ready');
    },
    patiently(90_000),
  );

  it('has no room for where a VM that is moved has gone: it stays', async () => {
    leave(0);
    await refused(migrate(), 'limit', /disk is too full to move a VM: 0 MB are free/);
  });
});

describe('two things at once', () => {
  it.each([
    ['a snapshot while it is moved', migrate, () => save('other')],
    ['a return to a snapshot while it is moved', migrate, () => restore('none')],
    ['a move while it is saved', () => save('third'), migrate],
  ])(
    '%s: the second is refused, the first is done',
    async (_what, first, second) => {
      const begun = first();
      await refused(second(), 'exists', /machine vm is being moved or saved already/);
      await begun;
      pid = (await record())?.pid ?? 0;
      await link.greeted(20_000);
      for (const { snapshot } of (await control().request('vm.snapshot.list', { machine: 'vm' })).snapshots)
        await control().request('vm.snapshot.delete', { machine: 'vm', snapshot });
    },
    60_000,
  );

  it(
    'a snapshot that is deleted while another is saved: not now, it says',
    async () => {
      await save('one');
      const saving = save('two');
      const deleting = control().request('vm.snapshot.delete', { machine: 'vm', snapshot: 'one' });
      await refused(deleting, 'failed', /machine vm is being moved or saved/);
      await saving;
      for (const snapshot of ['one', 'two'])
        await control().request('vm.snapshot.delete', { machine: 'vm', snapshot });
    },
    patiently(60_000),
  );
});

describe('another QEMU, or image, than a snapshot was saved with', () => {
  beforeAll(() => save('before').then(() => {}), 60_000);
  const message = /snapshot before was saved by another QEMU, or of another image, than there is now/;

  it('is told from the one before: image', async () => {
    const file = join(IMAGES, 'vm/image.json');
    const other = join(apart, 'image.json');
    within(
      `sed 's/"digest": *"[^"]*"/"digest": "another"/' ${file} > ${other}; mount --bind ${other} ${file}`,
    );
    await refused(restore('before'), 'unsupported', message);
    within(`umount ${file}`);
  });

  it('is told from the one before: QEMU', async () => {
    within(`cp ${QEMU} ${QEMU}.new && mv ${QEMU}.new ${QEMU}`);
    await refused(restore('before'), 'unsupported', message);
  });
});

describe('QEMU', () => {
  it.each([
    [
      'that is too old',
      `printf '#!/bin/sh\\necho QEMU emulator version 5.2.0' > ${QEMU}`,
      /QEMU 5\.2 is too old: 7\.2 or newer/,
    ],
    [
      'that is something else',
      `printf '#!/bin/sh\\necho hello' > ${QEMU}`,
      /does not say which version it is/,
    ],
    ['that is missing', `rm ${QEMU}`, /qemu-system-x86_64 is missing \(apt-get install/],
  ])('%s: no VM can be run, and the one that runs does not need it', async (_what, change, message) => {
    within(change);
    await refused(create({}), 'unsupported', message);
    await refused(migrate(), 'unsupported', message);
    expect(await record('new')).toBeUndefined();
  });
});

it('a VM that is deleted while it is saved is gone, and so is what was saved', async () => {
  const saving = save('last').catch((error: Error) => error.message);
  await control().request('machine.delete', { machine: 'vm' });
  expect(await saving).toMatch(/deleted meanwhile|QEMU has closed its monitor|cannot/);
  expect(readdirSync(join(broker.state, 'run/machines'))).toEqual([]);
  expect(broker.census().processes).toHaveLength(1); // the broker
});
