// The broker inside a VM, over any byte stream: the same requests, one depth further down. It knows neither Node nor the
// DOM, so it runs in the server and in a page.
import { Listeners } from '../listeners.ts';
import type { BrokerEvent, BrokerMethod, BrokerParams, BrokerResult } from '../protocol/broker.ts';
import type { ByteDuplex } from '../protocol/bytes.ts';
import { LinkConnection } from '../protocol/link.ts';
import { BrokerClient, BrokerError } from './client.ts';
import type { Host, RequestOptions } from './host.ts';

const RETRY_MS = 100;
const NONCE_BYTES = 16;

/** The machine that always exists in a guest: the guest itself. */
export const GUEST_ITSELF = 'host';

/** Keeps the conversation with a guest: connects, greets, and after a loss does both again until `close`. */
export class Conversation implements Host {
  readonly events = new Listeners<BrokerEvent>();
  /** Told whenever the guest has answered a hello: the first, and one after each loss. */
  readonly greetings = new Listeners<void>();
  readonly #open: () => Promise<ByteDuplex>;
  readonly #waiters = new Set<() => void>();
  #link: LinkConnection | null = null;
  #client: BrokerClient | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #closed: string | null = null;

  /** `open`: opens the stream to the guest's port. */
  constructor(open: () => Promise<ByteDuplex>) {
    this.#open = open;
    void this.#connect();
  }

  get connected(): boolean {
    return this.#client !== null;
  }

  /** Resolves when the guest has answered our hello. Rejects with BrokerError `timeout` after `limitMs`, `unavailable`
   * after `close`. */
  greeted(limitMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        if (!this.#client && this.#closed === null) return;
        clearTimeout(timer);
        this.#waiters.delete(settle);
        if (this.#closed === null) resolve();
        else reject(new BrokerError('unavailable', this.#closed));
      };
      const timer = setTimeout(() => {
        this.#waiters.delete(settle);
        reject(new BrokerError('timeout', `the guest did not say hello within ${limitMs / 1_000} s`));
      }, limitMs);
      this.#waiters.add(settle);
      settle();
    });
  }

  request<M extends BrokerMethod>(
    method: M,
    params: BrokerParams<M>,
    options?: RequestOptions,
  ): Promise<BrokerResult<M>> {
    return this.#client
      ? this.#client.request(method, params, options)
      : Promise.reject(new BrokerError('unavailable', 'the guest does not answer'));
  }

  async attach(machine: string, terminal: string): Promise<ByteDuplex> {
    const link = this.#link;
    const { channel } = await this.request('channel.open', { machine, terminal });
    return this.#channel(channel, link);
  }

  async dial(machine: string, port: number): Promise<ByteDuplex> {
    const link = this.#link;
    const dialled = await this.request('dial', { machine, port });
    if (!('channel' in dialled))
      throw new BrokerError('malformed', 'the guest answered dial without a channel');
    return this.#channel(dialled.channel, link);
  }

  close(reason: string): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    clearTimeout(this.#retry);
    this.#link?.close(reason);
    this.#tellWaiters();
  }

  /** `link`: the one on which it was asked for. */
  #channel(channel: number, link: LinkConnection | null): ByteDuplex {
    if (!link || link !== this.#link) throw new BrokerError('unavailable', 'the link was lost');
    return link.channel(channel);
  }

  async #connect(): Promise<void> {
    try {
      const stream = await this.#open();
      if (this.#closed === null) this.#greet(stream);
      else stream.close(this.#closed);
    } catch {
      // QEMU is not listening yet, or not any more; the broker says which, so only the next attempt is made here.
      this.#connectLater();
    }
  }

  #greet(stream: ByteDuplex): void {
    const client = new BrokerClient((line) => link.sendLine(line));
    client.events.add((event) => this.events.emit(event));
    const link = new LinkConnection(stream, nonce(), {
      greeted: () => {
        this.#client = client;
        client.request('subscribe', {}).catch((error: Error) => link.close(error.message));
        this.#tellWaiters();
        this.greetings.emit();
      },
      line: (line) => {
        try {
          client.receive(line);
        } catch (error) {
          link.close(error instanceof Error ? error.message : String(error));
        }
      },
      closed: (reason) => {
        client.end(reason);
        if (this.#client === client) this.#client = null;
        this.#link = null;
        this.#connectLater();
      },
    });
    this.#link = link;
  }

  #connectLater(): void {
    if (this.#closed !== null) return;
    this.#retry = setTimeout(() => void this.#connect(), RETRY_MS);
  }

  #tellWaiters(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }
}

function nonce(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
