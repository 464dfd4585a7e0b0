import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SocketHost } from '../broker/socket.ts';
import { newId } from '../ids.ts';
import type { Machine } from '../protocol/api.ts';
import { answerAsGuest, probe, Refusal, ScriptedBroker, until } from '../testing/scripted-broker.ts';
import { type MachinePlan, placeSandbox } from './placement.ts';
import { viewOfPlan } from './shown.ts';
import { Stopwatch } from './stopwatch.ts';
import { Turns } from './turns.ts';
import { VirtualMachine } from './vm.ts';

let broker: ScriptedBroker;
let host: SocketHost;
const [plan] = placeSandbox([{ name: 'vm', kind: 'vm', columns: 80, rows: 24 }], probe) as [MachinePlan];

beforeEach(async () => {
  broker = new ScriptedBroker();
  await broker.listen();
  host = new SocketHost(broker.socket);
  await host.start();
});
afterEach(async () => {
  host.close();
  await broker.close();
});

/** For a guest that will say hello, however busy the host is. */
const PATIENT_MS = 20_000;

/** A VM whose guest has 150 ms to say hello, and every state it is seen in. */
function makeVm(id = newId(), starts = new Turns(1), limitMs = 150) {
  const context = { broker: host, id, labels: {}, log: pino({ level: 'silent' }) };
  const link = `${host.machineDirectory(id)}/link.sock`;
  const vm = new VirtualMachine(context, viewOfPlan(plan), link, starts, { kvm: limitMs, tcg: limitMs });
  const seen: Machine[] = [];
  vm.changes.add((view) => seen.push(view));
  return { vm, seen, states: () => [...new Set(seen.map(({ state }) => state))] };
}

describe('the boot of a VM', () => {
  test('a guest that says hello gets its first terminal, and its boot is on the time axis', async () => {
    broker.linked = answerAsGuest;
    const { vm, states } = makeVm(newId(), new Turns(1), PATIENT_MS);
    await vm.create(plan, new Stopwatch(performance.now()));
    expect(vm.view.state).toBe('starting');
    await until(() => vm.view.facts);
    expect(states()).toEqual(['booting', 'running']);
    expect(vm.view.terminals).toEqual([{ terminal: 't1', state: 'running' }]);
    expect(vm.view.facts).toMatchObject({ kernelRelease: '6.12.0-cloud', processes: 59, uptimeMs: 2_500 });
    const { measures } = vm.view;
    expect(measures?.steps.map(({ by, step }) => `${by}: ${step}`).sort()).toEqual([
      'broker: make VM',
      'guest: firmware',
      'guest: kernel',
      'server: ask the guest',
      'server: open terminal',
      'server: wait for the guest',
    ]);
    expect(measures?.terminalMs).toBeGreaterThanOrEqual(measures?.readyMs ?? Number.NaN);
    await vm.end();
  });

  test('one that hangs is ended, said, and started once more', async () => {
    const boots = () => broker.requests.filter((request) => request.startsWith('vm.create')).length;
    broker.linked = (socket) => {
      // The first boot stays silent for as long as it lives.
      if (boots() > 1) answerAsGuest(socket);
    };
    const { vm, seen } = makeVm();
    await vm.create(plan, new Stopwatch(performance.now()));
    await until(() => vm.view.state === 'running');
    expect(boots()).toBe(2);
    expect(broker.requests).toContain(`machine.delete ${vm.id}`);
    expect(seen.some(({ reason }) => reason?.includes('started once more'))).toBe(true);
    expect(vm.view.measures?.steps[0]).toMatchObject({ step: 'first attempt' });
    await vm.end();
  });

  test('a copy of a template that does not answer is given up for a boot', async () => {
    const starts: unknown[] = [];
    const create = broker.methodOf('vm.create');
    broker.on('vm.create', (params) => {
      starts.push(params.start);
      return create(params);
    });
    broker.linked = (socket) => {
      if (starts.length > 1) answerAsGuest(socket);
    };
    const { vm } = makeVm();
    await vm.create({ ...plan, start: 'template' }, new Stopwatch(performance.now()));
    await until(() => vm.view.state === 'running');
    expect(starts).toEqual(['template', 'boot']);
    await vm.end();
  });

  test('one that hangs twice has failed, says why, and leaves nothing', async () => {
    const { vm } = makeVm();
    await vm.create(plan, new Stopwatch(performance.now()));
    await until(() => vm.view.state === 'failed');
    expect(vm.view.reason).toMatch(/did not say hello within 0\.15 s/);
    expect(broker.machines.size).toBe(0);
    await vm.end();
  });

  test('one that hangs when it begins again keeps its place and its snapshots, and can begin once more', async () => {
    broker.linked = (socket) => void answerAsGuest(socket);
    const { vm } = makeVm();
    await vm.create(plan, new Stopwatch(performance.now()));
    await until(() => vm.view.state === 'running');
    broker.linked = () => {};
    await vm.restart({}, performance.now());
    await until(() => vm.view.state === 'failed');
    expect(vm.view.reason).toMatch(/0\.15 s\. Restart it once more; its snapshots are kept\./);
    expect(broker.machines.has(vm.id)).toBe(true);
    broker.linked = (socket) => void answerAsGuest(socket);
    await vm.restart({}, performance.now());
    await until(() => vm.view.state === 'running');
    await vm.end();
  });

  test('one that is asked for while another starts says so, and begins after it', async () => {
    const starts = new Turns(1);
    const greetings: (() => void)[] = [];
    broker.linked = (socket) => void greetings.push(() => answerAsGuest(socket));
    const [first, second] = [makeVm(newId(), starts, PATIENT_MS), makeVm(newId(), starts, PATIENT_MS)];
    await first.vm.create(plan, new Stopwatch(performance.now()));
    await second.vm.create(plan, new Stopwatch(performance.now()));
    await until(() => greetings.length === 1);
    expect(second.vm.view).toMatchObject({ state: 'starting', reason: expect.stringMatching(/^Another VM/) });
    greetings[0]?.();
    await until(() => greetings.length === 2);
    greetings[1]?.();
    await until(() => second.vm.view.state === 'running');
    expect(first.vm.view.state).toBe('running');
    expect(second.vm.view.reason).toBeNull();
    await Promise.all([first.vm.end(), second.vm.end()]);
  });

  test('one that is ended while it waits for its turn is not made', async () => {
    const starts = new Turns(1);
    starts.take(() => {});
    const { vm } = makeVm(newId(), starts);
    await vm.create(plan, new Stopwatch(performance.now()));
    await vm.end();
    expect(vm.view.state).toBe('ended');
    expect(broker.requests.filter((request) => request.startsWith('vm.create'))).toHaveLength(0);
  });

  test('one whose QEMU dies is started once more without waiting for the limit', async () => {
    let boots = 0;
    broker.linked = (socket) => {
      if (boots++ > 0) answerAsGuest(socket);
      else broker.emit({ event: 'machine.exited', machine: vm.id, reason: 'QEMU was killed by signal 9' });
    };
    const { vm, seen } = makeVm();
    await vm.create(plan, new Stopwatch(performance.now()));
    await until(() => vm.view.state === 'running');
    expect(seen.some(({ reason }) => reason?.includes('signal 9'))).toBe(true);
    await vm.end();
  });

  test('one that the broker refuses has failed at once, with the reason of the broker', async () => {
    broker.on('vm.create', () => {
      throw new Refusal('failed', 'QEMU said no');
    });
    const { vm } = makeVm();
    await vm.create(plan, new Stopwatch(performance.now()));
    await until(() => vm.view.state === 'failed');
    expect(vm.view.reason).toMatch(/QEMU said no/);
    expect(broker.requests.filter((request) => request.startsWith('vm.create'))).toHaveLength(1);
    await vm.end();
  });

  test('ending it in the middle of a boot does not start it again', async () => {
    const { vm } = makeVm();
    await vm.create(plan, new Stopwatch(performance.now()));
    await until(() => vm.view.state === 'booting');
    await vm.end();
    expect(vm.view.state).toBe('ended');
    expect(broker.requests.filter((request) => request.startsWith('vm.create'))).toHaveLength(1);
    expect(broker.machines.size).toBe(0);
  });
});

describe('a VM that a new server finds', () => {
  const found = async (greetedAfterMs: number) => {
    const { vm: before } = makeVm(newId(), new Turns(1), PATIENT_MS);
    broker.linked = answerAsGuest;
    await before.create(plan, new Stopwatch(performance.now()));
    await until(() => before.view.facts);
    broker.linked = (socket) => setTimeout(() => answerAsGuest(socket), greetedAfterMs);
    const record = broker.machines.get(before.id);
    if (!record) throw new Error('the broker has lost it');
    const { vm } = makeVm(before.id);
    await vm.adopt(record);
    return vm;
  };

  test('is there again, though its guest takes longer to answer than a first try waits', async () => {
    const vm = await found(200);
    await until(() => vm.view.facts);
    expect(vm.view.state).toBe('running');
  });

  test('has failed when it stays silent, and says what to do', async () => {
    const vm = await found(5_000);
    await until(() => vm.view.state === 'failed');
    expect(vm.view.reason).toMatch(/It does not answer any more: .* End the sandbox and start again\./);
  });
});
