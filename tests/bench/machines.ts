// Machines as the server starts them for a learner, timed, each with a terminal that somebody looks at.
import { join } from 'node:path';
import { LinkHost } from '../../sandbox-server/src/broker/link.ts';
import { connectUnix } from '../../sandbox-server/src/broker/streams.ts';
import { MIB, type TestBroker } from '../integration/broker.ts';
import { Screen } from '../integration/vm.ts';

const PATIENCE_MS = 60_000;
const SIZE = { columns: 80, rows: 24 };
const VM = { memory_bytes: 256 * MIB, cpu_millis: 1_000 };
const CONTAINER = { memory_bytes: 128 * MIB, pids: 64, cpu_millis: 1_000, disk_bytes: 32 * MIB };

/** A machine that runs, with a shell at its prompt. */
export interface Live {
  kind: 'vm' | 'container';
  name: string;
  /** QEMU, or the container's first process. */
  pid: number;
  screen: Screen;
  end(): Promise<void>;
}

/** Milliseconds from the request. */
export interface Times {
  /** The broker has answered. */
  created: number;
  /** The first prompt is on the screen, as after a click. */
  prompt: number;
}

let count = 0;

/** Starts a VM; `host` is the way to the broker inside. */
export async function createVm(broker: TestBroker, start: 'boot' | 'template') {
  const name = `v${++count}`;
  const began = performance.now();
  const { machine } = await broker.control.request('vm.create', {
    ...{ machine: name, image: 'vm', hostname: 'vm', limits: VM, labels: {}, start },
  });
  const created = performance.now() - began;
  const host = new LinkHost(join(broker.state, 'run/machines', name, 'link.sock'));
  await host.greeted(PATIENCE_MS);
  const end = async (): Promise<void> => {
    host.close('the benchmark is done with it');
    await broker.control.request('machine.delete', { machine: name });
  };
  return { name, pid: machine.pid ?? 0, host, began, created, end };
}

/** From the request to the prompt, on the way that the server takes. */
export async function startVm(broker: TestBroker, start: 'boot' | 'template'): Promise<[Live, Times]> {
  const { host, began, created, ...vm } = await createVm(broker, start);
  const { terminal } = await host.request('terminal.open', { machine: 'host', ...SIZE });
  const screen = new Screen(await host.attach('host', terminal), SIZE.columns, SIZE.rows);
  await screen.shows(/# $/);
  const prompt = performance.now() - began;
  return [
    { kind: 'vm', ...vm, screen },
    { created, prompt },
  ];
}

export async function startContainer(broker: TestBroker): Promise<[Live, Times]> {
  const name = `c${++count}`;
  const began = performance.now();
  const { machine } = await broker.create(name, { limits: CONTAINER });
  const created = performance.now() - began;
  const terminal = await broker.open(name);
  const path = join(broker.state, 'run/machines', name, 'terminals', `${terminal}.sock`);
  const stream = await connectUnix(path, 'the terminal');
  const screen = new Screen(stream, SIZE.columns, SIZE.rows);
  await screen.shows(/# $/);
  const prompt = performance.now() - began;
  const end = async (): Promise<void> => {
    stream.close('the benchmark is done with it');
    await broker.control.request('machine.delete', { machine: name });
  };
  return [
    { kind: 'container', name, pid: machine.pid ?? 0, screen, end },
    { created, prompt },
  ];
}

/** Milliseconds to the answer of the first command, in a VM of its own. */
export async function firstCommand(broker: TestBroker, start: 'boot' | 'template'): Promise<number> {
  const { host, began, end } = await createVm(broker, start);
  await host.request('exec', {
    ...{ machine: 'host', command: ['/bin/true'], timeout_ms: PATIENCE_MS, max_output_bytes: 0 },
  });
  const answered = performance.now() - began;
  await end();
  return answered;
}
