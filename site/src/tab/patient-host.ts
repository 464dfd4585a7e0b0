// A broker in the tab, asked with the patience that an emulated processor wants: the limits of a server are for a real one.
import type { Host, RequestOptions } from '@bulkhead/sandbox-server/broker/host';
import type { BrokerMethod, BrokerParams, BrokerResult } from '@bulkhead/sandbox-server/protocol/broker';
import { REQUEST_LIMIT_MS } from './tab-machine.ts';

const TIMES = 4;

/** `host`: the one that answers now; after a restart of the machine it is another. Throws what `host` throws. */
export function patiently(host: () => Host): Host {
  return {
    get connected() {
      return host().connected;
    },
    get events() {
      return host().events;
    },
    async request<M extends BrokerMethod>(
      method: M,
      params: BrokerParams<M>,
      { timeoutMs = 0, ...options }: RequestOptions = {},
    ): Promise<BrokerResult<M>> {
      return await host().request(method, params, {
        ...options,
        timeoutMs: Math.max(REQUEST_LIMIT_MS, timeoutMs * TIMES),
      });
    },
    attach: async (machine, terminal) => await host().attach(machine, terminal),
    dial: async (machine, port) => await host().dial(machine, port),
  };
}
