// Boots a VM for a test as the server does for a learner: a boot that hangs is ended and tried once more (under emulation
// one in some hundreds does). What the VM said and where its processor was is told, so that the rare one can be studied.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LinkHost } from '../../sandbox-server/src/broker/link.ts';
import type { BrokerMethod, BrokerParams, BrokerResult } from '../../sandbox-server/src/protocol/broker.ts';
import { patiently } from '../patience.ts';
import { askMonitor } from './vm.ts';

const ATTEMPTS = 2;
/** A boot takes 4 s here; a machine may be ten times as slow. */
const BOOT_LIMIT_MS = patiently(45_000);
/** For a hook that boots a VM. */
export const BOOTS_LIMIT_MS = ATTEMPTS * (BOOT_LIMIT_MS + 10_000);

/** The part of a broker's client that booting needs. */
export interface Asks {
  request<M extends BrokerMethod>(method: M, params: BrokerParams<M>): Promise<BrokerResult<M>>;
}

/** A VM with `memoryBytes` and `features`, and the link to its broker once that has said hello. `directory`: where the host's broker keeps
 * the machine's sockets. Rejects with what is known of the last boot. */
export async function bootGuest(
  host: Asks,
  machine: string,
  directory: string,
  memoryBytes: number,
  features?: BrokerParams<'vm.create'>['features'],
): Promise<{ link: LinkHost; pid: number }> {
  const limits = { memory_bytes: memoryBytes, cpu_millis: 1_000 };
  for (let attempt = 1; ; attempt++) {
    const wanted = {
      machine,
      image: 'vm',
      hostname: machine,
      limits,
      labels: {},
      ...(features && { features }),
    };
    const { machine: made } = await host.request('vm.create', wanted);
    const link = new LinkHost(join(directory, 'link.sock'));
    try {
      await link.greeted(BOOT_LIMIT_MS);
      return { link, pid: made.pid ?? 0 };
    } catch (error) {
      link.close('it did not boot');
      const report = `${machine} did not boot: ${error}\n${await describe(directory)}`;
      if (attempt === ATTEMPTS) throw new Error(report);
      console.warn(report);
      await host.request('machine.delete', { machine });
    }
  }
}

async function describe(directory: string): Promise<string> {
  const said = readFileSync(join(directory, 'console.log'), 'utf8').slice(-2_000);
  const processor = await askMonitor(join(directory, 'qmp.sock'), ['info status', 'info registers']).catch(
    (error: Error) => `QEMU does not answer: ${error.message}`,
  );
  return `console:\n${said}\nQEMU:\n${processor.slice(0, 1_500)}`;
}
