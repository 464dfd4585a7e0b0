// The host that a VM is to the containers in it: one for the life of the machine, however often the conversation with its
// guest is lost, begun again, or begun with another boot.
import { Listeners } from '../listeners.ts';
import type {
  BrokerEvent,
  BrokerMethod,
  BrokerParams,
  BrokerResult,
  MachineRecord,
} from '../protocol/broker.ts';
import type { ByteDuplex } from '../protocol/bytes.ts';
import { BrokerError } from './client.ts';
import type { Host, RequestOptions } from './host.ts';
import { LinkHost } from './link.ts';

/** How long whoever attaches waits for a guest that is being greeted again, after the server's start or a move. */
const REGREET_MS = 5_000;

export class GuestHost implements Host {
  readonly events = new Listeners<BrokerEvent>();
  /** Told every machine of the guest's broker after each greeting: what happened while nobody listened. */
  readonly found = new Listeners<readonly MachineRecord[]>();
  readonly #path: string;
  #link: LinkHost | null = null;

  /** `path`: the VM's link.sock. */
  constructor(path: string) {
    this.#path = path;
  }

  get connected(): boolean {
    return this.#link?.connected ?? false;
  }

  /** Begins a conversation, in place of any other. */
  connect(): LinkHost {
    this.disconnect('another conversation begins');
    const link = new LinkHost(this.#path);
    link.events.add((event) => this.events.emit(event));
    link.greetings.add(() => void this.#look(link));
    this.#link = link;
    return link;
  }

  disconnect(reason: string): void {
    this.#link?.close(reason);
    this.#link = null;
  }

  /** The conversation there is now. */
  get link(): LinkHost | null {
    return this.#link;
  }

  request<M extends BrokerMethod>(
    method: M,
    params: BrokerParams<M>,
    options?: RequestOptions,
  ): Promise<BrokerResult<M>> {
    return this.#link
      ? this.#link.request(method, params, options)
      : Promise.reject(new BrokerError('unavailable', 'the guest does not answer'));
  }

  async attach(machine: string, terminal: string): Promise<ByteDuplex> {
    if (!this.#link) throw new BrokerError('unavailable', 'the guest does not answer');
    await this.#link.greeted(REGREET_MS);
    return this.#link.attach(machine, terminal);
  }

  async dial(machine: string, port: number): Promise<ByteDuplex> {
    if (!this.#link) throw new BrokerError('unavailable', 'the guest does not answer');
    return this.#link.dial(machine, port);
  }

  async #look(link: LinkHost): Promise<void> {
    try {
      const { machines } = await link.request('machine.list', {});
      if (link === this.#link) this.found.emit(machines);
    } catch {
      // The conversation was lost again: the next greeting asks again.
    }
  }
}
