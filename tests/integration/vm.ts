// What the VM tests look through: a terminal at the far end of a link, QEMU's monitor, and QEMU's process.
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import type { Host } from '../../sandbox-server/src/broker/host.ts';
import type { BrokerResult } from '../../sandbox-server/src/protocol/broker.ts';
import type { ByteDuplex } from '../../sandbox-server/src/protocol/bytes.ts';
import {
  ATTACH_VERSION,
  decodeFrame,
  encodeFrame,
  type Frame,
  FrameSplitter,
  prefixFrame,
} from '../../sandbox-server/src/protocol/frames.ts';
import { patiently } from '../patience.ts';

const PATIENCE_MS = patiently(20_000);

/** Runs a shell command in a machine and gives all of its answer. */
export function run(host: Host, machine: string, command: string): Promise<BrokerResult<'exec'>> {
  const limits = { timeout_ms: 30_000, max_output_bytes: 65_536 };
  return host.request(
    'exec',
    { machine, command: ['/bin/bash', '-c', command], ...limits },
    { timeoutMs: 40_000 },
  );
}

/** One viewer of a terminal, over any attach stream. */
export class Screen {
  text = '';
  exit: Extract<Frame, { type: 'exit' }> | null = null;
  #stream: ByteDuplex;
  #wake: (() => void) | null = null;

  constructor(stream: ByteDuplex, columns: number, rows: number) {
    this.#stream = stream;
    const splitter = new FrameSplitter();
    const decoder = new TextDecoder();
    stream.open({
      data: (bytes) =>
        splitter.push(bytes, (body) => {
          const frame = decodeFrame(body);
          if (frame.type === 'output') {
            this.text += decoder.decode(frame.bytes, { stream: true });
            this.#send({ type: 'credit', bytes: frame.bytes.length });
          }
          if (frame.type === 'exit') this.exit = frame;
          this.#wake?.();
        }),
      closed: () => this.#wake?.(),
    });
    this.#send({ type: 'role', mayType: true });
    this.#send({ type: 'attach', version: ATTACH_VERSION, offset: 0, credit: 262_144, columns, rows });
  }

  type(text: string): void {
    this.#send({ type: 'input', bytes: new TextEncoder().encode(text) });
  }

  resize(columns: number, rows: number): void {
    this.#send({ type: 'resize', columns, rows });
  }

  /** Resolves once `pattern` has been printed. */
  async shows(pattern: RegExp): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (!pattern.test(this.text)) {
      const left = end - performance.now();
      if (left <= 0)
        throw new Error(`${pattern} did not appear; the end of the screen: ${this.text.slice(-500)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #send(frame: Frame): void {
    this.#stream.write(prefixFrame(encodeFrame(frame)));
  }
}

/** What QEMU's own monitor answers to these commands of its human interface, one after the other. */
export async function askMonitor(qmpSocket: string, commands: readonly string[]): Promise<string> {
  const socket = connect(qmpSocket);
  try {
    const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
    const ask = async (execute: string, args: object = {}): Promise<unknown> => {
      socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
      for (;;) {
        const { value, done } = await lines.next();
        if (done) throw new Error('QEMU has closed its monitor');
        const answer = JSON.parse(value) as { return?: unknown; error?: { desc: string } };
        if (answer.error) throw new Error(answer.error.desc);
        if ('return' in answer) return answer.return;
      }
    };
    await ask('qmp_capabilities');
    const answers: unknown[] = [];
    for (const line of commands) answers.push(await ask('human-monitor-command', { 'command-line': line }));
    return answers.join('\n');
  } finally {
    socket.destroy();
  }
}

/** The names of the devices that QEMU says the machine is made of. */
export async function qemuDevices(qmpSocket: string): Promise<string[]> {
  const tree = await askMonitor(qmpSocket, ['info qtree']);
  return [...tree.matchAll(/^\s*dev: ([^,]+),/gm)].map(([, name]) => name ?? '');
}

/** A field of /proc/PID/status. */
export function processStatus(pid: number, field: string): string {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`^${field}:[ \\t]*(.*)$`, 'm'));
  return line?.[1]?.trim() ?? '';
}

/** The files and directories in the root directory of a process. */
export function rootOf(pid: number, directory = ''): string[] {
  return readdirSync(`/proc/${pid}/root/${directory}`).sort();
}
