// Run as root in the VM of tests/fresh-machine/systemd: what an operator does to an installed Bulkhead, with a learner's
// shell that is open all the while.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, renameSync } from 'node:fs';
import { Learner, type RemoteTerminal } from '../integration/learner.ts';

const URL = 'http://127.0.0.1:7080';
const PROGRAMS = '/usr/local/lib/bulkhead';
const began = performance.now();

const say = (what: string): void =>
  console.log(`${((performance.now() - began) / 1_000).toFixed(1).padStart(6)} s  ${what}`);

function run(command: string): string {
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', command], { encoding: 'utf8' });
  assert.equal(status, 0, `${command}: ${stdout}${stderr}`);
  return stdout.trim();
}

async function ready(): Promise<void> {
  for (const end = performance.now() + 120_000; performance.now() < end; ) {
    const answer = await fetch(`${URL}/readyz`).catch(() => null);
    if (answer?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the server did not get ready');
}

const pidOf = (unit: string): string => run(`systemctl show -P MainPID ${unit}`);

/** Does something to the services and waits until each that was meant has another process. */
async function afterwards(what: string, units: readonly string[], command: string): Promise<void> {
  const before = units.map(pidOf);
  run(command);
  for (const end = performance.now() + 120_000; ; ) {
    const now = units.map(pidOf);
    if (now.every((pid, index) => pid !== '0' && pid !== before[index])) break;
    assert.ok(performance.now() < end, `${what}: ${units} were not started again`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await ready();
  say(what);
}

async function stillThere(screen: RemoteTerminal): Promise<void> {
  if (screen.closed !== null) await screen.attach();
  const kept = await screen.run('echo "$kept"');
  assert.equal(kept, 'what the shell knew');
}

async function lives(): Promise<void> {
  await ready();
  say('ready');
  const learner = await Learner.arrive(URL);
  const { id, machines } = await learner.create([{ name: 'box', kind: 'container', columns: 80, rows: 24 }]);
  const screen = learner.terminal(id, 'box', machines[0]?.terminals[0]?.terminal ?? '');
  await screen.attach();
  await screen.see(/[#$] $/, 60_000);
  await screen.run('kept="what the shell knew"', 60_000);
  say('a shell in a container');

  const monitors = run('pidof bulkhead-monitor').split(' ');
  const groups = [machines[0]?.hostPid, ...monitors].map((pid) =>
    readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim(),
  );
  for (const group of groups) assert.match(group, /bulkhead\.slice\/bulkhead-machines\.service\//);
  const [server, broker] = ['bulkhead-server', 'bulkheadd'] as const;
  // What it has at work, such as a container for the pool, comes to an end; a monitor would not.
  const inService = `/sys/fs/cgroup/bulkhead.slice/${broker}.service/cgroup.procs`;
  for (const end = performance.now() + 60_000; run(`cat ${inService}`) !== pidOf(broker); ) {
    assert.ok(performance.now() < end, 'more than the broker is in its service');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  say(`machine and monitors are in ${groups.join(', ')}`);

  const restart = (...units: string[]) => `systemctl restart ${units.join(' ')}`;
  const steps: [string, string[], string][] = [
    ['the broker was restarted', [broker], restart(broker)],
    ['the server was restarted', [server], restart(server)],
    ['both were restarted', [broker, server], restart(broker, server)],
    ['both were killed', [broker, server], `systemctl kill -s KILL ${broker} ${server}`],
  ];
  for (const [what, units, command] of steps) {
    await afterwards(what, units, command);
    await stillThere(screen);
  }
  cpSync(PROGRAMS, `${PROGRAMS}.new`, { recursive: true });
  renameSync(PROGRAMS, `${PROGRAMS}.previous`);
  renameSync(`${PROGRAMS}.new`, PROGRAMS);
  await afterwards('the programs were exchanged', [broker, server], restart(broker, server));
  await stillThere(screen);
  assert.deepEqual(run('pidof bulkhead-monitor').split(' '), monitors, 'the monitors are the first ones');
  say('the shell is the same one, and knows what it knew');

  const warnings = run(`journalctl -b --no-pager -o cat -u ${broker} -g 'left-over|Found left' || true`);
  assert.equal(warnings.replace('-- No entries --', ''), '', 'systemd found nothing left over');
  for (const unit of [server, broker]) say(run(`systemd-analyze security ${unit} | tail -1`));

  run(`systemctl stop ${server} ${broker}`);
  assert.equal(run('pidof bulkhead-monitor').split(' ').length, monitors.length);
  say('both are stopped, the shell lives');
  run(`${PROGRAMS}/uninstall --purge`);
  assert.equal(spawnSync('pidof', ['bulkhead-monitor']).status, 1, 'no monitor is left');
  assert.equal(spawnSync('pidof', ['catatonit']).status, 1, 'no machine is left');
  for (const path of [PROGRAMS, '/var/lib/bulkhead', '/etc/bulkhead', '/sys/fs/cgroup/bulkhead.slice'])
    assert.ok(!existsSync(path), `${path} is left`);
  const left = run("find / -xdev -name '*bulkhead*' -not -path '/proc/*' -not -path '/tmp/*' || true");
  assert.equal(left, '', 'files are left');
  say('uninstalled: no process, no group, no file is left');
}

try {
  await lives();
  console.log('ALL GOOD');
  process.exit(0);
} catch (error) {
  console.log(error);
  process.exit(1);
}
