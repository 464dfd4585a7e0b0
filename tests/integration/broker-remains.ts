// What tests of brokers look at on the host.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { TestBroker } from './broker.ts';

/** Nothing of it is left but the broker itself and the group above all machines. */
export const expectNothingLeft = (broker: TestBroker): void => {
  const left = broker.census();
  expect(left.processes.map((line) => Number.parseInt(line, 10))).toEqual(broker.pid ? [broker.pid] : []);
  expect(left.mounts).toEqual([]);
  expect(left.namespaces).toEqual([]);
  expect(left.cgroups.filter((path) => !path.endsWith(broker.cgroup))).toEqual([]);
  expect(readdirSync(join(broker.state, 'run/machines'))).toEqual([]);
  expect(readdirSync(join(broker.state, 'run/runtime')).filter((name) => !name.startsWith('.'))).toEqual([]);
};

/** The first process of a machine as the host numbers it. */
export const hostPid = async (broker: TestBroker, machine: string): Promise<number> => {
  const { machines } = await broker.control.request('machine.list', {});
  return machines.find((one) => one.machine === machine)?.pid ?? 0;
};
