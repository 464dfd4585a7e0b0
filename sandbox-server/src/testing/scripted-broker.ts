// A peer for unit tests: listens on real sockets and answers the control protocol as a test tells it to. The real broker
// is what tests/integration runs against.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brokerMethods, type MachineRecord, type Probe } from '../protocol/broker.ts';
import { LINE_MAX, LineSplitter } from '../protocol/lines.ts';
import { encodePacket, PacketSplitter } from '../protocol/link.ts';

type Params = Record<string, unknown>;
type Method = (params: Params) => unknown;

/** Thrown by a scripted method: becomes an error answer. */
export class Refusal extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export const probe: Probe = {
  version: '0.1.0',
  depth: 'host',
  hostname: 'testhost',
  kernel: { release: '6.18.0-test', machine: 'x86_64' },
  uptime_ms: 1_000,
  cgroup: { version: 2, controllers: ['cpu', 'memory', 'pids'] },
  selinux: 'off',
  vm: { accel: 'tcg', machine: 'q35', reason: 'KVM was not tried.' },
  images: [
    { name: 'base', kind: 'container', digest: 'a' },
    { name: 'vm', kind: 'vm', digest: 'b' },
  ],
  capacity: { cpus: 2, memory_bytes: 16e9, memory_available_bytes: 8e9 },
  nesting: 'host',
  maxima: { machines: 8, memory_bytes: 1e9, pids: 512, disk_bytes: 1e9, cpu_millis: 2_000 },
};

export class ScriptedBroker {
  /** Its directory: control.sock, and machines/ beside it. */
  readonly directory: string;
  readonly machines = new Map<string, MachineRecord>();
  /** Every request, as `method` or `method machine`. */
  readonly requests: string[] = [];
  /** What is done with a new connection to an attach socket or to a VM's link socket. */
  attached: (socket: Socket, machine: string, terminal: string) => void = () => {};
  linked: (socket: Socket) => void = () => {};
  readonly #methods = new Map<string, Method>();
  readonly #sockets = new Set<Socket>();
  readonly #servers = new Map<string, Server>();

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'bh-'));
    this.#scriptDefaults();
  }

  get socket(): string {
    return join(this.directory, 'control.sock');
  }

  /** Answers `method` this way from now on. */
  on(method: keyof typeof brokerMethods, answer: Method): void {
    this.#methods.set(method, answer);
  }

  /** How `method` is answered now. */
  methodOf(method: keyof typeof brokerMethods): Method {
    return this.#methods.get(method) ?? (() => ({}));
  }

  async listen(): Promise<void> {
    await this.#listenAt(this.socket, (socket) => this.#converse(socket));
  }

  /** Drops every connection and stops listening: the broker was killed. Machines and their sockets live on. */
  async kill(): Promise<void> {
    const server = this.#servers.get(this.socket);
    this.#servers.delete(this.socket);
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => server?.close(resolve) ?? resolve(undefined));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([...this.#servers.values()].map((one) => new Promise((done) => one.close(done))));
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Sends an event to everybody. */
  emit(event: object): void {
    for (const socket of this.#sockets) socket.write(`${JSON.stringify(event)}\n`);
  }

  async #listenAt(path: string, connected: (socket: Socket) => void): Promise<void> {
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => {});
      connected(socket);
    });
    this.#servers.set(path, server);
    await new Promise<void>((resolve) => server.listen(path, resolve));
  }

  #converse(socket: Socket): void {
    const lines = new LineSplitter(LINE_MAX);
    socket.on('data', (bytes) =>
      lines.push(bytes, (line) => {
        const { id, method, params } = JSON.parse(line);
        this.requests.push(params.machine ? `${method} ${params.machine}` : method);
        void this.#answer(method, params).then((answer) =>
          socket.write(`${JSON.stringify({ id, ...answer })}\n`),
        );
      }),
    );
  }

  async #answer(method: string, params: Params): Promise<object> {
    try {
      const known = brokerMethods[method as keyof typeof brokerMethods];
      known.params.parse(params);
      return { result: await this.#methods.get(method)?.(params) };
    } catch (error) {
      const code = error instanceof Refusal ? error.code : 'failed';
      return { error: { code, message: error instanceof Error ? error.message : String(error) } };
    }
  }

  #scriptDefaults(): void {
    this.on('probe', () => probe);
    this.on('subscribe', () => ({}));
    this.on('machine.list', () => ({ machines: [...this.machines.values()] }));
    this.on('container.create', async (params) => ({
      machine: await this.#make('container', params),
      trace: [{ step: 'clone3', start_us: 0, end_us: 400, detail: '', source: 'native/runtime/clone.c:7' }],
    }));
    this.on('vm.create', async (params) => {
      const machine = await this.#make('vm', params);
      await this.#listenAt(join(this.#machineDirectory(machine.machine), 'link.sock'), (socket) =>
        this.linked(socket),
      );
      return { machine, trace: [] };
    });
    this.on('machine.restart', ({ machine }) => {
      const record = this.#find(String(machine));
      this.#stopServing(join(this.#machineDirectory(record.machine), 'terminals'));
      Object.assign(record, { state: 'running', exit: null, pid: (record.pid ?? 0) + 1, terminals: [] });
      return { machine: record, trace: [] };
    });
    this.on('machine.label', ({ machine, labels }) => {
      const record = this.#find(String(machine));
      Object.assign(record, { labels });
      return { machine: record };
    });
    this.on('machine.delete', ({ machine }) => this.#delete(String(machine)));
    this.on('terminal.open', async ({ machine }) => {
      const record = this.#find(String(machine));
      const terminal = `t${record.terminals.length + 1}`;
      record.terminals.push({ terminal, state: 'running' });
      const path = join(this.#machineDirectory(record.machine), 'terminals', `${terminal}.sock`);
      await this.#listenAt(path, (socket) => this.attached(socket, record.machine, terminal));
      return { terminal };
    });
    this.on('exec', () => ({
      status: 0,
      signal: 0,
      timed_out: false,
      truncated: false,
      stdout: '6.18.0-test\nbox\n/usr/bin/catatonit -P \n4\n12.50 20.00\n',
      stderr: '',
      duration_us: 900,
    }));
    this.on('machine.stats', () => ({
      memory_bytes: 1,
      memory_peak_bytes: 2,
      cpu_usec: 3_000,
      pids: 4,
      oom_kills: 0,
      host: { processes: 3, pss_bytes: 5 },
    }));
  }

  async #make(kind: 'container' | 'vm', params: Params): Promise<MachineRecord> {
    const id = String(params.machine);
    if (this.machines.has(id)) throw new Refusal('exists', `${id} exists`);
    mkdirSync(join(this.#machineDirectory(id), 'terminals'), { recursive: true });
    const record = {
      machine: id,
      kind,
      image: String(params.image),
      ...(kind === 'container' ? { profile: params.profile as 'hardened' } : { accel: 'tcg' }),
      hostname: String(params.hostname),
      state: 'running' as const,
      exit: null,
      limits: params.limits as object,
      labels: params.labels as Record<string, string>,
      created_ms: Date.now(),
      pid: 4_242,
      terminals: [],
    };
    this.machines.set(id, record);
    return record;
  }

  async #delete(id: string): Promise<object> {
    this.#find(id);
    const under = this.#machineDirectory(id);
    this.#stopServing(under);
    this.machines.delete(id);
    rmSync(under, { recursive: true });
    return {};
  }

  #stopServing(under: string): void {
    for (const [path, server] of this.#servers) {
      if (!path.startsWith(under)) continue;
      this.#servers.delete(path);
      server.close();
    }
  }

  #find(id: string): MachineRecord {
    const record = this.machines.get(id);
    if (!record) throw new Refusal('not_found', `no machine ${id} here`);
    return record;
  }

  #machineDirectory(id: string): string {
    return join(this.directory, 'machines', id);
  }
}

/** Answers a link as a guest does: hello, then `probe`, `terminal.open`, `machine.list` and `exec` about itself. `more`
 * answers other methods, or these otherwise; what it throws is a refusal. Returns what sends an event. */
export function answerAsGuest(
  socket: Socket,
  more: Record<string, (params: Params) => object> = {},
): (event: object) => void {
  const packets = new PacketSplitter();
  const send = (channel: number, message: object) =>
    socket.write(
      encodePacket(channel, Buffer.from(`${JSON.stringify(message)}${channel === 0 ? '\n' : ''}`)),
    );
  const results: Record<string, object> = {
    probe: {
      ...probe,
      depth: 'guest',
      hostname: 'vm',
      kernel: { ...probe.kernel, release: '6.12.0-cloud' },
      uptime_ms: 2_500,
      init: { command: 'bulkheadd', processes: 59 },
      boot: [{ step: 'kernel', start_us: 0, end_us: 900, detail: '', source: '' }],
    },
    subscribe: {},
    'machine.list': { machines: [] },
    'terminal.open': { terminal: 't1' },
    exec: {
      status: 0,
      signal: 0,
      timed_out: false,
      truncated: false,
      stdout: '6.12.0-cloud\nvm\nbulkheadd \n60\n2.50 2.00\n',
      stderr: '',
      duration_us: 900,
    },
  };
  socket.on('data', (bytes) => {
    for (const { channel, payload } of packets.push(bytes)) {
      const message = JSON.parse(Buffer.from(payload).toString());
      if (channel === 1 && message.hello) send(1, { hello: message.hello, version: 1 });
      else if (channel === 0) send(0, { id: message.id, ...answer(message.method, message.params) });
    }
  });
  return (event) => send(0, event);

  function answer(method: string, params: Params): object {
    try {
      return { result: more[method]?.(params) ?? results[method] };
    } catch (error) {
      const code = error instanceof Refusal ? error.code : 'failed';
      return { error: { code, message: error instanceof Error ? error.message : String(error) } };
    }
  }
}

/** Waits until `check` gives something, looking again after every turn of the event loop for at most `limitMs`. */
export async function until<T>(
  check: () => T | false | null | undefined | Promise<T | false | null | undefined>,
  limitMs = 20_000,
): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (performance.now() > end) throw new Error(`not so after ${limitMs} ms: ${check}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
