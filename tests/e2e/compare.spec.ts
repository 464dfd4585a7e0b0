// The whole path in a real browser: /compare with a real container and a real VM.
import { createHash } from 'node:crypto';
import { expect, test } from '@playwright/test';
import { census } from '../integration/census.ts';
import { type Stack, startStack } from '../integration/stack.ts';
import { patiently } from '../patience.ts';
import { OutputRecorder, TerminalPage } from './terminal-page.ts';

let stack: Stack;

/** How many of each there are; server and broker are started again meanwhile, so their ids change. */
const counts = ({ state, cgroup }: Stack) => {
  const { processes, mounts, cgroups, namespaces } = census(state, cgroup);
  return {
    processes: processes.length,
    mounts: mounts.length,
    cgroups: cgroups.length,
    namespaces: namespaces.length,
  };
};

test.beforeAll(async () => {
  stack = await startStack();
});
// biome-ignore lint/correctness/noEmptyPattern: Playwright wants the first argument written this way.
test.afterEach(({}, info) => {
  if (info.status !== info.expectedStatus) console.log(stack.report());
});
test.afterAll(async () => {
  const { state, cgroup } = stack;
  await stack.stop();
  expect(census(state, cgroup)).toEqual({ processes: [], mounts: [], cgroups: [], namespaces: [] });
});

test.describe
  .serial('compare', () => {
    test('starts both, tells two kernels apart, survives reload and server death, and leaves nothing', async ({
      page,
    }) => {
      test.setTimeout(patiently(300_000));
      const recorder = new OutputRecorder(page);
      const box = new TerminalPage(page, 'terminal-box');
      const vm = new TerminalPage(page, 'terminal-vm');
      const before = counts(stack);

      await test.step('start both', async () => {
        await page.goto(`${stack.url}/compare`);
        await page.getByTestId('start-both').click();
        await box.waitForPrompt('box');
        await vm.waitForPrompt('vm');
        expect(counts(stack).processes).toBeGreaterThan(before.processes);
      });

      await test.step('uname -r differs, and the page says so beside each', async () => {
        const [, inBox = ''] = await box.run('uname -r', /^(\S+)$/m);
        const [, inVm = ''] = await vm.run('uname -r', /^(\S+)$/m);
        expect(inBox).not.toBe(inVm);
        await expect(page.getByTestId('measure-kernel-box')).toContainText(inBox);
        await expect(page.getByTestId('measure-kernel-vm')).toContainText(inVm);
      });

      await test.step('each has a host name of its own', async () => {
        await box.run('hostname', /^box$/m);
        await vm.run('hostname', /^vm$/m);
      });

      await test.step('one command typed once runs in both', async () => {
        await page.getByTestId('command').fill('echo both-$((6*7))');
        await page.getByTestId('run-in-both').click();
        await expect.poll(() => box.screen()).toContain('both-42');
        await expect.poll(() => vm.screen()).toContain('both-42');
      });

      await test.step('a resized window is a resized terminal', async () => {
        const size = async (terminal: TerminalPage) => (await terminal.run('stty size', /^(\d+ \d+)$/m))[1];
        const wide = [await size(box), await size(vm)];
        await page.setViewportSize({ width: 1100, height: 700 });
        await expect.poll(() => size(box), { timeout: patiently(20_000) }).not.toBe(wide[0]);
        await expect.poll(() => size(vm), { timeout: patiently(20_000) }).not.toBe(wide[1]);
        await page.setViewportSize({ width: 1440, height: 900 });
      });

      await test.step('10 MB arrive byte for byte, from both', async () => {
        const megabytes10 = Buffer.from('0123456789abcde\n'.repeat(655_360));
        const expected = createHash('sha256').update(megabytes10).digest('hex');
        for (const [name, terminal] of [
          ['box', box],
          ['vm', vm],
        ] as const) {
          // Newlines as they are: -onlcr. The markers are printed in halves, so that they stand whole only in the output.
          await terminal.type(
            `stty -onlcr; printf 'be''gin:'; yes 0123456789abcde | head -c ${megabytes10.length}; printf ':e''nd'; stty onlcr; echo\n`,
          );
          await expect
            .poll(() => recorder.bytes(name).includes(':end'), { timeout: patiently(120_000) })
            .toBe(true);
          const all = recorder.bytes(name);
          const got = all.subarray(all.indexOf('begin:') + 6, all.lastIndexOf(':end'));
          expect(got.length).toBe(megabytes10.length);
          expect(createHash('sha256').update(got).digest('hex')).toBe(expected);
        }
        expect(recorder.faults).toEqual([]);
      });

      const pidOf = async (terminal: TerminalPage) => (await terminal.run('echo pid-$$', /^pid-(\d+)$/m))[1];
      const shells = [await pidOf(box), await pidOf(vm)];

      await test.step('a reload keeps the shells and their screens', async () => {
        await box.run('echo stays-$((40+2))', /^stays-42$/m);
        await page.reload();
        await expect.poll(() => box.screen(), { timeout: patiently(20_000) }).toContain('stays-42');
        expect([await pidOf(box), await pidOf(vm)]).toEqual(shells);
      });

      await test.step('a killed server, started again, keeps both shells', async () => {
        await box.type('for i in $(seq 1 400); do echo line-$i; sleep 0.01; done\n');
        // What is typed in the moment of death is lost with it, so the line has to have got there.
        await expect.poll(() => box.screen()).toContain('line-1');
        await stack.killServer();
        await expect(page.getByText(/connection lost|reconnecting/i).first()).toBeVisible({
          timeout: patiently(20_000),
        });
        await stack.startServer();
        await expect.poll(() => box.screen(), { timeout: patiently(30_000) }).toContain('line-400');
        expect([await pidOf(box), await pidOf(vm)]).toEqual(shells);
        expect(recorder.faults).toEqual([]);
      });

      await test.step('a killed broker, started again, keeps both shells', async () => {
        await stack.killBroker();
        expect(await pidOf(box)).toBe(shells[0]);
        await stack.startBroker();
        expect([await pidOf(box), await pidOf(vm)]).toEqual(shells);
      });

      await test.step('the end leaves nothing behind', async () => {
        await page.getByTestId('end-both').click();
        await expect(page.getByTestId('start-both')).toBeVisible({ timeout: patiently(30_000) });
        await expect.poll(() => counts(stack), { timeout: patiently(20_000) }).toEqual(before);
      });
    });
  });
