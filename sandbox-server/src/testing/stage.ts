// Sandboxes over a scripted broker, for unit tests: started, stopped and started again over the same state.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { SocketHost } from '../broker/socket.ts';
import type { Ticket } from '../capacity/queue.ts';
import { newId } from '../ids.ts';
import type { CreateSandbox } from '../protocol/api.ts';
import { defaultPolicy, type Policy } from '../sandboxes/policy.ts';
import { Sandbox } from '../sandboxes/sandbox.ts';
import { Sandboxes } from '../sandboxes/sandboxes.ts';
import { SandboxStore } from '../sandboxes/store.ts';
import { ScriptedBroker, until } from './scripted-broker.ts';

export const oneBox: CreateSandbox = {
  machines: [{ name: 'box', kind: 'container', columns: 80, rows: 24 }],
};

export class Stage {
  readonly broker = new ScriptedBroker();
  readonly state = mkdtempSync(join(tmpdir(), 'bh-'));
  readonly #servers: { close(): void }[] = [];

  /** A server's sandboxes over the same state, as after a start. Nothing is kept ready unless `policy` says so. */
  async start(policy: Partial<Policy> = {}): Promise<Sandboxes & { stop(): void }> {
    const host = new SocketHost(this.broker.socket);
    const store = new SandboxStore(join(this.state, 'sandboxes.db'));
    const sandboxes = new Sandboxes({
      broker: host,
      store,
      policy: { ...defaultPolicy, pooledContainers: 0, pooledVms: 0, ...policy },
      log: pino({ level: 'silent' }),
    });
    await host.start();
    await until(() => sandboxes.recovered);
    const server = {
      close: () => {
        sandboxes.close();
        host.close();
      },
    };
    this.#servers.push(server);
    const stop = () => {
      this.#servers.splice(this.#servers.indexOf(server), 1);
      server.close();
    };
    return Object.assign(sandboxes, { stop });
  }

  async close(): Promise<void> {
    for (const server of this.#servers.splice(0)) server.close();
    await this.broker.close();
    rmSync(this.state, { recursive: true });
  }
}

export async function setStage(): Promise<Stage> {
  const stage = new Stage();
  await stage.broker.listen();
  return stage;
}

/** Asks as a learner does, at an address of its own unless stated. */
export function ask(
  sandboxes: Sandboxes,
  wanted = oneBox,
  owner = newId(),
  address = '192.0.2.1',
): Promise<Sandbox | Ticket> {
  return sandboxes.ask({ owner, address }, wanted, performance.now());
}

/** Asks for what there is room for. */
export async function create(sandboxes: Sandboxes, wanted = oneBox, owner = newId()): Promise<Sandbox> {
  const got = await ask(sandboxes, wanted, owner);
  if (got instanceof Sandbox) return got;
  throw new Error(`it has to wait: ${got.reason}`);
}

/** Asks for what there is no room for. */
export async function queueUp(sandboxes: Sandboxes, wanted = oneBox, owner = newId()): Promise<Ticket> {
  const got = await ask(sandboxes, wanted, owner);
  if (!(got instanceof Sandbox)) return got;
  throw new Error('there was room');
}
