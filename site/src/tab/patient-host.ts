// A broker in the tab, asked with the patience that an emulated processor wants: the limits of a server are for a real one.
import type { Host, RequestOptions } from '@bulkhead/sandbox-server/broker/host';
import type { BrokerMethod, BrokerParams, BrokerResult } from '@bulkhead/sandbox-server/protocol/broker';
import { REQUEST_LIMIT_MS, type TabMachine } from './tab-machine.ts';

const TIMES = 4;
/** The most that a broker lets a command take. */
const LONGEST_MS = 60_000;
const longer = (ms: number): number => Math.min(LONGEST_MS, ms * TIMES);

/** The broker in the machine as it runs now; after a restart it is another. Throws what that throws. */
export function patiently(machine: TabMachine): Host {
  const host = () => machine.guest;
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
      const limit = 'timeout_ms' in params ? params.timeout_ms : undefined;
      const asked = limit === undefined ? params : { ...params, timeout_ms: longer(limit) };
      const patience = Math.max(REQUEST_LIMIT_MS, timeoutMs * TIMES);
      return await machine.during(() => host().request(method, asked, { ...options, timeoutMs: patience }));
    },
    attach: async (machine, terminal) => await host().attach(machine, terminal),
    dial: async (machine, port) => await host().dial(machine, port),
  };
}
