// The broker of the host this server runs on: its control socket, and the attach sockets of its monitors.
import { dirname, join } from 'node:path';
import { Listeners } from '../listeners.ts';
import { metrics } from '../metrics/metrics.ts';
import type { BrokerEvent, BrokerMethod, BrokerParams, BrokerResult } from '../protocol/broker.ts';
import type { ByteDuplex } from '../protocol/bytes.ts';
import { LINE_MAX, LineSplitter } from '../protocol/lines.ts';
import { BrokerClient, BrokerError } from './client.ts';
import type { Host, RequestOptions } from './host.ts';
import { connectUnix } from './streams.ts';

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 2_000;

/** Keeps one connection to the broker: connects, subscribes, and after a loss connects again, more and more patiently. */
export class SocketHost implements Host {
  readonly events = new Listeners<BrokerEvent>();
  /** Told `true` when the broker can be asked (again), and `false` when it is gone. */
  readonly connections = new Listeners<boolean>();
  readonly #path: string;
  #client: BrokerClient | null = null;
  #stream: ByteDuplex | null = null;
  #problem: string;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;
  #closed = false;

  /** `path`: the broker's control socket; the machines' sockets are beside it. */
  constructor(path: string) {
    this.#path = path;
    this.#problem = 'the broker has not answered yet';
  }

  get connected(): boolean {
    return this.#client !== null;
  }

  /** Why there is no connection; one sentence. */
  get problem(): string {
    return this.#problem;
  }

  /** Makes the first attempt; resolves when it has succeeded or failed. Later ones follow by themselves. */
  async start(): Promise<void> {
    await this.#connect();
  }

  request<M extends BrokerMethod>(
    method: M,
    params: BrokerParams<M>,
    options?: RequestOptions,
  ): Promise<BrokerResult<M>> {
    const answer = this.#client
      ? this.#client.request(method, params, options)
      : Promise.reject(new BrokerError('unavailable', this.#problem));
    return answer.catch((error: unknown) => {
      if (error instanceof BrokerError) metrics.noteBrokerError(method, error.code);
      throw error;
    });
  }

  attach(machine: string, terminal: string): Promise<ByteDuplex> {
    const path = join(this.machineDirectory(machine), 'terminals', `${terminal}.sock`);
    return connectUnix(path, 'the terminal');
  }

  async dial(machine: string, port: number): Promise<ByteDuplex> {
    const dialled = await this.request('dial', { machine, port });
    if (!('stream' in dialled))
      throw new BrokerError('malformed', 'the broker answered dial without a stream');
    const path = join(this.machineDirectory(machine), 'streams', `${dialled.stream}.sock`);
    return connectUnix(path, `port ${port}`);
  }

  /** Where the broker keeps a machine's sockets. */
  machineDirectory(machine: string): string {
    return join(dirname(this.#path), 'machines', machine);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#stream?.close('the server stops');
  }

  async #connect(): Promise<void> {
    try {
      const stream = await connectUnix(this.#path, 'the broker');
      if (this.#closed) {
        stream.close('the server stops');
        return;
      }
      await this.#converse(stream);
    } catch (error) {
      this.#lost(error instanceof Error ? error.message : String(error));
    }
  }

  /** Resolves once the broker has answered `subscribe`; only then does it count as connected. */
  async #converse(stream: ByteDuplex): Promise<void> {
    const lines = new LineSplitter(LINE_MAX);
    const client = new BrokerClient((line) => stream.write(new TextEncoder().encode(`${line}\n`)));
    client.events.add((event) => this.events.emit(event));
    stream.open({
      data: (bytes) => {
        try {
          lines.push(bytes, (line) => client.receive(line));
        } catch (error) {
          stream.close(error instanceof Error ? error.message : String(error));
        }
      },
      closed: (reason) => {
        const counted = this.#client === client;
        client.end(reason);
        if (counted) this.#lost(reason);
      },
    });
    this.#stream = stream;
    try {
      await client.request('subscribe', {});
    } catch (error) {
      stream.close('the broker did not take the subscription');
      throw error;
    }
    this.#client = client;
    this.#retryMs = FIRST_RETRY_MS;
    this.connections.emit(true);
  }

  #lost(reason: string): void {
    const was = this.#client !== null;
    this.#client = null;
    this.#stream = null;
    this.#problem = reason;
    if (was) this.connections.emit(false);
    if (this.#closed) return;
    this.#retry = setTimeout(() => void this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
  }
}
