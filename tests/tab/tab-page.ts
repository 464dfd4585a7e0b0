// A page with a Linux in its tab, without a browser: the API answered over emulators in this process.
import type { Lab } from '../../sandbox-server/src/labs/lab.ts';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import type { Machine, Ran, Sandbox, SandboxEvent } from '../../sandbox-server/src/protocol/api.ts';
import { Ground } from '../../site/src/tab/ground.ts';
import type { TabImage } from '../../site/src/tab/image.ts';
import { TabMachine } from '../../site/src/tab/tab-machine.ts';
import { refusalOf, type SavedSandbox, TabServer } from '../../site/src/tab/tab-server.ts';
import { type Answer, ApiUser } from '../integration/api-user.ts';
import { Events } from '../integration/events.ts';
import { patiently } from '../patience.ts';
import { NodeWorker } from './node-worker.ts';

/** How long an emulated processor is waited for, on a computer that is busy besides. */
export const PATIENCE = patiently(240_000);
const size = { columns: 80, rows: 24 };

type News<E extends SandboxEvent['event']> = Extract<SandboxEvent, { event: E }>['data'];

export interface TabPageOptions {
  image: TabImage;
  lab: (slug: string) => Promise<Lab>;
  /** What the device keeps; pages with the same one follow each other. */
  disk?: Map<string, ArrayBuffer>;
  /** What the page before left here. */
  saved?: readonly SavedSandbox[];
}

export class TabPage extends ApiUser {
  readonly server: TabServer;
  readonly first: TabMachine;
  readonly second: TabMachine;

  constructor({ image, lab, disk = new Map(), saved = [] }: TabPageOptions) {
    super();
    this.first = new TabMachine(() => new NodeWorker(image, disk));
    this.second = new TabMachine(() => new NodeWorker(image, disk));
    const { first, second } = this;
    const ground = new Ground({ first, second, image, base: '', saves: true, noSecond: null });
    this.server = new TabServer({ ground, saved, onchange: () => {}, seen: () => true, lab });
    ground.onend = (reason) => this.server.noteKernelEnd(reason);
  }

  override async ask(method: string, path: string, body?: unknown): Promise<Answer> {
    try {
      return { status: 200, body: await this.server.answer(method, path, body) };
    } catch (error) {
      const problem = refusalOf(error);
      return { status: problem.status, body: problem.body };
    }
  }

  override follow(id: string): Promise<Events> {
    return new Events(PATIENCE).hear((listener) => this.server.follow(apiPaths.events(id), listener));
  }

  /** What the API answers below /api. Throws what it refuses with. */
  call = async <T>(method: string, path: string, body?: unknown): Promise<T> =>
    (await this.server.answer(method, `/api${path}`, body)) as T;

  start(...machines: object[]): Promise<Sandbox> {
    return this.call('POST', '/sandboxes', { machines: machines.map((one) => ({ ...size, ...one })) });
  }

  async run({ id }: Sandbox, machine: string, script: string): Promise<string> {
    const command = ['/bin/bash', '-c', script];
    const path = `/sandboxes/${id}/machines/${machine}/exec`;
    const { stdout, stderr } = await this.call<Ran>('POST', path, { command, timeoutMs: 60_000 });
    return stdout + stderr;
  }

  /** Resolves to the first event for which `wanted` holds. */
  async hear<E extends SandboxEvent['event']>(
    { id }: Sandbox,
    name: E,
    wanted: (data: News<E>) => boolean,
    query = '',
  ): Promise<News<E>> {
    const { promise, resolve } = Promise.withResolvers<News<E>>();
    const leave = await this.server.follow(`/api/sandboxes/${id}/events${query}`, ({ event, data }) => {
      if (event !== name) return;
      const news = data as unknown as News<E>;
      if (wanted(news)) resolve(news as never);
    });
    return promise.finally(leave);
  }

  /** The machine of that name, once it is in that state. */
  async until(sandbox: Sandbox, name: string, state: Machine['state']): Promise<Machine> {
    return this.hear(sandbox, 'machine', (machine) => machine.name === name && machine.state === state);
  }

  close(): void {
    this.first.stop();
    this.second.stop();
  }
}
