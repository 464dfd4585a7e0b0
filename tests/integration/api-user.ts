// Somebody who asks the API for machines, whatever answers it: a server over HTTP, or the tab of a page.
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import {
  type CreateSandbox,
  type Sandbox,
  sandboxSchema,
  terminalSchema,
} from '../../sandbox-server/src/protocol/api.ts';
import { patiently } from '../patience.ts';
import type { Events } from './events.ts';

export type Answer = { status: number; body: unknown };

export abstract class ApiUser {
  abstract ask(method: string, path: string, body?: unknown): Promise<Answer>;

  /** The events of a sandbox from now on. */
  abstract follow(id: string): Promise<Events>;

  /** Makes a sandbox; throws with the answer when that is refused. */
  async create(machines: CreateSandbox['machines']): Promise<Sandbox> {
    const { status, body } = await this.ask('POST', apiPaths.sandboxes, { machines });
    if (status >= 400) throw new Error(`${status}: ${JSON.stringify(body)}`);
    return sandboxSchema.parse(body);
  }

  async look(id: string): Promise<Sandbox> {
    return sandboxSchema.parse((await this.ask('GET', apiPaths.sandbox(id))).body);
  }

  /** Waits until a machine is in `state`; throws when it fails or ends instead. */
  async waitFor(id: string, name: string, state: 'running', limitMs = patiently(120_000)): Promise<Sandbox> {
    const end = performance.now() + limitMs;
    for (;;) {
      const sandbox = await this.look(id);
      const machine = sandbox.machines.find((one) => one.name === name);
      if (machine?.state === state) return sandbox;
      const over = machine?.state === 'failed' || machine?.state === 'ended' || performance.now() > end;
      if (over) throw new Error(`${name} is ${machine?.state}: ${machine?.reason}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async openTerminal(id: string, name: string): Promise<string> {
    const answer = await this.ask('POST', apiPaths.terminals(id, name), { columns: 80, rows: 24 });
    return terminalSchema.parse(answer.body).terminal;
  }

  end(id: string): Promise<Answer> {
    return this.ask('DELETE', apiPaths.sandbox(id));
  }
}
