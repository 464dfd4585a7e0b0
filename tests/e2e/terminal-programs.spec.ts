// Programs that draw the whole screen, over a reload of the page; and who else is at a terminal, as its learner is told.
import { expect, type Page, test } from '@playwright/test';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import { arriveAsInstructor, openWorkshop } from '../integration/instructor.ts';
import { type Stack, startStack } from '../integration/stack.ts';
import { patiently } from '../patience.ts';
import { startBox, type TerminalPage } from './terminal-page.ts';

let stack: Stack;
test.beforeAll(async () => {
  stack = await startStack();
});
test.afterAll(() => stack.stop());

test.afterEach(async ({ page }) => {
  await page.getByRole('button', { name: 'End it' }).click();
  await expect(page.getByTestId('start-container')).toBeVisible();
});

/** Reloads the page, and sees that the terminal is drawn exactly as it was. */
async function reloadAsItWas(page: Page, box: TerminalPage): Promise<void> {
  const before = await box.screen();
  await page.reload();
  await expect.poll(() => box.screen(), { timeout: patiently(20_000) }).toBe(before);
}

test('vim, less, htop and tmux are as they were after a reload, and so is what lies under them', async ({
  page,
}) => {
  const box = await startBox(page, stack.url);
  const shows = (what: RegExp) =>
    expect.poll(() => box.screen(), { timeout: patiently(20_000) }).toMatch(what);
  await box.run('seq 200 > f; echo under-$((40+2))', /^under-42$/m);

  await box.type('vi f\n');
  await shows(/^1$/m);
  await box.type('100Gohalf a thought');
  await shows(/^half a thought$/m);
  await reloadAsItWas(page, box);
  await box.type(', and the rest'); // still inserting
  await page.keyboard.press('Escape');
  await box.type(':wq\n');
  await shows(/^under-42$/m);
  await box.run('sed -n 101p f', /^half a thought, and the rest$/m);

  await box.type('less -M f\n');
  await shows(/^f lines 1-/m);
  await page.keyboard.press('Space');
  await shows(/^f lines (?!1-)\d+-/m);
  await reloadAsItWas(page, box);
  await box.type('q');
  await shows(/^half a thought, and the rest$/m);

  await box.type('htop -d 1000\n'); // draws itself anew once in 100 s
  await shows(/F1Help/);
  await shows(/PID\s+USER/);
  await reloadAsItWas(page, box);
  await box.type('?');
  await shows(/Released under the GNU/);
  await box.type('x');
  await shows(/F1Help/);
  await box.type('q');
  await shows(/^half a thought, and the rest$/m);

  await box.type("tmux new-session 'tmux set -g status-right; bash'\n");
  await shows(/^\[0\] 0:bash\*/m);
  await box.type('echo upper-$((40+2))\n');
  await shows(/^upper-42$/m);
  await page.keyboard.press('Control+b');
  await box.type('"'); // another pane, below
  await box.type('echo lower-$((40+2))\n');
  await shows(/^upper-42$[\s\S]*─[\s\S]*^lower-42$/m);
  await reloadAsItWas(page, box);
  await box.type('echo again-$((40+2))\n');
  await shows(/^again-42$/m);
  await box.type('exit\n');
  await shows(/^upper-42$(?![\s\S]*lower-42)/m);
  await box.type('exit\n');
  await shows(/^\[exited\]$/m);
});

test('a learner is told who watches and who can type, and when they leave', async ({ page }) => {
  const box = await startBox(page, stack.url);
  const company = box.root.locator('xpath=..').getByRole('status').and(page.getByTestId('company'));
  await expect(company).toHaveText('');
  const ada = await arriveAsInstructor(stack, 'ada');
  const code = await openWorkshop(ada);
  const id = await page.evaluate(
    async ([join, sandboxes, body]) => {
      const headers = { 'content-type': 'application/json' };
      const joined = await fetch(join, { method: 'POST', headers, body });
      if (!joined.ok) throw new Error(await joined.text());
      return (await (await fetch(sandboxes)).json()).sandboxes[0].id as string;
    },
    [apiPaths.joinWorkshop, apiPaths.sandboxes, JSON.stringify({ code, name: 'Anna' })] as const,
  );
  const terminal = (await ada.look(id)).machines[0]?.terminals[0]?.terminal ?? '';
  const watching = ada.terminal(id, 'box', terminal, { as: 'watch' });
  await watching.attach();
  await expect(company).toHaveText('Instructor ada watches.');
  const helping = ada.terminal(id, 'box', terminal, { as: 'type', columns: 60, rows: 15 });
  await helping.attach();
  await expect(company).toHaveText('Instructor ada watches. Instructor ada can type here.');
  await expect(page.getByText('60×15, the smallest window that types here')).toBeVisible();
  helping.type('echo helped-$((40+2))\n');
  await expect.poll(() => box.screen()).toMatch(/^helped-42$/m);
  helping.drop();
  watching.drop();
  await expect(company).toHaveText('');
});
