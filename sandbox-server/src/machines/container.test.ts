import type { Socket } from 'node:net';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SocketHost } from '../broker/socket.ts';
import { newId } from '../ids.ts';
import type { MachineRecord } from '../protocol/broker.ts';
import { answerAsGuest, probe, Refusal, ScriptedBroker, until } from '../testing/scripted-broker.ts';
import { ContainerMachine } from './container.ts';
import { type MachinePlan, placeSandbox } from './placement.ts';
import { viewOfPlan } from './shown.ts';
import { Stopwatch } from './stopwatch.ts';
import { Turns } from './turns.ts';
import { VirtualMachine } from './vm.ts';

const MIB = 1_048_576;
const log = pino({ level: 'silent' });
const guestProbe = {
  ...probe,
  depth: 'guest',
  cgroup: { version: 2, controllers: ['cpu', 'io', 'memory', 'pids'] },
  kernel: { release: '6.12.0-cloud', machine: 'x86_64' },
  maxima: { ...probe.maxima, memory_bytes: 64 * MIB },
};
const [vmPlan, boxPlan] = placeSandbox(
  [
    { name: 'vm', kind: 'vm', needs: ['selinux'] },
    { name: 'box', kind: 'container', in: 'vm', needs: ['cgroup2'], columns: 80, rows: 24 },
  ],
  probe,
) as [MachinePlan, MachinePlan];

let broker: ScriptedBroker;
let host: SocketHost;
let guest: ScriptedGuest;

beforeEach(async () => {
  broker = new ScriptedBroker();
  await broker.listen();
  host = new SocketHost(broker.socket);
  await host.start();
  guest = new ScriptedGuest();
  broker.linked = (socket) => guest.link(socket);
});
afterEach(async () => {
  host.close();
  await broker.close();
});

/** A guest that makes containers, and remembers them while its links come and go. */
class ScriptedGuest {
  machines: MachineRecord[] = [];
  readonly requests: string[] = [];
  probe: object = guestProbe;
  opens = true;
  emit: (event: object) => void = () => {};
  #socket: Socket | null = null;

  link(socket: Socket): void {
    this.#socket = socket;
    this.emit = answerAsGuest(socket, {
      probe: () => this.probe,
      'machine.list': () => ({ machines: this.machines }),
      'terminal.open': () => {
        if (!this.opens) throw new Refusal('failed', 'no pty is left');
        return { terminal: 't1' };
      },
      'machine.delete': ({ machine }) => this.#forget(String(machine)),
      'container.create': (params) => {
        this.requests.push(`create ${JSON.stringify(params.limits)}`);
        const record = this.record(String(params.machine));
        this.machines.push(record);
        return { machine: record, trace: [] };
      },
    });
  }

  /** As a move does: the server's end is closed, and greeted anew. */
  lose(): void {
    this.#socket?.destroy();
  }

  record(machine: string): MachineRecord {
    return {
      machine,
      kind: 'container',
      image: 'base',
      profile: 'hardened',
      hostname: 'box',
      state: 'running',
      exit: null,
      limits: { memory_bytes: 64 * MIB, pids: 256, cpu_millis: 1_000, disk_bytes: 64 * MIB },
      labels: {},
      created_ms: 1,
      pid: 77,
      terminals: [{ terminal: 't1', state: 'running' }],
      label: 'system_u:system_r:container_t:s0:c1,c2',
    };
  }

  #forget(machine: string): object {
    this.requests.push(`delete ${machine}`);
    if (!this.machines.some((record) => record.machine === machine)) throw new Refusal('not_found', 'no');
    this.machines = this.machines.filter((record) => record.machine !== machine);
    return {};
  }
}

/** A VM with 150 ms to say hello, and a container in it. */
async function make(plan = boxPlan) {
  const id = newId();
  const context = { broker: host, id, labels: {}, log };
  const link = `${host.machineDirectory(id)}/link.sock`;
  const vm = new VirtualMachine(context, viewOfPlan(vmPlan), link, new Turns(1), { kvm: 150, tcg: 150 });
  const inside = { broker: vm.guest, id: newId(), labels: {}, log };
  const box = new ContainerMachine(inside, viewOfPlan(plan), vm);
  await vm.create(vmPlan, new Stopwatch(performance.now()));
  await box.create(plan, new Stopwatch(performance.now()));
  return { vm, box };
}

describe('a container in a VM', () => {
  test('is made when its VM runs, within what that grants, and says what is under it', async () => {
    const { vm, box } = await make();
    expect(box.view.state).toBe('starting');
    await until(() => box.view.facts);
    expect(vm.view.state).toBe('running');
    expect(box.view).toMatchObject({
      state: 'running',
      hostPid: 77,
      label: 'system_u:system_r:container_t:s0:c1,c2',
      where: { depth: 'vm', vm: 'vm', kernel: '6.12.0-cloud' },
      limits: { memoryBytes: 64 * MIB },
      terminals: [{ terminal: 't1', state: 'running' }],
    });
    expect(box.view.measures?.steps.map(({ step }) => step)).toContain('wait for vm');
    await vm.end();
  });

  test('has failed, with the VM’s name, when that does not boot', async () => {
    broker.linked = () => {};
    const { vm, box } = await make();
    await until(() => box.view.state === 'failed');
    expect(box.view.reason).toMatch(/^vm, the VM that it was in, is gone: .*did not say hello/);
    await Promise.all([vm.end(), box.end()]);
  });

  test('has failed when the VM’s kernel is not what it needs', async () => {
    guest.probe = { ...guestProbe, selinux: 'off' };
    const { vm, box } = await make({ ...boxPlan, needs: ['selinux'] });
    await until(() => box.view.state === 'failed');
    expect(box.view.reason).toMatch(/the kernel of vm has no selinux; labs\/images\/build/);
    expect(guest.requests.filter((request) => request.startsWith('create'))).toEqual([]);
    await vm.end();
  });

  test('that could not be given its terminal has failed, and is not left behind', async () => {
    guest.opens = false;
    const { vm, box } = await make();
    await until(() => guest.requests.at(-1)?.startsWith('delete'));
    expect(box.view).toMatchObject({ state: 'failed', reason: 'It was not made: no pty is left.' });
    expect(guest.machines).toEqual([]);
    await vm.end();
  });

  test('ends with its VM, and nobody asks a dying guest', async () => {
    const { vm, box } = await make();
    await until(() => box.view.state === 'running');
    await Promise.all([vm.end(), box.end()]);
    expect(box.view).toMatchObject({ state: 'ended', terminals: [{ state: 'exited' }] });
    expect(guest.requests.filter((request) => request.startsWith('delete'))).toEqual([]);
  });

  test('is told to be ended by the crash of its VM', async () => {
    const { vm, box } = await make();
    await until(() => box.view.state === 'running');
    broker.emit({ event: 'machine.exited', machine: vm.id, reason: 'its kernel panicked' });
    await until(() => box.view.state === 'ended');
    expect(box.view.reason).toMatch(/^vm, the VM that it was in, is gone: .*panicked/);
    await vm.end();
  });

  test('can be ended alone', async () => {
    const { vm, box } = await make();
    await until(() => box.view.state === 'running');
    await box.end();
    expect(guest.machines).toEqual([]);
    expect(vm.view.state).toBe('running');
    await vm.end();
  });
});

describe('after the link was lost', () => {
  test('what ended meanwhile is ended, and what lives again is alive: a VM may have gone back in time', async () => {
    const { vm, box } = await make();
    await until(() => box.view.facts);
    const record = guest.record(box.id);
    guest.machines = [];
    guest.lose();
    await until(() => box.view.state === 'ended');
    expect(box.view.reason).toBe('vm does not know it any more.');
    guest.machines = [record];
    guest.lose();
    await until(() => box.view.state === 'running');
    guest.machines = [{ ...record, state: 'exited', exit: 'Its init was killed.' }];
    guest.lose();
    await until(() => box.view.state === 'ended');
    expect(box.view.reason).toMatch(/Its init was killed/);
    await vm.end();
  });
});

describe('found by a server that was started again', () => {
  const adopt = async (machines: (id: string) => MachineRecord[]) => {
    const { vm: before } = await make();
    await until(() => before.view.facts);
    const record = broker.machines.get(before.id);
    if (!record) throw new Error('the broker has lost it');
    const id = newId();
    guest.machines = machines(id);
    const link = `${host.machineDirectory(before.id)}/link.sock`;
    const context = { broker: host, id: before.id, labels: {}, log };
    const vm = new VirtualMachine(context, viewOfPlan(vmPlan), link, new Turns(1), { kvm: 150, tcg: 150 });
    const box = new ContainerMachine({ broker: vm.guest, id, labels: {}, log }, viewOfPlan(boxPlan), vm);
    await vm.adopt(record);
    box.adoptInside([vm]);
    return { vm, box };
  };

  test('it runs, with its terminals, where the guest knows it', async () => {
    const { vm, box } = await adopt((id) => [guest.record(id), guest.record(newId())]);
    await until(() => box.view.facts);
    expect(box.view).toMatchObject({ state: 'running', terminals: [{ terminal: 't1' }], hostPid: 77 });
    await vm.end();
  });

  test('it has ended where the guest does not', async () => {
    const { vm, box } = await adopt(() => []);
    await until(() => box.view.state === 'ended');
    await vm.end();
  });
});
