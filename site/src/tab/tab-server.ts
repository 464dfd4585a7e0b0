// The API of sandbox-server, answered in this tab: the same requests, the same machines and sandboxes, one learner, no network.
// It knows no DOM; what it stands on is given to it (page.ts).
import { BrokerError } from '@bulkhead/sandbox-server/broker/client';
import { Gate } from '@bulkhead/sandbox-server/labs/gate';
import { describeLab, type Lab, machinesOf } from '@bulkhead/sandbox-server/labs/lab';
import { LabRun } from '@bulkhead/sandbox-server/labs/run';
import { listDirectory, readFile, runCommand, writeFile } from '@bulkhead/sandbox-server/machines/inside';
import type { LearnerMachine } from '@bulkhead/sandbox-server/machines/machine';
import type { Wanted } from '@bulkhead/sandbox-server/machines/placement';
import { Problem, problemOf } from '@bulkhead/sandbox-server/problem';
import type { Check, Machine, SandboxEvent, Status } from '@bulkhead/sandbox-server/protocol';
import {
  createLabSandboxSchema,
  createSandboxSchema,
  directoryQuerySchema,
  fileQuerySchema,
  openTerminalSchema,
  restartSchema,
  runSchema,
  writeFileSchema,
} from '@bulkhead/sandbox-server/protocol';
import type { ByteDuplex } from '@bulkhead/sandbox-server/protocol/bytes';
import { Sandbox } from '@bulkhead/sandbox-server/sandboxes/sandbox';
import type { Ground } from './ground.ts';

/** What is remembered of a sandbox when the page is loaded again. */
export interface SavedSandbox {
  id: string;
  createdAt: number;
  lab: string | null;
  machines: { id: string; view: Machine }[];
}

export interface TabServerOptions {
  ground: Ground;
  /** The labs of this site, by their slugs. */
  lab: (slug: string) => Promise<Lab>;
  /** What was here when the page was left. */
  saved: readonly SavedSandbox[];
  /** Something has changed that is worth saving. */
  onchange: () => void;
  /** Whether the page is in sight. What nobody can see is not measured, and not looked at: a machine that is asleep answers
   * nothing until its page is seen again, and then all of it. */
  seen: () => boolean;
}

const SANDBOXES = 2;
/** Nobody waits for this computer but its owner, so nothing ends by itself. As long as a timer can be. */
const LONG_MS = 20 * 86_400_000;
const policy = {
  sandboxesPerLearner: SANDBOXES,
  sandboxesPerAddress: SANDBOXES,
  idleMs: LONG_MS,
  orphanMs: LONG_MS,
  longestMs: LONG_MS,
  warningMs: 60_000,
  vms: 1,
  reserveBytes: 0,
  overcommit: 1,
  waiting: 0,
  pooledContainers: 0,
  pooledVms: 0,
};

interface Call {
  /** What the route's pattern caught: the sandbox, then the machine or step. */
  parts: string[];
  query: Record<string, string>;
  body: unknown;
  zero: number;
}
type Route = [method: string, path: RegExp, answer: (call: Call) => unknown];

const sandboxes = '/api/sandboxes';
const one = `${sandboxes}/([a-z2-7]{20})`;
const machine = `${one}/machines/([^/]+)`;
const attachPath = new RegExp(`^${machine}/terminals/([^/]+)/attach$`);
const eventsPath = new RegExp(`^${one}/events$`);

export class TabServer {
  readonly #options: TabServerOptions;
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #runs = new Map<string, LabRun>();
  readonly #gate = new Gate(1);
  readonly #startedAt = Date.now();
  readonly #routes: Route[];
  /** What was left here, until somebody asks for it. */
  #left: readonly SavedSandbox[];
  #resuming: Promise<void> | null = null;
  /** How many wait for the machine that they are to be made in. */
  #beginning = 0;

  constructor(options: TabServerOptions) {
    this.#options = options;
    this.#left = options.saved;
    this.#routes = this.#makeRoutes();
  }

  /** Answers a request of the API. Throws Problem, BrokerError, ZodError or TabError. */
  async answer(method: string, address: string, body: unknown): Promise<unknown> {
    const zero = performance.now();
    const url = new URL(address, 'http://tab');
    const query = Object.fromEntries(url.searchParams);
    for (const [known, path, answer] of this.#routes) {
      const found = known === method ? new RegExp(`^${path.source}$`).exec(url.pathname) : null;
      if (!found) continue;
      return await answer({ parts: found.slice(1), query, body, zero });
    }
    throw new Problem(
      'unsupported',
      'A machine in this tab cannot be moved, saved by name or shown to others.',
    );
  }

  /** Follows a sandbox's events until the function that this returns is called. Throws Problem `not_found`. */
  async follow(address: string, listener: (event: SandboxEvent) => void): Promise<() => void> {
    const url = new URL(address, 'http://tab');
    const sandbox = await this.#sandbox(eventsPath.exec(url.pathname)?.[1]);
    const views = url.searchParams.get('view')?.split(',') ?? [];
    return sandbox.follow(listener, views);
  }

  /** The attach stream of a terminal. `touched` is to be called for what is typed, `spoke` for what is printed. */
  async attach(
    address: string,
  ): Promise<{ stream: ByteDuplex; touched: () => void; spoke: () => void; leave: () => void }> {
    const found = attachPath.exec(new URL(address, 'http://tab').pathname);
    const [, id, name = '', terminal = ''] = found ?? [];
    const sandbox = await this.#sandbox(id);
    const learners = sandbox.machine(name);
    const stream = await learners.attach(terminal);
    return {
      stream,
      touched: () => {
        sandbox.noteActivity();
        this.#options.onchange();
      },
      spoke: () => {
        learners.noteOutput(terminal);
        sandbox.stirs.emit();
      },
      leave: sandbox.connect(),
    };
  }

  /** What is to be remembered. */
  get saved(): SavedSandbox[] {
    if (this.#left.length > 0) return [...this.#left];
    return [...this.#sandboxes.values()].map((sandbox) => {
      const { id, createdAt } = sandbox.view;
      const machines = sandbox.machines.map((each) => ({ id: each.id, view: each.view }));
      return { id, createdAt, lab: sandbox.lab, machines };
    });
  }

  /** The page is in sight again: what was not looked at meanwhile is. */
  noteSeen(): void {
    for (const sandbox of this.#sandboxes.values()) sandbox.stirs.emit();
  }

  /** Gives everything up, without a word to machines that are about to be gone. */
  forget(): void {
    this.#left = [];
    for (const sandbox of this.#sandboxes.values()) {
      this.#runs.get(sandbox.id)?.close();
      sandbox.release();
      sandbox.events.emit({ event: 'ended', data: { reason: 'It was forgotten, with all that was in it.' } });
    }
    this.#runs.clear();
    this.#sandboxes.clear();
  }

  /** The kernel under the containers has ended, and they with it. */
  noteKernelEnd(reason: string): void {
    for (const sandbox of this.#sandboxes.values()) {
      for (const each of sandbox.machines) {
        if (each.view.kind === 'container')
          each.noteExit(`The machine in this tab is gone: ${reason}`, { cause: 'host' });
      }
    }
  }

  #makeRoutes(): Route[] {
    const on = (method: string, path: string, answer: Route[2]): Route => [method, new RegExp(path), answer];
    const within = (method: string, path: string, answer: (sandbox: Sandbox, call: Call) => unknown) =>
      on(method, `${one}${path}`, async (call) => answer(await this.#sandbox(call.parts[0]), call));
    const at = (
      method: string,
      path: string,
      answer: (machine: LearnerMachine, call: Call, sandbox: Sandbox) => unknown,
    ) =>
      within(method, `/machines/([^/]+)${path}`, (sandbox, call) =>
        answer(sandbox.machine(call.parts[1] ?? ''), call, sandbox),
      );
    const changed = async <T>(result: Promise<T>): Promise<T> => {
      const value = await result;
      this.#options.onchange();
      return value;
    };
    return [
      on('GET', '/api/status', () => this.#status()),
      on('GET', sandboxes, () => ({ sandboxes: this.#list() })),
      on('POST', sandboxes, ({ body, zero }) => changed(this.#create(body, zero))),
      within('GET', '', (sandbox) => sandbox.view),
      within('DELETE', '', (sandbox) => changed(this.#end(sandbox))),
      within('POST', '/extend', (sandbox) => {
        sandbox.extend();
        return sandbox.view;
      }),
      at('POST', '/terminals', async (each, { body }) => ({
        terminal: await changed(each.openTerminal(openTerminalSchema.parse(body))),
      })),
      at('POST', '/restart', async (each, { body, zero }) => {
        await this.#options.ground.start();
        await changed(each.restart(restartSchema.parse(body ?? {}), zero));
        return each.view;
      }),
      at('POST', '/freeze', async (each) => {
        await each.freeze();
        return each.view;
      }),
      at('POST', '/thaw', async (each) => {
        await each.thaw();
        return each.view;
      }),
      at('POST', '/exec', (each, { body }, sandbox) => {
        const wish = runSchema.parse(body);
        return changed(each.work((host, id) => runCommand(host, id, wish))).finally(() =>
          sandbox.stirs.emit(),
        );
      }),
      at('GET', '/view', (each) => each.hostView()),
      at('GET', '/files', (each, { query }) => {
        const wish = fileQuerySchema.parse(query);
        return each.work((host, id) => readFile(host, id, wish));
      }),
      at('PUT', '/files', (each, { body }, sandbox) => {
        const wish = writeFileSchema.parse(body);
        return changed(each.work((host, id) => writeFile(host, id, wish))).finally(() =>
          sandbox.stirs.emit(),
        );
      }),
      at('GET', '/directory', (each, { query }) => {
        const { path } = directoryQuerySchema.parse(query);
        return each.work((host, id) => listDirectory(host, id, path));
      }),
      within('GET', '/checks', (sandbox) => ({ checks: sandbox.checks })),
      within(
        'POST',
        '/steps/([^/]+)/check',
        (sandbox, { parts }): Check => this.#run(sandbox).ask(parts[1] ?? ''),
      ),
      within('POST', '/steps/([^/]+)/solve', (sandbox, { parts }) =>
        changed(this.#run(sandbox).solve(parts[1] ?? '')),
      ),
      on('GET', '/api/labs/([^/]+)/steps/([^/]+)/solve', async ({ parts: [slug = '', step] }) => {
        const { steps } = await this.#options.lab(slug);
        const found = steps.find(({ id }) => id === step);
        if (!found) throw new Problem('not_found', `The lab ${slug} has no such step.`);
        return { script: found.solve };
      }),
      on('GET', '/api/labs/([^/]+)', async ({ parts: [slug = ''] }) =>
        describeLab(await this.#options.lab(slug)),
      ),
    ];
  }

  async #sandbox(id: string | undefined): Promise<Sandbox> {
    if (this.#left.some((left) => left.id === id)) {
      this.#resuming ??= this.#resume().finally(() => {
        this.#resuming = null;
      });
      await this.#resuming;
    }
    const sandbox = this.#sandboxes.get(id ?? '');
    if (!sandbox) throw new Problem('not_found', 'This tab has no such sandbox any more.');
    return sandbox;
  }

  #list() {
    const left = this.#left.map(({ id, createdAt, lab, machines }) => ({
      id,
      createdAt,
      expiresAt: Date.now() + LONG_MS,
      latestAt: Date.now() + LONG_MS,
      ...(lab !== null && { lab }),
      machines: machines.map(({ view }) => view),
    }));
    return [...left, ...[...this.#sandboxes.values()].map(({ view }) => view)];
  }

  #status(): Status {
    const { ground } = this.#options;
    const { release, memoryBytes, noSecond } = ground;
    const machines = this.#list().reduce((sum, sandbox) => sum + sandbox.machines.length, 0);
    return {
      server: { version: 'in this tab', startedAt: this.#startedAt },
      host: {
        hostname: 'this tab',
        kernel: { release, machine: 'i686' },
        cgroup: { version: 2, controllers: ['cpu', 'io', 'memory', 'pids'] },
        cpus: 1,
        memoryBytes,
        memoryAvailableBytes: memoryBytes,
        nesting: 'host',
        vm: { accel: noSecond ? null : 'tcg', reason: noSecond ?? 'an emulator in this page runs them' },
        images: [
          { name: 'base', kind: 'container' },
          { name: 'vm', kind: 'vm' },
        ],
      },
      reason: null,
      room: { machines, mostMachines: 4, containers: 2, vms: 1, waiting: 0, ready: 0, reason: null },
      you: { sandboxes: this.#list().map(({ id }) => id), mostSandboxes: SANDBOXES, waiting: [] },
    };
  }

  async #create(body: unknown, zero: number): Promise<unknown> {
    const { wanted, lab } = await this.#wantedBy(body);
    if (this.#list().length >= SANDBOXES)
      throw new Problem('quota', `This tab has ${SANDBOXES} sandboxes: end one first.`);
    const { ground } = this.#options;
    this.#beginning++;
    const plans = await ground.plan(wanted.machines).finally(() => this.#beginning--);
    const sandbox = this.#open({ id: newId(), createdAt: Date.now(), lab: lab?.slug ?? null });
    try {
      for (const { kind } of plans) ground.checkRoom(kind, [...this.#sandboxes.values()]);
      const begin: Promise<void>[] = [];
      for (const plan of plans) {
        const built = await ground.build(plan, sandbox, zero);
        sandbox.add(built.machine);
        begin.push(built.begin());
      }
      await Promise.all(begin);
      if (lab) await this.#startRun(sandbox, lab, true);
    } catch (error) {
      await this.#end(sandbox).catch(() => {});
      throw error;
    }
    return sandbox.view;
  }

  async #wantedBy(body: unknown): Promise<{ wanted: Wanted; lab: Lab | null }> {
    if (typeof body !== 'object' || body === null || !('lab' in body))
      return { wanted: createSandboxSchema.parse(body), lab: null };
    const { lab: slug, columns = 80, rows = 24 } = createLabSandboxSchema.parse(body);
    const lab = await this.#options.lab(slug);
    return { wanted: machinesOf(lab, { columns, rows }), lab };
  }

  async #startRun(sandbox: Sandbox, lab: Lab, made: boolean): Promise<void> {
    const run = new LabRun(sandbox, lab, {
      gate: this.#gate,
      learners: { noteDone: () => {} },
      log: quietLog,
    });
    this.#runs.set(sandbox.id, run);
    await run.begin(made);
  }

  #run(sandbox: Sandbox): LabRun {
    const run = this.#runs.get(sandbox.id);
    if (!run) throw new Problem('conflict', 'This sandbox was not made for a lab: it has no steps.');
    return run;
  }

  async #end(sandbox: Sandbox): Promise<undefined> {
    this.#sandboxes.delete(sandbox.id);
    this.#runs.get(sandbox.id)?.close();
    this.#runs.delete(sandbox.id);
    await sandbox.end();
    // An emulator that nobody uses takes memory all the same; another one is there in a second.
    if (this.#list().length === 0 && this.#beginning === 0) this.#options.ground.rest();
    sandbox.events.emit({ event: 'ended', data: { reason: 'You ended it.' } });
    return undefined;
  }

  #open({ id, createdAt, lab }: Omit<SavedSandbox, 'machines'>): Sandbox {
    const expiresAt = Date.now() + LONG_MS;
    const row = { id, owner: 'you', address: '', createdAt, expiresAt, latestAt: expiresAt, lab };
    const owner = { saveExpiry: () => {}, timeIsUp: () => {}, isSeen: this.#options.seen };
    const sandbox = new Sandbox(row, policy, owner);
    this.#sandboxes.set(id, sandbox);
    sandbox.events.add((event) => {
      if (event.event === 'machine') this.#options.onchange();
    });
    return sandbox;
  }

  /** The emulators go on from what was saved of them; what cannot is told as ended. */
  async #resume(): Promise<void> {
    const left = this.#left;
    for (const { machines, ...row } of left) {
      const sandbox = this.#open(row);
      for (const { id, view } of machines) {
        const learners = await this.#options.ground.adopt(id, view, sandbox);
        sandbox.add(learners);
      }
      const lab = row.lab === null ? null : await this.#options.lab(row.lab).catch(() => null);
      if (lab) await this.#startRun(sandbox, lab, false);
    }
    this.#left = [];
    if (left.length > 0) this.#options.onchange();
  }
}

/** What any of it throws, as a refusal of the API. */
export function refusalOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof BrokerError) return problemOf(error) as Problem;
  return new Problem('failed', error instanceof Error ? error.message : String(error));
}

/** A reader's browser keeps no log of ours. */
export const quietLog = { info: () => {}, warn: () => {}, error: () => {} };

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/** As sandbox-server's ids look. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(20));
  return Array.from(bytes, (byte) => alphabet[byte & 31]).join('');
}
