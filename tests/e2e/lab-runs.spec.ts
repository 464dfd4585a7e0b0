// Three labs from the first step to the last, by typing and clicking as a learner would. With BULKHEAD_LAB_PICTURES=FOLDER there is a
// picture of each step there when it is done.
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { type Stack, startStack } from '../integration/stack.ts';
import { patiently } from '../patience.ts';
import { LabPage } from './lab-page.ts';
import { complaints } from './page-checks.ts';
import { DIST } from './plain-site.ts';

const LABS = join(import.meta.dirname, '../../labs');
let stack: Stack;
test.beforeAll(async () => {
  stack = await startStack({ server: ['--labs', LABS], site: DIST });
});
test.afterAll(() => stack.stop());
test.beforeEach(() => test.setTimeout(patiently(180_000)));

test('One kernel or two? is done, with a virtual machine', async ({ page }) => {
  const heard = complaints(page);
  const lab = new LabPage(page);
  await lab.begin(stack.url, 'one-kernel-or-two');

  await lab.run('boot_id');
  const [id] = await lab.see('box', /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/);
  await lab.type('twin', `echo ${id} > /root/box-kernel`);
  await lab.done('kernel');

  await lab.run('> /root/before');
  await lab.run('{1..500}');
  await lab.see('twin', /\{1\.\.500\}[^\n]*\n(.*\n)*.*# *\n*$/);
  await lab.run('> /root/after');
  await lab.done('count');

  await lab.run('sysctl -w vm.swappiness=7', 1);
  await lab.done('setting');

  await lab.type('vm', 'dmesg > /root/boot.log');
  await lab.done('log');

  await lab.run('modprobe dummy; lsmod');
  await lab.done('module');
  await lab.finished();
  expect(heard).toEqual([]);
});

test('It is only a process is done', async ({ page }) => {
  const heard = complaints(page);
  const lab = new LabPage(page);
  await lab.begin(stack.url, 'only-a-process');

  await lab.run('sleep 4711');
  await lab.type('box', 'pgrep -fx "sleep 4711" > /root/number');
  await lab.done('number');

  await lab.run('PASSWORD=swordfish');
  await lab.type(
    'box',
    "tr '\\0' '\\n' < /proc/$(pgrep -fx 'sleep 4712')/environ | grep PASSWORD > /root/found",
  );
  await lab.done('environment');

  await lab.run('pkill -STOP');
  await lab.done('stop');

  await lab.run('(sleep 4713 &)');
  await lab.done('orphan');

  await lab.run('perl forgetful &');
  await lab.done('zombie');

  await lab.run('pkill python3; python3 hoard');
  await lab.done('memory');
  await lab.finished();
  expect(heard).toEqual([]);
});

test('chroot, 1979, and the way out is done, in two terminals', async ({ page }) => {
  const heard = complaints(page);
  const lab = new LabPage(page);
  await lab.begin(stack.url, 'chroot-and-the-way-out');

  await lab.run('mkdir -p /srv/cell/bin');
  await lab.run('cp --parents');
  await lab.done('root');

  await lab.run('cp /root/escape');
  await lab.done('inside');

  await lab.run('sleep 4711 &');
  await lab.run('busybox mkdir -p /proc');
  await lab.run('kill -STOP');
  await lab.done('processes');

  await lab.run('LC_ALL=C perl /escape');
  await lab.done('climb');

  await lab.type('box', 'exit');
  await lab.type('box', 'exit');
  await lab.run('exec 9< /');
  await lab.run('chroot /srv/cell /bin/sh');
  await lab.run('cd /proc/self/fd/9');
  await lab.done('descriptor');

  await lab.type('box', 'exit');
  await lab.run('chroot --userspec');
  await lab.done('user');
  await lab.finished();
  expect(heard).toEqual([]);
});
