// The sandbox of a page: what is said of it where it runs, what it is waiting for, and what went wrong. It knows no UI, and
// whether a server or this tab has the machines it only passes on.
import type {
  Check,
  CreateLabSandbox,
  CreateSandbox,
  Machine,
  MachineStats,
  RestartMachine,
  Sandbox,
  SandboxEvent,
  Solve,
  Status,
  Ticket,
} from '@bulkhead/sandbox-server/protocol';
import { apiPaths } from '@bulkhead/sandbox-server/protocol/addresses';
import type { TabOffer, TabState } from '../../tab/door.ts';
import type { SocketLike } from '../terminal/terminal-session.ts';
import { VmControls } from '../vm/vm-controls.ts';
import { type Problem, problemFrom, RequestFailed, type RequestOptions } from './api.ts';
import { type EventsLike, type Place, serverPlace, type TabDoor, type TabPlace, tabDoor } from './place.ts';
import { Turn } from './turn.ts';
import { say } from './words.ts';

/** What befell a machine, as a page heard it; `id` counts within the session. */
export type HeardNotice = Extract<SandboxEvent, { event: 'notice' }>['data'] & { id: number };
/** A machine's own processes as the kernel under it sees them. */
export type SeenMachine = Extract<SandboxEvent, { event: 'view' }>['data'];

export interface SandboxView {
  /** Where its machines run, or would. */
  place: Place['name'];
  /** What this tab could do instead of a server; null where nobody has had to ask. */
  offer: TabOffer | null;
  /** How far the machine in this tab is; null while its place is the server. */
  tab: TabState | null;
  /** What the reader should know of the machine in this tab though it goes on, in sentences. */
  said: string | null;
  /**
   * looking: asking what there is. alone: no server answers. ready: something could be started.
   * starting: the request is on its way. waiting: the host is full, and there is a place in its queue. running: there is a
   * sandbox. ended: there was one.
   */
  phase: 'looking' | 'alone' | 'ready' | 'starting' | 'waiting' | 'running' | 'ended';
  /** Unix time at which this phase began. */
  since: number;
  status: Status | null;
  sandbox: Sandbox | null;
  /** The place in the queue while it waits. */
  ticket: Ticket | null;
  /** Milliseconds that the sandbox had to wait for room, from the answer that said so. */
  waitedMs: number;
  /** The sandbox was there already when the page was opened. */
  rejoined: boolean;
  stats: Readonly<Record<string, MachineStats>>;
  /** Unix time of `stats`, by the server's clock; 0 before the first. */
  measuredAt: number;
  /** By machine, of those that somebody asked to see. */
  seen: Readonly<Record<string, SeenMachine>>;
  /** What befell its machines, oldest first, at most 50. */
  notices: readonly HeardNotice[];
  /** By step, of a sandbox that was made for a lab: how its checks and its solutions go. */
  checks: Readonly<Record<string, Check>>;
  solves: Readonly<Record<string, Solve>>;
  expiring: Extract<SandboxEvent, { event: 'expiring' }>['data'] | null;
  /** Sandboxes of the same learner that belong to other pages. */
  others: Sandbox[];
  /** The last request that failed. */
  problem: Problem | null;
  /** Whether the server's events arrive. */
  hearing: boolean;
  /** Why it ended, one sentence. */
  reason: string | null;
}

/** What may be started: machines, or those of a lab. */
export type Wanted = CreateSandbox | CreateLabSandbox;

export interface SandboxSessionOptions {
  /** Whether a running sandbox, or one that is waited for, is one that this page would have started. */
  mine: (sandbox: Pick<Sandbox, 'machines'> | Pick<Ticket, 'machines'>) => boolean;
  /** The lab that this page is about: its sandbox is the one that was made for that. Without it, one that was made for none. */
  lab?: string;
  /** Opens the stream of events at an address; Node's tests bring another. */
  listen?: (path: string) => EventsLike;
  /** The way to this tab as a place. */
  tab?: TabDoor;
}

const MOST_NOTICES = 50;

/** How long the making of a sandbox may take before the page gives up; a VM's boot is not part of it. */
const START_LIMIT_MS = 30_000;
/** And its beginning again, with a first terminal: in a VM whose processor is emulated, on a busy host, it may take so long. */
const RESTART_LIMIT_MS = 160_000;

export class SandboxSession {
  readonly #mine: SandboxSessionOptions['mine'];
  readonly #lab: string | undefined;
  readonly #server: Place;
  readonly #door: TabDoor;
  #place: Place;
  #tab: TabPlace | null = null;
  #leaveTab = () => {};
  readonly #listeners = new Set<(view: SandboxView) => void>();
  readonly #leaving = new AbortController();
  /** By machine, of the sandbox that is joined. */
  readonly #vms = new Map<string, VmControls>();
  #events: EventsLike | null = null;
  /** How many look at the host's view of each machine. */
  readonly #seeing = new Map<string, number>();
  /** The views that the events which are open now bring. */
  #seeingNow = '';
  #noticed = 0;
  #turn: Turn | null = null;
  /** What was asked for last, to ask again when the place for it was lost. */
  #wanted: Wanted | null = null;
  #view: SandboxView = {
    place: 'server',
    offer: null,
    tab: null,
    said: null,
    phase: 'looking',
    since: Date.now(),
    status: null,
    sandbox: null,
    ticket: null,
    waitedMs: 0,
    rejoined: false,
    stats: {},
    measuredAt: 0,
    seen: {},
    notices: [],
    checks: {},
    solves: {},
    expiring: null,
    others: [],
    problem: null,
    hearing: false,
    reason: null,
  };

  constructor(options: SandboxSessionOptions) {
    this.#mine = options.mine;
    this.#lab = options.lab;
    this.#server = options.listen ? { ...serverPlace, listen: options.listen } : serverPlace;
    this.#place = this.#server;
    this.#door = options.tab ?? tabDoor;
  }

  get view(): SandboxView {
    return this.#view;
  }

  /** Svelte's store contract. */
  subscribe(listener: (view: SandboxView) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#view);
    return () => this.#listeners.delete(listener);
  }

  /** Carries a terminal of its machines, wherever they are: what <Terminal> is to be given. */
  readonly connect = (url: string): SocketLike => this.#place.connect(url);

  /** Asks the API where its machines are. Throws RequestFailed. */
  readonly ask = <T>(path: string, options: RequestOptions = {}): Promise<T> =>
    this.#request<T>(path, options);

  /** Asks what there is, a server first, and joins this page's sandbox if it still runs. */
  async look(): Promise<void> {
    this.#enter('looking', { problem: null });
    await this.#lookThere();
    const { phase, status } = this.#view;
    const full = phase === 'ready' && (!status?.host || (status.room?.containers ?? 1) < 1);
    if (this.#view.place === 'server' && (phase === 'alone' || phase === 'waiting' || full))
      await this.#lookAtTab(phase === 'alone');
  }

  /** From now on its machines run in this tab; the reader agrees to what that takes. */
  async useTab(): Promise<void> {
    try {
      this.#door.agree();
      if (this.#view.phase === 'waiting') await this.leaveQueue();
      await this.#enterTab();
    } catch (error) {
      this.#failed(error, 'ready'); // a server is no answer to what is the matter with the tab
    }
  }

  /** Its machines are to be looked for on a server again. */
  async useServer(): Promise<void> {
    this.#leaveTab();
    this.#events?.close();
    this.#place = this.#server;
    this.#change({ place: 'server', tab: null, sandbox: null, offer: null });
    await this.look();
  }

  /** Gives up the download that a start in this tab waits for. */
  cancelStart(): void {
    if (this.#tab && this.#view.phase === 'starting') this.#tab.stop();
  }

  /** Deletes what this tab has left on the device, with every machine in it. */
  async forgetTab(): Promise<void> {
    await this.#door.forget();
    if (this.#view.place === 'tab') await this.useServer();
    else await this.#lookAtTab(false);
  }

  async #lookThere(): Promise<void> {
    try {
      const status = await this.#request<Status>(apiPaths.status, { within: 5_000 });
      const theirs =
        status.you.sandboxes.length > 0
          ? (await this.#request<{ sandboxes: Sandbox[] }>(apiPaths.sandboxes)).sandboxes
          : [];
      const mine = theirs.find((sandbox) => sandbox.lab === this.#lab && (this.#lab || this.#mine(sandbox)));
      const others = theirs.filter((sandbox) => sandbox !== mine);
      const waiting = status.you.waiting.find((ticket) => this.#mine(ticket));
      if (mine) this.#join(mine, { status, others, rejoined: true });
      else if (waiting) this.#wait(waiting, { status, others });
      else this.#enter('ready', { status, others });
    } catch (error) {
      this.#failed(error, 'alone');
    }
  }

  /** Follows a sandbox of this learner that is known already, whichever page it belongs to. */
  adopt(sandbox: Sandbox): void {
    this.#join(sandbox, { rejoined: true });
  }

  /** Starts a sandbox and joins it, at once or when its turn has come; false when it was refused (`problem` says why). */
  async start(wanted: Wanted): Promise<boolean> {
    this.#wanted = wanted;
    this.#enter('starting', { problem: null, reason: null, waitedMs: 0 });
    try {
      const got = await this.#create(wanted);
      if ('ticket' in got) {
        this.#wait(got);
        void this.#lookAtTab(false);
      } else this.#join(got, { rejoined: false });
      return true;
    } catch (error) {
      if (error instanceof RequestFailed && error.problem.code === 'cancelled') {
        this.#enter('ready', { problem: null });
        return false;
      }
      this.#failed(error, 'ready');
      const code = this.#view.problem?.code;
      if (code === 'quota') await this.#lookForOthers();
      if (
        this.#view.place === 'server' &&
        (code === 'full' || code === 'no_host' || this.#view.phase === 'alone')
      )
        await this.#lookAtTab(false);
      return false;
    }
  }

  /** Gives up the place in the queue. */
  async leaveQueue(): Promise<void> {
    try {
      await this.#turn?.leave();
      this.#enter('ready', { ticket: null, problem: null });
    } catch (error) {
      this.#failed(error, this.#view.phase);
    }
  }

  /** Moves the end of the sandbox on. */
  async extend(): Promise<void> {
    const { sandbox } = this.#view;
    if (!sandbox) return;
    try {
      const extended = await this.#request<Sandbox>(apiPaths.extend(sandbox.id), { method: 'POST' });
      this.#change({ sandbox: extended, expiring: null, problem: null });
    } catch (error) {
      this.#failed(error, this.#view.phase);
    }
  }

  /** Asks how the sandbox stands: its end moves on with every key, and no event tells that. */
  async refresh(): Promise<void> {
    const { sandbox } = this.#view;
    const now = sandbox && (await this.#request<Sandbox>(apiPaths.sandbox(sandbox.id)).catch(() => null));
    if (now && now.id === this.#view.sandbox?.id) this.#change({ sandbox: now });
  }

  /** Opens another terminal in a machine; it arrives with the machine's next state. */
  async openTerminal(machine: string, columns: number, rows: number): Promise<void> {
    const { sandbox } = this.#view;
    if (!sandbox) return;
    try {
      await this.#request(apiPaths.terminals(sandbox.id, machine), {
        method: 'POST',
        body: { columns, rows },
      });
      // The events tell it too; asking makes it certain even while they are away.
      const now = await this.#request<Sandbox>(apiPaths.sandbox(sandbox.id));
      this.#change({ sandbox: now, problem: null });
    } catch (error) {
      this.#failed(error, this.#view.phase);
    }
  }

  /** Begins a machine again, whether it runs or has ended; its new state comes back with the answer. */
  async restart(machine: string, how: RestartMachine): Promise<boolean> {
    const { sandbox } = this.#view;
    if (!sandbox) return false;
    try {
      const options = { method: 'POST', body: how, within: RESTART_LIMIT_MS } as const;
      this.#replace(await this.#request<Machine>(apiPaths.restart(sandbox.id, machine), options));
      this.#change({ problem: null });
      return true;
    } catch (error) {
      this.#failed(error, this.#view.phase);
      return false;
    }
  }

  /** Asks for the host's view of a machine (`seen`), for as long as somebody looks: until the function that this returns is
   * called. Without anybody, it is not asked for: a look takes the broker a process. */
  see(machine: string): () => void {
    const count = (more: number) => {
      this.#seeing.set(machine, (this.#seeing.get(machine) ?? 0) + more);
      // Several instruments of a page come and go together: the stream begins anew once for all of them.
      queueMicrotask(() => this.#seeOtherwise());
    };
    count(1);
    let left = false;
    return () => {
      if (!left) count(-1);
      left = true;
    };
  }

  /** Takes a notice off the page. */
  dismiss(id: number): void {
    this.#change({ notices: this.#view.notices.filter((notice) => notice.id !== id) });
  }

  /** What can be done with a VM of this sandbox; undefined while there is none. The same one for as long as the sandbox lives. */
  vm(machine: string): VmControls | undefined {
    const { sandbox } = this.#view;
    if (!sandbox) return undefined;
    const known = this.#vms.get(machine);
    if (known) return known;
    const made = new VmControls({
      ask: (...request) => this.#request(...request),
      sandbox: sandbox.id,
      machine,
    });
    this.#vms.set(machine, made);
    return made;
  }

  /** Ends this page's sandbox, or another of the same learner. */
  async end(id = this.#view.sandbox?.id): Promise<void> {
    if (!id) return;
    try {
      await this.#request(apiPaths.sandbox(id), { method: 'DELETE', within: 20_000 });
      if (id === this.#view.sandbox?.id)
        this.#ended(say(this.#place.name === 'tab' ? 'session.endedTab' : 'session.endedHost'));
      else this.#change({ others: this.#view.others.filter((other) => other.id !== id), problem: null });
    } catch (error) {
      this.#failed(error, this.#view.phase);
    }
  }

  dispose(): void {
    this.#leaving.abort();
    this.#leaveTab();
    this.#events?.close();
    this.#turn?.dispose();
    this.#listeners.clear();
    this.#forgetVms();
  }

  #forgetVms(): void {
    for (const vm of this.#vms.values()) vm.dispose();
    this.#vms.clear();
  }

  #request<T>(path: string, options: RequestOptions = {}): Promise<T> {
    return this.#place.ask<T>(path, { ...options, signal: this.#leaving.signal });
  }

  /** `use`: go there at once if the reader has agreed to it before. */
  async #lookAtTab(use: boolean): Promise<void> {
    const offer = await this.#door.offer().catch((): TabOffer | null => null);
    if (this.#leaving.signal.aborted) return;
    // Whoever agreed before is not asked for a moment and then not.
    if (use && offer?.able && offer.agreed && this.#view.phase === 'alone')
      await this.#enterTab().catch((error: unknown) => this.#failed(error, 'alone'));
    this.#change({ offer });
  }

  async #enterTab(): Promise<void> {
    const tab = await this.#door.open();
    if (this.#leaving.signal.aborted) return;
    this.#leaveTab();
    this.#place = tab;
    this.#tab = tab;
    this.#change({ place: 'tab', problem: null, others: [] });
    const leave = tab.subscribe((state) => this.#change({ tab: state }));
    const leaveWords = tab.hear((said) => this.#change({ said }));
    this.#leaveTab = () => {
      leave();
      leaveWords();
      this.#tab = null;
    };
    await this.#lookThere();
  }

  /** A click may be faster than the first answer, which brings the cookie: without one it is fetched, and asked again. */
  async #create(wanted: Wanted): Promise<Sandbox | Ticket> {
    const ask = () =>
      this.#request<Sandbox | Ticket>(apiPaths.sandboxes, {
        method: 'POST',
        body: wanted,
        within: START_LIMIT_MS,
      });
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof RequestFailed) || error.problem.code !== 'no_session') throw error;
      const status = await this.#request<Status>(apiPaths.status, { within: 5_000 });
      this.#change({ status });
      return await ask();
    }
  }

  async #lookForOthers(): Promise<void> {
    const answer = await this.#request<{ sandboxes: Sandbox[] }>(apiPaths.sandboxes).catch(() => null);
    if (answer) this.#change({ others: answer.sandboxes });
  }

  #wait(ticket: Ticket, more: Partial<SandboxView> = {}): void {
    this.#turn?.dispose();
    this.#enter('waiting', { ticket, ...more });
    this.#turn = new Turn(ticket, {
      ask: (...request) => this.#request(...request),
      listen: (path) => this.#place.listen(path),
      onchange: (now) => void this.#noteTurn(now),
      onlost: () => void this.#askAgain(),
    });
  }

  async #noteTurn(ticket: Ticket): Promise<void> {
    if (ticket.state === 'refused') {
      const problem: Problem = { code: 'failed', message: ticket.reason, retryAt: null };
      return this.#enter('ready', { ticket: null, problem });
    }
    if (ticket.state === 'left') return this.#enter('ready', { ticket: null });
    if (ticket.state !== 'admitted' || ticket.sandbox === null) return this.#change({ ticket });
    const waitedMs = Date.now() - this.#view.since;
    try {
      const sandbox = await this.#request<Sandbox>(apiPaths.sandbox(ticket.sandbox));
      this.#join(sandbox, { rejoined: false, waitedMs });
    } catch (error) {
      this.#failed(error, 'ready');
    }
  }

  /** The server forgot the place: it was started again. Whoever waits does not have to notice. */
  async #askAgain(): Promise<void> {
    const wanted = this.#wanted;
    if (wanted === null) return this.look(); // the page was loaded again meanwhile, and does not know
    try {
      const got = await this.#create(wanted);
      if ('ticket' in got) this.#wait(got);
      else this.#join(got, { rejoined: false, waitedMs: Date.now() - this.#view.since });
    } catch (error) {
      const passing = error instanceof RequestFailed && isPassing(error.problem.code);
      if (!passing || this.#leaving.signal.aborted) return this.#failed(error, 'ready');
      setTimeout(() => !this.#leaving.signal.aborted && void this.#askAgain(), 2_000);
    }
  }

  #join(sandbox: Sandbox, more: Partial<SandboxView>): void {
    const other = sandbox.id !== this.#view.sandbox?.id;
    if (other) this.#forgetVms();
    const known = other ? { seen: {}, notices: [], checks: {}, solves: {} } : {};
    const unmeasured = { stats: {}, measuredAt: 0, expiring: null, problem: null };
    this.#enter('running', { sandbox, ticket: null, ...known, ...unmeasured, ...more });
    this.#follow(sandbox);
  }

  #wantedViews(): string[] {
    const { sandbox } = this.#view;
    const named = sandbox?.machines.map(({ name }) => name) ?? [];
    return named.filter((name) => (this.#seeing.get(name) ?? 0) > 0);
  }

  /** Begins the events anew where others of the host's views are wanted than they bring. */
  #seeOtherwise(): void {
    const { phase, sandbox } = this.#view;
    if (phase !== 'running' || !sandbox || this.#leaving.signal.aborted) return;
    if (this.#wantedViews().join() !== this.#seeingNow) this.#follow(sandbox);
  }

  #follow(sandbox: Sandbox): void {
    const views = this.#wantedViews();
    this.#seeingNow = views.join();
    this.#events?.close();
    const events = this.#place.listen(apiPaths.events(sandbox.id, views));
    this.#events = events;
    events.onopen = () => this.#change({ hearing: true });
    events.onerror = () => {
      this.#change({ hearing: false });
      // EventSource comes back by itself after a broken connection, but not after an answer such as 404.
      if (events.readyState === events.CLOSED) void this.#lookAfter(sandbox.id);
    };
    const on = <E extends SandboxEvent['event']>(
      name: E,
      hear: (data: Extract<SandboxEvent, { event: E }>['data']) => void,
    ) => events.addEventListener(name, (event) => hear(JSON.parse((event as MessageEvent<string>).data)));
    on('machine', (machine) => this.#replace(machine));
    on('stats', ({ at, machines }) => {
      // What failed because nobody answered is no news any more once somebody does.
      const stale = this.#view.problem?.code === 'unreachable' || this.#view.problem?.code === 'too_slow';
      this.#change({ stats: machines, measuredAt: at, ...(stale ? { problem: null } : {}) });
    });
    on('view', (seen) => this.#change({ seen: { ...this.#view.seen, [seen.machine]: seen } }));
    on('notice', (notice) => {
      const notices = [...this.#view.notices, { ...notice, id: this.#noticed++ }];
      this.#change({ notices: notices.slice(-MOST_NOTICES) });
    });
    on('moving', ({ machine, ...figures }) => this.vm(machine)?.hear(figures));
    on('check', (check) => this.#change({ checks: { ...this.#view.checks, [check.step]: check } }));
    on('solve', (solve) => this.#change({ solves: { ...this.#view.solves, [solve.step]: solve } }));
    on('expiring', (expiring) => this.#change({ expiring }));
    on('ended', ({ reason }) => this.#ended(reason));
  }

  /** The events stopped for good: is the sandbox gone, or was it only the server? */
  async #lookAfter(id: string): Promise<void> {
    try {
      this.#join(await this.#request<Sandbox>(apiPaths.sandbox(id)), { rejoined: this.#view.rejoined });
    } catch (error) {
      if (this.#leaving.signal.aborted) return;
      const code = error instanceof RequestFailed ? error.problem.code : 'failed';
      if (code === 'not_found' || code === 'no_session') return this.#ended(say('session.gone'));
      setTimeout(() => !this.#leaving.signal.aborted && void this.#lookAfter(id), 2_000);
    }
  }

  #replace(machine: Machine): void {
    const { sandbox } = this.#view;
    if (!sandbox) return;
    const machines = sandbox.machines.map((known) => (known.name === machine.name ? machine : known));
    // A machine that begins again is as it was: how its steps stood is no more.
    const stands = ([, check]: [string, Check]) => check.machine !== machine.name;
    const checks =
      machine.state === 'starting'
        ? Object.fromEntries(Object.entries(this.#view.checks).filter(stands))
        : this.#view.checks;
    this.#change({ sandbox: { ...sandbox, machines }, checks });
  }

  #ended(reason: string): void {
    this.#events?.close();
    this.#enter('ended', { reason, hearing: false, expiring: null, problem: null });
  }

  #failed(error: unknown, phase: SandboxView['phase']): void {
    if (this.#leaving.signal.aborted) return;
    const problem = problemFrom(error);
    this.#enter(problem.code === 'unreachable' && phase !== 'running' ? 'alone' : phase, { problem });
  }

  #enter(phase: SandboxView['phase'], more: Partial<SandboxView>): void {
    this.#change({ ...more, phase, since: phase === this.#view.phase ? this.#view.since : Date.now() });
  }

  #change(more: Partial<SandboxView>): void {
    this.#view = { ...this.#view, ...more };
    for (const listener of [...this.#listeners]) listener(this.#view);
  }
}

/** What is over in a moment: the server, or its broker, is being started. */
function isPassing(code: Problem['code']): boolean {
  return code === 'unreachable' || code === 'too_slow' || code === 'no_host';
}
