// Who serves terminals to a browser: Bulkhead, and peers. Each can be started, and gives terminals to whoever has its
// address, so that a crowd in a process of its own can use it too.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import WebSocket from 'ws';
import { freePort, type Stack, startStack } from '../integration/stack.ts';
import { atPrompt, type OpenTerminal, pause } from './typing.ts';
import { Visitor } from './visitor.ts';

export type Kind = 'bulkhead' | 'ttyd' | 'wetty';

/** Where a server is, in words that another process understands. */
export interface Address {
  kind: Kind;
  url: string;
  /** Folder of the peer's own packages. */
  packages: string;
}

export interface TerminalServer {
  address: Address;
  what: string;
  /** The process that browsers talk to. */
  pid: number;
  /** Where it is Bulkhead: all of it. */
  stack?: Stack;
  stop(): Promise<void>;
}

/** Opens a terminal, which is then at its shell's prompt. */
export const openTerminal = async (address: Address): Promise<OpenTerminal> => {
  const terminal = await { bulkhead: openBulkhead, ttyd: openTtyd, wetty: openWetty }[address.kind](address);
  await atPrompt(terminal);
  return terminal;
};

const box = { name: 'box', kind: 'container', columns: 80, rows: 24 } as const;

/** A learner of its own with a container of its own; comes again when there are too many at once. */
async function openBulkhead({ url }: Address): Promise<OpenTerminal> {
  const visitor = new Visitor(url);
  await visitor.ask('GET', '/api/status');
  for (;;) {
    const answer = await visitor.ask('POST', '/api/sandboxes', { machines: [box] });
    if (answer.status === 429) {
      await pause(Number(answer.headers['retry-after'] ?? 1) * 1_000);
      continue;
    }
    if (answer.status !== 201) throw new Error(`no sandbox: ${answer.status} ${answer.body}`);
    const { id, machines } = JSON.parse(answer.body);
    visitor.leave();
    const terminal = visitor.terminal(id, 'box', machines[0].terminals[0].terminal);
    await terminal.attach();
    return terminal;
  }
}

/** ttyd's own protocol: a byte that says what follows, in both directions. */
async function openTtyd({ url }: Address): Promise<OpenTerminal> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, 'tty', { perMessageDeflate: false });
  const terminal: OpenTerminal = {
    type: (text) => socket.send(Buffer.from(`0${text}`)),
    onOutput: () => {},
    close: () => socket.terminate(),
  };
  socket.on('message', (data) => {
    const bytes = data as Buffer;
    if (bytes[0] === 0x30) terminal.onOutput(bytes.subarray(1));
  });
  await once(socket, 'open');
  socket.send(Buffer.from(JSON.stringify({ AuthToken: '', columns: 80, rows: 24 })));
  return terminal;
}

interface SocketIo {
  on(event: string, listener: (data: string) => void): void;
  emit(event: string, data: unknown): void;
  disconnect(): void;
}

/** wetty speaks socket.io, whose client came with it. What was drawn is told back, as its page does. */
async function openWetty({ url, packages }: Address): Promise<OpenTerminal> {
  const { io } = createRequire(join(packages, 'package.json'))('socket.io-client') as {
    io(url: string, options: object): SocketIo;
  };
  const socket = io(url, { path: '/wetty/socket.io', transports: ['websocket'], forceNew: true });
  const terminal: OpenTerminal = {
    type: (text) => socket.emit('input', text),
    onOutput: () => {},
    close: () => socket.disconnect(),
  };
  await new Promise<void>((resolve, reject) => {
    socket.on('login', () => resolve());
    socket.on('connect_error', (error) => reject(new Error(`wetty: ${error}`)));
    socket.on('data', (text) => {
      socket.emit('commit', text.length);
      terminal.onOutput(Buffer.from(text));
    });
  });
  socket.emit('resize', { cols: 80, rows: 24 });
  return terminal;
}

/** Bulkhead, as `npm start` starts it, with a Node that can be asked about itself. */
export const startBulkhead = async (machines: number): Promise<TerminalServer> => {
  const stack = await startStack({
    broker: ['--max-machines', `${machines}`],
    node: ['--inspect=127.0.0.1:0'],
  });
  return {
    address: { kind: 'bulkhead', url: stack.url, packages: '' },
    what: 'the server, a monitor, and a shell in a container of its own',
    pid: stack.serverPid,
    stack,
    stop: () => stack.stop(),
  };
};

const startPeer = async (
  kind: Kind,
  what: string,
  packages: string,
  command: (port: number) => string[],
): Promise<TerminalServer> => {
  const port = await freePort();
  const [program = '', ...args] = command(port);
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const url = `http://127.0.0.1:${port}`;
  await untilListening(child, port);
  const stop = async () => {
    const ended = once(child, 'exit');
    child.kill();
    await ended;
  };
  return { address: { kind, url, packages }, what, pid: child.pid ?? 0, stop };
};

async function untilListening(child: ChildProcess, port: number): Promise<void> {
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2_000);
  });
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null) throw new Error(`a peer ended: ${said}`);
    const socket = connectTcp(port, '127.0.0.1');
    const listens = await new Promise<boolean>((resolve) => {
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    });
    socket.destroy();
    if (listens) return;
    await pause(50);
  }
  throw new Error(`a peer does not listen: ${said}`);
}

const WETTY = '3.2.0';

/** wetty with what it needs, from npm into a folder of its own, where it stays for the next run. It builds node-pty with
 * this machine's C++ compiler. */
const installWetty = (): string => {
  const directory = join(tmpdir(), `bulkhead-bench-wetty-${WETTY}`);
  const main = join(directory, 'node_modules/wetty/build/main.js');
  if (existsSync(main)) return directory;
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'package.json'), '{"private":true}');
  const { status, stderr } = spawnSync(
    'npm',
    ['install', '--no-audit', '--no-fund', '--no-save', `wetty@${WETTY}`],
    {
      cwd: directory,
      encoding: 'utf8',
      env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` },
    },
  );
  if (status !== 0 || !existsSync(main)) throw new Error(`wetty cannot be had: ${stderr.slice(-500)}`);
  return directory;
};

const isThere = (program: string): boolean =>
  spawnSync('sh', ['-c', 'command -v "$0"', program]).status === 0;

/** ttyd where this machine has it, else wetty. Their shells run on the host, without a partition. */
export const startAPeer = (): Promise<TerminalServer> => {
  if (isThere('ttyd')) {
    return startPeer('ttyd', 'ttyd, and a shell on the host', '', (port) => [
      'ttyd',
      ...['--writable', '--interface', '127.0.0.1', '--port', `${port}`, 'bash', '--norc'],
    ]);
  }
  const packages = installWetty();
  const main = join(packages, 'node_modules/wetty/build/main.js');
  return startPeer('wetty', `wetty ${WETTY}, and a shell on the host`, packages, (port) => [
    process.execPath,
    main,
    ...['--host', '127.0.0.1', '--port', `${port}`, '--base', '/wetty', '--command', 'bash'],
    ...['--log-level', 'error'],
  ]);
};
