import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SocketHost } from '../broker/socket.ts';
import { newId } from '../ids.ts';
import type { Notice } from '../protocol/api.ts';
import type { MachineRecord } from '../protocol/broker.ts';
import { answerAsGuest, probe, Refusal, ScriptedBroker, until } from '../testing/scripted-broker.ts';
import { ContainerMachine } from './container.ts';
import type { LearnerMachine } from './machine.ts';
import { type MachinePlan, placeSandbox } from './placement.ts';
import { viewOfPlan, viewOfRecord } from './shown.ts';
import { Stopwatch } from './stopwatch.ts';
import { Turns } from './turns.ts';
import { VirtualMachine } from './vm.ts';

let broker: ScriptedBroker;
let host: SocketHost;
const size = { columns: 80, rows: 24 };
const [vmPlan, boxPlan] = placeSandbox(
  [
    { name: 'vm', kind: 'vm', start: 'template', ...size },
    { name: 'box', kind: 'container', ...size },
  ],
  probe,
) as [MachinePlan, MachinePlan];

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

const context = () => ({ broker: host, id: newId(), labels: {}, log: pino({ level: 'silent' }) });
const now = () => performance.now();

/** A VM that runs, and what its guest tells. */
async function runningVm() {
  let tell: (event: object) => void = () => {};
  const inside = ['host', 'one', 'two'].map((machine) => guestRecord(machine));
  broker.linked = (socket) => {
    tell = answerAsGuest(socket, { 'machine.list': () => ({ machines: inside }) });
  };
  const given = context();
  const link = `${host.machineDirectory(given.id)}/link.sock`;
  const vm = new VirtualMachine(given, viewOfPlan(vmPlan), link, new Turns(1), { kvm: 2_000, tcg: 2_000 });
  let counted = false;
  vm.guest.found.add(() => {
    counted = true;
  });
  await vm.create(vmPlan, new Stopwatch(now()));
  await until(() => vm.view.facts && counted);
  return { vm, tell: (event: object) => tell(event) };
}

function guestRecord(machine: string): MachineRecord {
  return {
    ...{ machine, kind: machine === 'host' ? 'vm' : 'container', image: 'base', hostname: machine },
    ...{ state: 'running', exit: null, limits: {}, labels: {}, created_ms: 1, pid: 1, terminals: [] },
  };
}

async function runningBox() {
  const box = new ContainerMachine(context(), viewOfPlan(boxPlan));
  await box.create(boxPlan, new Stopwatch(now()));
  return box;
}

function panic(machine: LearnerMachine): void {
  const reason = 'its kernel panicked: sysrq triggered crash';
  broker.emit({
    event: 'machine.exited',
    machine: machine.id,
    reason,
    cause: 'panic',
    console: ['last words'],
  });
}

describe('the end of a VM', () => {
  test('is told with its cause, its last words, and the containers that ran then', async () => {
    const { vm, tell } = await runningVm();
    tell({ event: 'machine.created', machine: 'three' });
    tell({ event: 'machine.created', machine: 'four' });
    tell({ event: 'machine.exited', machine: 'one', reason: 'done', cause: 'exit' });
    tell({ event: 'terminal.exited', machine: 'host', terminal: 't1', kind: 0, status: 0 });
    await until(() => vm.view.terminals[0]?.state === 'exited'); // everything before it was heard as well
    const notices: Notice[] = [];
    vm.notices.add((notice) => notices.push(notice));
    panic(vm);
    await until(() => vm.view.state === 'ended');
    expect(notices).toMatchObject([{ kind: 'panic', by: 'host', text: vm.view.reason }]);
    expect(vm.view.reason).toBe('its kernel panicked, 3 containers went with it: sysrq triggered crash');
    expect(vm.view.end).toMatchObject({ cause: 'panic', containers: 3, console: ['last words'] });
    await vm.end();
    expect(notices).toHaveLength(1);
  });

  test('of a broker that tells no cause is one that nobody knows', async () => {
    const { vm } = await runningVm();
    broker.emit({ event: 'machine.exited', machine: vm.id, reason: 'QEMU ended' });
    await until(() => vm.view.state === 'ended');
    expect(vm.view.reason).toBe('QEMU ended; 2 containers went with it');
    expect(vm.view.end).toMatchObject({ cause: 'lost', console: [] });
    await vm.end();
  });
});

describe('a restart', () => {
  test.each([
    ['a VM', async () => (await runningVm()).vm],
    ['a container', runningBox],
  ])('begins %s again, as it was made, with another first process and a terminal', async (_what, make) => {
    const machine: LearnerMachine = await make();
    const { hostPid } = machine.view;
    panic(machine);
    await until(() => machine.view.state === 'ended');
    const states: string[] = [];
    machine.changes.add(({ state }) => states.push(state));
    await machine.restart({}, now());
    await until(() => machine.view.state === 'running' && machine.view.facts);
    expect(states[0]).toBe('starting');
    expect(machine.view).toMatchObject({ end: null, reason: null, terminals: [{ state: 'running' }] });
    expect(machine.view.hostPid).toBe((hostPid ?? 0) + 1);
    expect(machine.view.measures?.terminalMs).toBeGreaterThan(0);
    await machine.end();
  });

  test('of one that runs ends it first, so that what was in it knows', async () => {
    const { vm } = await runningVm();
    const ends: unknown[] = [];
    vm.changes.add(({ end }) => end && ends.push(end));
    await vm.restart({}, now());
    expect(ends).toMatchObject([{ cause: 'asked', containers: 2 }]);
    await until(() => vm.view.state === 'running');
    await vm.end();
  });

  test('is made once, however often it is asked for', async () => {
    const box = await runningBox();
    const answers = await Promise.allSettled([box.restart({}, now()), box.restart({}, now())]);
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(answers[1]).toMatchObject({ reason: { code: 'conflict', message: /starting already/ } });
    expect(broker.requests.filter((request) => request.startsWith('machine.restart'))).toHaveLength(1);
    await box.end();
  });

  test('makes a machine anew that its host has forgotten', async () => {
    const box = await runningBox();
    await broker.methodOf('machine.delete')({ machine: box.id });
    await box.restart({}, now());
    expect(box.view.state).toBe('running');
    expect(broker.requests.filter((request) => request.startsWith('container.create'))).toHaveLength(2);
    await box.end();
  });

  test('that the broker refuses for now leaves the machine as it was', async () => {
    const { vm } = await runningVm();
    broker.on('machine.restart', () => {
      throw new Refusal('exists', 'it is being moved');
    });
    const before = vm.view;
    await expect(vm.restart({}, now())).rejects.toMatchObject({ code: 'exists' });
    expect(vm.view).toEqual(before);
    await vm.guest.link?.greeted(2_000);
    expect(await vm.openTerminal(size)).toBe('t1');
    await vm.end();
  });

  test('that fails is told, and may be tried again', async () => {
    const box = await runningBox();
    const restart = broker.methodOf('machine.restart');
    broker.on('machine.restart', () => {
      throw new Refusal('failed', 'there is no runtime');
    });
    await expect(box.restart({}, now())).rejects.toMatchObject({ message: 'there is no runtime' });
    expect(box.view).toMatchObject({ state: 'failed', reason: expect.stringMatching(/there is no runtime/) });
    broker.on('machine.restart', restart);
    await box.restart({}, now());
    expect(box.view.state).toBe('running');
    await box.end();
  });

  test('of a machine that another run of the server made begins as its labels say', async () => {
    const { vm: before } = await runningVm();
    const record = broker.machines.get(before.id);
    if (!record) throw new Error('the broker has lost it');
    const starts: unknown[] = [];
    const restart = broker.methodOf('machine.restart');
    broker.on('machine.restart', (params) => {
      starts.push(params.start);
      return restart(params);
    });
    const given = { ...context(), id: before.id, labels: { name: 'vm', start: 'template' } };
    const view = viewOfRecord(record, vmPlan && { ...vmPlan, name: 'vm' }, vmPlan);
    const vm = new VirtualMachine(given, view, `${host.machineDirectory(before.id)}/link.sock`, new Turns(1));
    await vm.adopt(record);
    await until(() => vm.view.state === 'running');
    await vm.restart({}, now());
    expect(starts).toEqual(['template']);
    await until(() => vm.view.state === 'running');
    await vm.end();
  });
});
