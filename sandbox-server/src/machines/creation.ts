// Asks a broker for a container, wherever that broker is, and has its runtime's steps on the time axis.
import type { MachineRecord } from '../protocol/broker.ts';
import { type MachineContext, orIfGone } from './machine.ts';
import type { MachinePlan } from './placement.ts';
import type { Stopwatch } from './stopwatch.ts';

/** A container is made in milliseconds. The broker gives up after 20 s, on an emulated processor after 80, and then says why. */
const CREATE_TIMEOUT_MS = 90_000;

/** Makes it, or (`again`) makes it anew in its place. Rejects with BrokerError. */
export async function createContainer(
  { broker, id, labels }: MachineContext,
  plan: MachinePlan,
  watch: Stopwatch,
  again: boolean,
): Promise<MachineRecord> {
  const wait = { timeoutMs: CREATE_TIMEOUT_MS };
  const create = () =>
    broker.request(
      'container.create',
      {
        machine: id,
        image: plan.image,
        profile: plan.profile ?? 'hardened',
        hostname: plan.name,
        limits: plan.limits,
        labels,
      },
      wait,
    );
  const what = again ? 'make container anew' : 'make container';
  const { machine, trace } = await watch.step('broker', what, plan.image, () =>
    again ? orIfGone(broker.request('machine.restart', { machine: id }, wait), create) : create(),
  );
  // The runtime's last step is the last thing before the broker answers, to within a fraction of a millisecond.
  watch.placeTrace('runtime', trace, watch.now());
  return machine;
}
