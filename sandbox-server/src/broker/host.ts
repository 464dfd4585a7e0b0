// A host seen from the server: something that makes machines and gives their terminals. The physical machine is one
// (over a Unix socket), a VM's guest is one (over its link), and nobody above needs to know which.

import type { Listeners } from '../listeners.ts';
import type { BrokerEvent, BrokerMethod, BrokerParams, BrokerResult } from '../protocol/broker.ts';
import type { ByteDuplex } from '../protocol/bytes.ts';

export interface RequestOptions {
  /** Gives the request up; the broker may still carry it out. */
  signal?: AbortSignal;
  /** Milliseconds to wait for the answer. */
  timeoutMs?: number;
}

export interface Host {
  /** Whether requests can be made now. */
  readonly connected: boolean;
  /** Asks the broker there. Rejects with BrokerError. */
  request<M extends BrokerMethod>(
    method: M,
    params: BrokerParams<M>,
    options?: RequestOptions,
  ): Promise<BrokerResult<M>>;
  /** The attach stream of a terminal there: frames with their lengths. Rejects with BrokerError. */
  attach(machine: string, terminal: string): Promise<ByteDuplex>;
  /** A connection to a port on a machine's own loopback there: stream frames (machines/stream.ts). Rejects with
   * BrokerError, `not_found` with the field `port` when nothing listens. */
  dial(machine: string, port: number): Promise<ByteDuplex>;
  /** What happens there. */
  readonly events: Listeners<BrokerEvent>;
}
