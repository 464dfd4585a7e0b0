// The API answered in the tab: the machines of a page without a server, over the emulator that the page has.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Lab } from '../../sandbox-server/src/labs/lab.ts';
import type { Sandbox } from '../../sandbox-server/src/protocol/api.ts';
import { refusalOf } from '../../site/src/tab/tab-server.ts';
import { readImage } from './place.ts';
import { PATIENCE, TabPage } from './tab-page.ts';

const image = readImage();
const flag: Lab = {
  slug: 'flag',
  matter: {
    title: 'A flag',
    summary: 'A file has to be there.',
    era: 'containers',
    minutes: 1,
    level: 'first',
    machines: [{ name: 'box', kind: 'container' }],
  } as unknown as Lab['matter'],
  steps: [
    {
      id: 'raise',
      title: 'Raise it',
      machine: 'box',
      watch: false,
      check: '#!/bin/sh\n[ -e "$MACHINE/tmp/flag" ] || { echo "there is no flag in /tmp"; exit 1; }\n',
      solve: '#!/bin/sh\ntouch /tmp/flag\n',
    },
  ],
  files: [{ path: '/srv/notes/readme', mode: 0o644, content: btoa('raise the flag\n') }],
};
const labs = async () => flag;

describe('a page without a server', { timeout: 2 * PATIENCE }, () => {
  const page = new TabPage({ image, lab: labs });
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await page.start({ name: 'box', kind: 'container' });
  }, PATIENCE);
  afterAll(() => page.close());

  it('is given the container that the image had ready, with how it was made', async () => {
    const [box] = sandbox.machines;
    expect(box).toMatchObject({
      state: 'running',
      profile: 'hardened',
      where: { depth: 'tab', kernel: image.release },
      terminals: [{ state: 'running' }],
    });
    expect(box?.measures?.steps.map(({ step }) => step)).toEqual(
      expect.arrayContaining(['clone3', 'seccomp', 'cgroup', 'pivot_root', 'exec']),
    );
    expect(await page.run(sandbox, 'box', 'hostname; cat /proc/1/comm; id -u')).toBe('box\ncatatonit\n0\n');
  });

  it('has SELinux enforced around it, by the policy of the project', async () => {
    const label = sandbox.machines[0]?.label;
    expect(label).toMatch(/^system_u:system_r:container_t:s0:c\d+,c\d+$/);
    expect(await page.run(sandbox, 'box', "tr -d '\\0' </proc/self/attr/current")).toBe(label);
    const { selinux, cgroup } = await page.first.guest.request('probe', {}, { timeoutMs: PATIENCE });
    expect(selinux).toBe('enforcing');
    expect(cgroup.version).toBe(2);
  });

  it('puts files into a machine, lists and reads them', async () => {
    const machine = `/sandboxes/${sandbox.id}/machines/box`;
    await page.call('PUT', `${machine}/files`, { path: '/tmp/note', content: btoa('from outside\n') });
    expect(await page.run(sandbox, 'box', 'cat /tmp/note')).toBe('from outside\n');
    const { entries } = await page.call<{ entries: { name: string }[] }>(
      'GET',
      `${machine}/directory?path=/tmp`,
    );
    expect(entries.map(({ name }) => name)).toContain('note');
    const { content } = await page.call<{ content: string }>('GET', `${machine}/files?path=/tmp/note`);
    expect(atob(content)).toBe('from outside\n');
  });

  it('is told what its machines use, and its processes as the kernel under them sees them', async () => {
    const { machines } = await page.hear(sandbox, 'stats', (stats) => stats.machines.box !== undefined);
    expect(machines.box?.memoryBytes).toBeGreaterThan(0);
    expect(machines.box?.memoryLimitBytes).toBe(64 * 2 ** 20);
    expect(machines.box?.pids).toBeGreaterThan(1);
    const { outside } = await page.hear(sandbox, 'view', ({ machine }) => machine === 'box', '?view=box');
    const init = outside.processes.find(({ name }) => name === 'catatonit');
    expect(init?.pids[0]).toBeGreaterThan(1);
    expect(init?.pids.at(-1)).toBe(1);
    expect(init?.label).toBe(sandbox.machines[0]?.label);
  });

  it('sees a limit kill a process, and is told', async () => {
    const told = page.hear(sandbox, 'notice', ({ kind }) => kind === 'oom');
    const killed = await page.run(
      sandbox,
      'box',
      'dd if=/dev/zero of=/dev/null bs=96M count=1; echo "status $?"',
    );
    expect(killed).toContain('status 137');
    expect((await told).text).toMatch(
      /^The kernel ended 1 process in box because memory was full: it may have 64 MiB/,
    );
    expect(await page.run(sandbox, 'box', 'echo still here')).toBe('still here\n');
  });

  it('says what a tab cannot do', async () => {
    const moved = page.call('POST', `/sandboxes/${sandbox.id}/machines/box/migration`);
    expect(refusalOf(await moved.catch((error: unknown) => error))).toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('cannot be moved'),
    });
    const inside = page.start({ name: 'inner', kind: 'container', in: 'vm' });
    expect(refusalOf(await inside.catch((error: unknown) => error)).code).toBe('unsupported');
  });

  it('lets its learner build partitions in a nested container, groups of cgroup v2 among them', async () => {
    const nested = await page.start({ name: 'box', kind: 'container', profile: 'nested' });
    expect(nested.machines[0]?.label).not.toBe(sandbox.machines[0]?.label);
    const script = 'unshare --user --map-root-user --pid --fork --mount-proc ps -o pid= -C ps';
    expect((await page.run(nested, 'box', script)).trim()).toBe('1');
    const group =
      'mkdir /sys/fs/cgroup/mine && cat /sys/fs/cgroup/mine/cgroup.events && rmdir /sys/fs/cgroup/mine';
    expect(await page.run(nested, 'box', group)).toContain('populated 0');
    await page.call('DELETE', `/sandboxes/${nested.id}`);
  });

  it('begins a machine again in its place', async () => {
    await page.run(sandbox, 'box', 'touch /root/mark');
    await page.call('POST', `/sandboxes/${sandbox.id}/machines/box/restart`, {});
    expect(await page.run(sandbox, 'box', 'ls /root/mark 2>/dev/null; echo looked')).toBe('looked\n');
  });

  it('has the steps of a lab checked', async () => {
    const lab = await page.call<Sandbox>('POST', '/sandboxes', { lab: 'flag' });
    expect(await page.run(lab, 'box', 'cat /srv/notes/readme')).toBe('raise the flag\n');
    const check = async () => {
      const verdict = page.hear(lab, 'check', ({ state }) => state !== 'waiting' && state !== 'running');
      await page.call('POST', `/sandboxes/${lab.id}/steps/raise/check`);
      return await verdict;
    };
    expect(await check()).toMatchObject({ state: 'missing', reason: 'there is no flag in /tmp' });
    const done = page.hear(lab, 'check', ({ state }) => state === 'done');
    await page.call('POST', `/sandboxes/${lab.id}/steps/raise/solve`);
    expect(await done).toMatchObject({ step: 'raise', machine: 'box' });
    await page.call('DELETE', `/sandboxes/${lab.id}`);
  });
});

describe('a second machine in the tab', { timeout: 2 * PATIENCE }, () => {
  const disk = new Map<string, ArrayBuffer>();
  const page = new TabPage({ image, lab: labs, disk });
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await page.start(
      { name: 'box', kind: 'container' },
      { name: 'vm', kind: 'vm', start: 'template' },
    );
    await page.until(sandbox, 'vm', 'running');
  }, PATIENCE);
  afterAll(() => page.close());

  it('has a kernel of its own', async () => {
    const boot = 'cat /proc/sys/kernel/random/boot_id /proc/1/comm; hostname';
    expect(await page.run(sandbox, 'vm', boot)).toMatch(/\nbulkheadd\nvm\n$/);
    const { machines } = await page.hear(sandbox, 'stats', (stats) => stats.machines.vm?.inside != null);
    expect(machines.vm?.inside?.memoryTotalBytes).toBeGreaterThan(100 * 2 ** 20);
    expect(machines.vm?.hostBytes).toBeGreaterThan(machines.vm?.inside?.memoryTotalBytes ?? 0);
  });

  it('goes on with its machines when the page is loaded again', async () => {
    await page.run(sandbox, 'box', 'echo kept >/root/mark');
    await Promise.all([page.first.save(), page.second.save()]);
    const { saved } = page.server;
    page.close();
    const again = new TabPage({ image, lab: labs, disk, saved });
    const listed = await again.call<{ sandboxes: Sandbox[] }>('GET', '/sandboxes');
    expect(listed.sandboxes.map(({ id }) => id)).toEqual([sandbox.id]);
    await again.until(sandbox, 'box', 'running');
    expect(await again.run(sandbox, 'box', 'cat /root/mark')).toBe('kept\n');
    expect(await again.run(sandbox, 'vm', 'hostname')).toBe('vm\n');

    // One panics, the other lives; a restart brings it back.
    const ended = again.until(sandbox, 'vm', 'ended');
    void again.run(sandbox, 'vm', 'echo c >/proc/sysrq-trigger').catch(() => {}); // nobody is left to answer
    const { end, reason } = await ended;
    expect({ cause: end?.cause, reason, console: end?.console }).toMatchObject({ cause: 'panic' });
    expect(end?.console.join('\n')).toContain('Kernel panic - not syncing');
    expect(reason).toMatch(/^Its kernel panicked: sysrq/);
    expect(await again.run(sandbox, 'box', 'echo alive')).toBe('alive\n');
    await again.call('POST', `/sandboxes/${sandbox.id}/machines/vm/restart`, {});
    await again.until(sandbox, 'vm', 'running');
    expect(await again.run(sandbox, 'vm', 'hostname')).toBe('vm\n');
    again.close();
  });
});
