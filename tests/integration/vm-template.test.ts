// VMs that begin as copies of a booted template: each somebody of its own, none able to change what the others begin with.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LinkHost } from '../../sandbox-server/src/broker/link.ts';
import type { BrokerParams } from '../../sandbox-server/src/protocol/broker.ts';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { IMAGES, MIB, TestBroker } from './broker.ts';
import { rootOf, run, Screen } from './vm.ts';

const PATIENCE_MS = patiently(30_000);
const limits = { memory_bytes: 256 * MIB, cpu_millis: 1_000 };

let broker: TestBroker;
const links: LinkHost[] = [];
/** The images of this test alone, one of which it changes. */
const images = temporaryFolder('images');
beforeAll(async () => {
  cpSync(join(IMAGES, 'vm'), join(images, 'vm'), { recursive: true });
  broker = await TestBroker.start(['--images', images]);
});
afterAll(async () => {
  for (const link of links) link.close('the test is over');
  await broker.dispose();
  rmSync(images, { recursive: true });
});

const create = (machine: string, more: Partial<BrokerParams<'vm.create'>> = {}) => {
  const wanted = { machine, image: 'vm', hostname: `name-${machine}`, limits, labels: {} };
  return broker.control.request('vm.create', { ...wanted, start: 'template', ...more });
};
const templatesMade = () => broker.log.match(/a VM template is ready/g)?.length ?? 0;
const greet = async (machine: string): Promise<LinkHost> => {
  const link = new LinkHost(join(broker.state, 'run/machines', machine, 'link.sock'));
  links.push(link);
  await link.greeted(PATIENCE_MS);
  return link;
};
/** An emulated processor, on a host that is busy: longer than a request has by itself. */
const patience = { timeoutMs: PATIENCE_MS };
const open = (guest: LinkHost, params: Omit<BrokerParams<'terminal.open'>, 'machine'>) =>
  guest.request('terminal.open', { machine: 'host', ...params }, patience);
const said = async (link: LinkHost, command: string) => (await run(link, 'host', command)).stdout.trim();

describe('copies of a template', () => {
  const guests: LinkHost[] = [];
  const pids: number[] = [];

  // Asked for at the same time: both wait for the one template.
  beforeAll(async () => {
    for (const { machine, trace } of await Promise.all([create('one'), create('two')])) {
      const steps = ['prepare', 'map memory', 'start QEMU', 'restore', 'hello', 'identity'];
      expect(trace.map(({ step }) => step)).toEqual(steps);
      pids.push(machine.pid ?? 0);
    }
    guests.push(await greet('one'), await greet('two'));
  }, patiently(120_000));

  it('come from one boot, and the VM that booted is gone', async () => {
    expect(templatesMade()).toBe(1);
    const { machines } = await broker.control.request('machine.list', {});
    expect(machines.map(({ machine }) => machine).sort()).toEqual(['one', 'two']);
    expect(readdirSync(join(broker.state, 'run/machines')).sort()).toEqual(['one', 'two']);
  });

  it.each([
    ['host name', 'hostname; cat /etc/hostname'],
    ['name for itself', 'getent hosts $(hostname); grep -c $(hostname) /etc/hosts'],
    ['machine id', 'cat /etc/machine-id'],
    ['boot id', 'cat /proc/sys/kernel/random/boot_id'],
    ['random numbers', 'head -c 32 /dev/urandom | base64'],
    ['addresses in memory', 'grep -m1 stack /proc/self/maps'],
  ])('each have a %s of their own', async (_what, command) => {
    const [one, two] = await Promise.all(guests.map((guest) => said(guest, command)));
    expect(one).not.toBe('');
    expect(one).not.toBe(two);
  });

  it('have a shell that waits for its learner, and is somebody of its own too', async () => {
    const told: string[][] = [];
    for (const [index, guest] of guests.entries()) {
      const name = `name-${['one', 'two'][index]}`;
      const { terminals } = (await guest.request('machine.list', {})).machines[0] ?? {};
      expect(terminals).toEqual([]);
      const { terminal } = await open(guest, { columns: 97, rows: 31 });
      const screen = new Screen(await guest.attach('host', terminal), 97, 31);
      await screen.shows(new RegExp(`${name}.*# $`));
      // Nothing of how it came about is left: not what stopped it, and not the age of the template.
      screen.type(
        'echo "<$HOSTNAME|$(stty size)|$((SECONDS < 30))|$([[ -v PROMPT_COMMAND ]]; echo $?)|$SHLVL|$PPID|$RANDOM $RANDOM>"\r',
      );
      const line = /<(name-[^|]*)\|([^|]*)\|(.)\|([^|]*)\|(\d+)\|(\d+)\|(.*)>/;
      await screen.shows(line);
      const [, host, size, young, stopped, level, parent, random] = line.exec(screen.text) ?? [];
      expect([host, size, young, stopped, level]).toEqual([name, '31 97', '1', '1', '1']);
      told.push([parent ?? '', random ?? '']);
      screen.type('exit\r');
      await expect
        .poll(() => screen.exit, { timeout: PATIENCE_MS })
        .toMatchObject({ by: 'exited', status: 0 });
    }
    const [one, two] = told as [string[], string[]];
    expect(one[0]).toBe(two[0]); // started once…
    expect(one[1]).not.toBe(two[1]); // …and yet not the same
  });

  it('open further terminals as any VM does', async () => {
    const [guest] = guests as [LinkHost];
    for (const command of [undefined, ['/bin/echo', 'a program']]) {
      const { terminal } = await open(guest, { columns: 80, rows: 24, ...(command && { command }) });
      const screen = new Screen(await guest.attach('host', terminal), 80, 24);
      await screen.shows(command ? /a program/ : /name-one.*# $/);
    }
  });

  it('know their name, and what time it is', async () => {
    for (const [index, guest] of guests.entries()) {
      const [hostname, at] = (await said(guest, 'hostname; date +%s.%N')).split('\n');
      expect(hostname).toBe(`name-${['one', 'two'][index]}`);
      expect(Math.abs(Number(at) - Date.now() / 1_000)).toBeLessThan(5);
    }
    const { machines } = await (guests[0] as LinkHost).request('machine.list', {});
    expect(machines[0]?.hostname).toBe('name-one');
  });

  it('do not see what the other writes, nor does one that begins later', async () => {
    const [one, two] = guests as [LinkHost, LinkHost];
    await said(one, 'echo written > /root/mine; dd if=/dev/zero of=/dev/shm/fill bs=1M count=20 2>&1');
    expect(await said(two, 'cat /root/mine /dev/shm/fill 2>&1 | head -c 200')).toMatch(/No such file/);
    await create('three');
    const three = await greet('three');
    expect(await said(three, 'cat /root/mine 2>&1')).toMatch(/No such file/);
    expect(await said(three, 'cut -d. -f1 /proc/uptime')).toMatch(/^\d{1,2}$/);
  });

  it('cannot change the memory that all of them begin with, whoever took over a QEMU', () => {
    const [pid = 0] = pids;
    const shared = readdirSync(`/proc/${pid}/fd`)
      .map((fd) => `/proc/${pid}/fd/${fd}`)
      .filter((path) => readlinkSync(path).startsWith('/memfd:vm-'));
    expect(shared.length).toBeGreaterThan(0);
    for (const path of shared) {
      const file = `import os, mmap; file = os.open('${path}', os.O_RDWR)`;
      for (const attempt of ["os.pwrite(file, b'x', 0)", 'os.ftruncate(file, 0)', 'mmap.mmap(file, 4096)']) {
        const tried = spawnSync('python3', ['-c', `${file}; ${attempt}`], { encoding: 'utf8' });
        expect(`${attempt}: ${tried.stderr}`).toContain('Operation not permitted');
      }
    }
  });

  it('are confined as a VM that booted, with a view of their own descriptors beside', () => {
    for (const pid of pids) {
      expect(rootOf(pid).filter((name) => !name.startsWith('lib'))).toEqual(['dev', 'fds', 'image', 'usr']);
      for (const fd of rootOf(pid, 'fds')) expect(Number(fd)).toBeLessThan(256);
    }
  });

  it('can be moved to a QEMU with memory of its own', async () => {
    const { figures } = await broker.control.request('vm.migrate', { machine: 'three' });
    expect(figures).toMatchObject({ status: 'completed' });
    const [, , three] = links as [LinkHost, LinkHost, LinkHost];
    await expect
      .poll(() => said(three, 'hostname').catch((error: Error) => error.message), { timeout: PATIENCE_MS })
      .toBe('name-three');
  });

  it('can be ended, and leave nothing', async () => {
    for (const machine of ['one', 'two', 'three'])
      await broker.control.request('machine.delete', { machine });
    const { processes, mounts, cgroups } = broker.census();
    expect(processes).toHaveLength(1); // the broker
    expect(mounts).toEqual([]);
    expect(cgroups.filter((path) => /\/(one|two|three|template-\d+)$/.test(path))).toEqual([]);
  });
});

describe('copies of a template with SELinux', () => {
  const guests: LinkHost[] = [];

  beforeAll(async () => {
    const features: BrokerParams<'vm.create'>['features'] = ['selinux'];
    // One after the other: the second does not wait for a template.
    for (const machine of ['red', 'blue']) {
      const { trace } = await create(machine, { features });
      expect(trace.map(({ step }) => step)).toContain('restore');
      guests.push(await greet(machine));
    }
  }, patiently(120_000));
  afterAll(async () => {
    for (const machine of ['red', 'blue']) await broker.control.request('machine.delete', { machine });
  });

  it('are of a template of their own, and enforce', async () => {
    expect(templatesMade()).toBe(2);
    for (const guest of guests) expect(await said(guest, 'getenforce')).toBe('Enforcing');
  });

  it('give their containers categories that no other copy draws', async () => {
    const labels = await Promise.all(
      guests.map(async (guest) => {
        const given = { memory_bytes: 32 * MIB, pids: 32, cpu_millis: 500, disk_bytes: 8 * MIB };
        await guest.request(
          'container.create',
          { machine: 'box', image: 'base', profile: 'hardened', hostname: 'box', limits: given, labels: {} },
          patience,
        );
        return (await run(guest, 'box', 'tr -d "\\0" </proc/self/attr/current')).stdout.trim();
      }),
    );
    for (const label of labels) expect(label).toMatch(/^system_u:system_r:container_t:s0:c\d+,c\d+$/);
    expect(labels[0]).not.toBe(labels[1]);
  });

  it('have a shell that waits, and other names, ids and numbers', async () => {
    const about =
      'hostname; cat /etc/machine-id /proc/sys/kernel/random/boot_id; head -c 16 /dev/urandom | base64';
    const [red, blue] = await Promise.all(
      guests.map(async (guest) => (await said(guest, about)).split('\n')),
    );
    expect(red).toHaveLength(4);
    for (const [index, line] of (red ?? []).entries()) expect(line).not.toBe(blue?.[index]);
    for (const guest of guests) {
      const { terminal } = await open(guest, { columns: 80, rows: 24 });
      const screen = new Screen(await guest.attach('host', terminal), 80, 24);
      await screen.shows(/name-(red|blue).*# $/);
      screen.type('echo "[$(cat /proc/self/attr/current | tr -d "\\0")]"\r');
      await screen.shows(/\[system_u:\S+\]/);
    }
  });
});

it(
  'another image gets another template, and never the old one',
  async () => {
    const about = join(images, 'vm/image.json');
    const image = JSON.parse(readFileSync(about, 'utf8')) as { digest: string };
    const made = templatesMade();
    writeFileSync(about, JSON.stringify({ ...image, digest: `${image.digest.slice(1)}0` }));
    await create('newer');
    expect(templatesMade()).toBe(made + 1);
    await broker.control.request('machine.delete', { machine: 'newer' });
  },
  patiently(120_000),
);

it('a broker that dies while a template boots leaves nothing to the next one', async () => {
  const other = { memory_bytes: 160 * MIB, cpu_millis: 1_000 }; // so that there is no template yet
  const lost = create('lost', { limits: other }).catch((error: Error) => error.message);
  const console = join(broker.state, 'run/machines/template-4/console.log');
  await expect.poll(() => existsSync(console), { timeout: patiently(20_000) }).toBe(true); // QEMU is being started
  await broker.kill();
  expect(await lost).not.toBe('');
  await broker.start();
  await expect.poll(() => broker.census().processes.length, { timeout: patiently(20_000) }).toBe(1);
  expect(readdirSync(join(broker.state, 'run/machines'))).toEqual([]);
});

it('anything but a boot or a template is refused by name', async () => {
  const wanted = {
    machine: 'odd',
    image: 'vm',
    hostname: 'odd',
    limits,
    labels: {},
    start: 'magic' as 'boot',
  };
  await expect(broker.control.request('vm.create', wanted)).rejects.toMatchObject({
    code: 'bad_request',
    field: 'start',
    message: expect.stringContaining('boot or template'),
  });
});
