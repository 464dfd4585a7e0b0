// A machine of a learner: the store behind everything that is shown of it, and what can be done with it. What differs
// between kinds is in container.ts and vm.ts.
import type { Logger } from 'pino';
import { BrokerError } from '../broker/client.ts';
import type { Host } from '../broker/host.ts';
import { Listeners } from '../listeners.ts';
import type { Metrics, Start } from '../metrics/metrics.ts';
import { messageOf, Problem } from '../problem.ts';
import type {
  HostView,
  Machine,
  MachineEnd,
  MachineFacts,
  MachineStats,
  MoveFigures,
  Notice,
  RestartMachine,
} from '../protocol/api.ts';
import type { BrokerEvent, BrokerResult, MachineRecord } from '../protocol/broker.ts';
import { type ByteDuplex, untilClosed } from '../protocol/bytes.ts';
import { quiet } from '../quiet.ts';
import { readFacts } from './facts.ts';
import { readLabels } from './labels.ts';
import { NoticeWatch } from './notices.ts';
import type { MachinePlan } from './placement.ts';
import { FROZEN, planOfView, reasonOfEnd } from './shown.ts';
import { type KernelToAsk, StatsMeter } from './stats.ts';
import { Stopwatch } from './stopwatch.ts';
import { readView } from './view.ts';

/** Ending a machine waits for its last process, mount and cgroup. */
const DELETE_TIMEOUT_MS = 60_000;

/** The broker gives up after 15 s, on an emulated processor after 60, and then says why. */
const TERMINAL_TIMEOUT_MS = 70_000;

const FACTS_DELAY_MS = 200;
/** Commands and file requests of one machine at once. */
const MOST_WORK = 4;
const CHECK_OUTPUT_MAX = 65_536;
/** What the broker and, in a VM, an emulated processor take besides. */
const CHECK_GRACE_MS = 20_000;
/** Connections that were dialled into one machine, at once; its broker allows a few more. */
const MOST_STREAMS = 24;
/** QEMU answers in milliseconds; a control group of processes that are being born may take a second. */
const FREEZE_TIMEOUT_MS = 20_000;
const usualTerminal = { columns: 80, rows: 24 };

/** What every machine needs to know about its surroundings. */
export interface MachineContext {
  /** The host on which it is made. */
  broker: Host;
  /** The broker's name for it. */
  id: string;
  /** What the broker is to remember with it, so that a server started again finds it. */
  labels: Record<string, string>;
  log: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Where beginnings and ends are counted; nobody counts them in a reader's tab. */
  metrics?: Pick<Metrics, 'noteEnd' | 'noteStart' | 'notePrompt'>;
}

export abstract class LearnerMachine {
  /** Told the whole view after every change. */
  readonly changes = new Listeners<Machine>();
  /** Told how far it is while it is moved or saved. */
  readonly movings = new Listeners<MoveFigures>();
  /** Told what befalls it; what only its figures tell, while somebody asks for those. */
  readonly notices = new Listeners<Notice>();
  protected readonly context: MachineContext;
  #view: Machine;
  #ending: Promise<void> | null = null;
  #closed = false;
  #working = 0;
  #dialled = 0;
  /** How it was made; null when an earlier run of the server made it. */
  #plan: MachinePlan | null = null;
  #watch: Stopwatch | null = null;
  readonly #meter = new StatsMeter();
  #noticing: NoticeWatch;
  #looking: Promise<HostView> | null = null;

  constructor(context: MachineContext, view: Machine) {
    this.context = context;
    this.#view = view;
    this.#noticing = new NoticeWatch(view.name, view.state === 'starting');
  }

  /** Makes it and, where the plan has one, opens its first terminal. A container runs when this resolves, and it rejects
   * with BrokerError when it cannot be made (call `end` then); a VM starts and boots afterwards. */
  create(plan: MachinePlan, watch: Stopwatch): Promise<void> {
    this.#plan = plan;
    return this.begin(plan, watch, false);
  }

  /** It was made before anybody asked for it, and is now somebody's: `labels` say whose. `plan` is that of the request, of
   * the same sort as the one that it was made by. Rejects with BrokerError. */
  async handOver(plan: MachinePlan, labels: Record<string, string>, zero: number): Promise<void> {
    await this.label(labels);
    this.#plan = plan;
    const watch = Stopwatch.ofPooled(this.#watch ?? new Stopwatch(zero), zero);
    watch.ready();
    if (plan.terminal) watch.terminal();
    this.#watch = watch;
    const { needs, carrier, where, why } = plan;
    // What it stands on was learned when it was made.
    this.update({ needs, carrier, where: { ...this.#view.where, ...where }, why, measures: watch.measures });
    this.#noteTime('ready');
  }

  /** It was made elsewhere; `watch` tells how. To be called before `handOver`. */
  protected noteMaking(watch: Stopwatch): void {
    this.#watch = watch;
  }

  /** Has the broker remember other labels with it. Rejects with BrokerError. */
  async label(labels: Record<string, string>): Promise<void> {
    await this.context.broker.request('machine.label', { machine: this.id, labels });
    this.context.labels = labels;
  }

  /** Takes over a machine that an earlier run of the server made. */
  abstract adopt(record: MachineRecord): Promise<void>;

  /** The VM of its sandbox in which it runs; null for one on the host. */
  get home(): LearnerMachine | null {
    return null;
  }

  /** Whether its terminals have gone back in time, so that what their viewers have may not have happened. */
  get wentBack(): boolean {
    return false;
  }

  /** Where its programs run: the broker that opens its terminals, and the machine's name there. */
  protected abstract get inside(): { host: Host; machine: string };

  /** A VM's own kernel, while it answers; a container shares its host's. */
  protected get kernel(): KernelToAsk | 'shared' | null {
    return 'shared';
  }

  /** The machine as the API shows it. */
  get view(): Machine {
    return this.#view;
  }

  get id(): string {
    return this.context.id;
  }

  /** How a VM began; null for a container. */
  get start(): MachinePlan['start'] {
    return this.#plan?.start ?? readLabels(this.context.labels)?.start ?? null;
  }

  get ending(): boolean {
    return this.#ending !== null;
  }

  /** Opens a terminal. Throws Problem `conflict` unless it runs. */
  async openTerminal(size: { columns: number; rows: number }): Promise<string> {
    this.#mustBeOpen();
    this.#mustRun('it takes no terminal now');
    const terminal = await this.#openTerminal(size).catch(async (error: unknown) => {
      const full = error instanceof BrokerError && error.code === 'limit';
      if (!full) throw error;
      await this.#closeExited();
      return this.#openTerminal(size);
    });
    this.update({ terminals: [...this.#view.terminals, { terminal, state: 'running' }] });
    return terminal;
  }

  /** Its learner may not enter it from now on, only what runs in it: what is checked there is to be believed. */
  closeToLearner(): void {
    this.#closed = true;
  }

  /** Whether its learner is root of the kernel under it, and so of whatever looks at it from there. */
  get kernelIsLearners(): boolean {
    if (this.#view.kind === 'vm') return true;
    return this.home !== null && !this.home.#closed;
  }

  /** Runs a check beside it (decision 007). Rejects with BrokerError, or Problem `conflict` unless it runs. */
  check(script: string, timeoutMs: number): Promise<BrokerResult<'check'>> {
    this.#mustRun('nothing can be checked in it now');
    const { host, machine } = this.inside;
    const params = { machine, script, timeout_ms: timeoutMs, max_output_bytes: CHECK_OUTPUT_MAX };
    return host.request('check', params, { timeoutMs: timeoutMs + CHECK_GRACE_MS });
  }

  /** The attach stream of one of its terminals. */
  attach(terminal: string): Promise<ByteDuplex> {
    this.#mustBeOpen();
    const { host, machine } = this.inside;
    return host.attach(machine, terminal);
  }

  /** Does something with its programs or files: a few at a time, so that one machine cannot keep the broker from others.
   * Throws Problem `conflict` unless it runs, `rate` when as much is being done already. */
  async work<T>(what: (host: Host, machine: string) => Promise<T>): Promise<T> {
    const { name } = this.#view;
    this.#mustBeOpen();
    this.#mustRun('nothing can be done in it now');
    if (this.#working >= MOST_WORK) {
      throw new Problem('rate', `${MOST_WORK} things are being done in ${name} already: wait for one.`);
    }
    this.#working++;
    try {
      const { host, machine } = this.inside;
      return await what(host, machine);
    } finally {
      this.#working--;
    }
  }

  /** A connection to a port on its own loopback. Throws Problem `conflict` unless it runs, `rate` when it has as many
   * as it may have, `not_found` when nothing listens there. */
  async dial(port: number): Promise<ByteDuplex> {
    const { name, state } = this.#view;
    if (state !== 'running') throw new Problem('conflict', `${name} is ${state}: nothing answers in it now.`);
    if (this.#dialled >= MOST_STREAMS) {
      throw new Problem('rate', `${name} has ${MOST_STREAMS} connections open already: close one.`);
    }
    this.#dialled++;
    const over = () => {
      this.#dialled--;
    };
    try {
      const { host, machine } = this.inside;
      return untilClosed(await host.dial(machine, port), over);
    } catch (error) {
      over();
      throw error;
    }
  }

  /** Has it stand still with all it has in memory; what it serves answers no more until `thaw`. Throws Problem
   * `conflict` unless it runs. */
  async freeze(): Promise<void> {
    const { name, state } = this.#view;
    if (state === 'frozen') return;
    if (state !== 'running')
      throw new Problem('conflict', `${name} is ${state}: only what runs can be frozen.`);
    await this.context.broker.request(
      'machine.freeze',
      { machine: this.id },
      { timeoutMs: FREEZE_TIMEOUT_MS },
    );
    this.noteFrozen(FROZEN);
  }

  /** Has it go on where it was; resolves when it runs. Throws Problem `conflict` unless it is frozen, or runs. */
  async thaw(): Promise<void> {
    const { name, state } = this.#view;
    if (state === 'running') return;
    if (state !== 'frozen')
      throw new Problem('conflict', `${name} is ${state}: only what is frozen can be thawed.`);
    await this.context.broker.request('machine.thaw', { machine: this.id }, { timeoutMs: FREEZE_TIMEOUT_MS });
    await this.goOnAfterThaw();
  }

  /** It was thawed. */
  protected async goOnAfterThaw(): Promise<void> {
    this.update({ state: 'running', reason: null });
  }

  /** It stands still, for this reason. */
  protected noteFrozen(reason: string): void {
    if (this.#view.state === 'running') this.update({ state: 'frozen', reason });
  }

  /** What it uses now. */
  async stats(): Promise<MachineStats> {
    const { kernel } = this;
    const stats = await this.#meter.read({ host: this.context.broker, machine: this.id }, kernel);
    const told = this.#noticing.look(stats, kernel !== 'shared', Date.now());
    for (const notice of told) if (this.isNews(notice)) this.notices.emit(notice);
    return stats;
  }

  /** Whether a learner is to be told of it. */
  protected isNews(_notice: Notice): boolean {
    return true;
  }

  /** Its processes as the kernel under it sees them and, of a VM, as its own does. Rejects with BrokerError. */
  hostView(): Promise<HostView> {
    const { kernel } = this;
    const inside = kernel === 'shared' ? null : kernel;
    // One look serves all who want one now: each is a process of the broker's.
    this.#looking ??= readView({ host: this.context.broker, machine: this.id }, inside).finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  /** Ends it; resolves when nothing of it is left on the host. Safe to call twice. */
  end(): Promise<void> {
    this.#ending ??= this.#end().catch((error: unknown) => {
      this.#ending = null; // so that it can be tried again
      throw error;
    });
    return this.#ending;
  }

  /** Begins it again in its place, whether it runs or has ended; a first terminal is opened. A container runs when this
   * resolves; a VM has started. Throws Problem `conflict` while it is being made, restarted or ended. `zero`:
   * performance.now() when the request arrived. */
  async restart(wanted: RestartMachine, zero: number): Promise<void> {
    const { name, state, end } = this.#view;
    if (this.ending) throw new Problem('conflict', `${name} is being ended: there is nothing to restart.`);
    if (state === 'starting' || state === 'booting') {
      throw new Problem('conflict', `${name} is ${state} already: wait until it runs, or end the sandbox.`);
    }
    const plan = this.#planAgain(wanted);
    const before = this.#view;
    this.noteExit('It is being restarted.', { cause: 'asked' });
    this.#noticing = new NoticeWatch(name, true);
    const forgotten = { reason: null, end: null, facts: null, measures: null, hostPid: null, terminals: [] };
    this.update({ ...forgotten, state: 'starting' });
    try {
      await this.begin(plan, new Stopwatch(zero), true);
    } catch (error) {
      // It was not touched: it is being moved, or the host cannot be reached.
      const untouched =
        error instanceof BrokerError && (error.code === 'exists' || error.code === 'unavailable');
      const reason = `It was not started again: ${messageOf(error)}.`;
      this.update(untouched ? before : { state: 'failed', reason, end });
      if (untouched) this.goOn();
      throw error;
    }
  }

  /** It runs on, though it was to begin again. */
  protected goOn(): void {}

  /** Makes it, or makes it anew in its place. */
  protected abstract begin(plan: MachinePlan, watch: Stopwatch, again: boolean): Promise<void>;

  /** The broker says it is gone, or does not know it any more. */
  noteExit(reason: string, how: Partial<MachineEnd> = {}): void {
    if (this.#view.state === 'ended' || this.#view.state === 'failed') return;
    const terminals = this.#view.terminals.map(({ terminal }) => ({ terminal, state: 'exited' as const }));
    const end = { cause: 'lost' as const, at: Date.now(), containers: 0, console: [], ...how };
    const text = reasonOfEnd(reason, end);
    this.update({ state: 'ended', reason: text, end, terminals });
    const { cause, at } = end;
    this.context.metrics?.noteEnd(this.#view.kind, cause);
    const kind = cause === 'panic' || cause === 'oom' ? cause : 'exit';
    // Whoever asked for it knows.
    if (cause !== 'asked') this.notices.emit({ at, kind, by: 'host', count: null, text });
  }

  /** It has moved: what it used there is no measure for what it uses here. */
  protected noteMoved(text: string): void {
    this.#noticing = new NoticeWatch(this.#view.name, false);
    this.notices.emit({ at: Date.now(), kind: 'migrated', by: 'host', count: null, text });
  }

  /** The first byte of a terminal is on its way to a page. */
  noteOutput(terminal: string): void {
    if (terminal !== this.#view.terminals[0]?.terminal) return;
    if (!this.#watch?.prompt()) return;
    this.update({ measures: this.#watch.measures });
    this.#noteTime('prompt');
  }

  /** Takes an event of the broker that opens its terminals. */
  protected noteTerminal(event: BrokerEvent): void {
    if (event.event !== 'terminal.exited' || event.machine !== this.inside.machine) return;
    // A guest can tell it a thousand times a second, of terminals that there are not.
    const { terminals } = this.#view;
    if (!terminals.some((one) => one.terminal === event.terminal && one.state === 'running')) return;
    this.update({
      terminals: this.#view.terminals.map((one) =>
        one.terminal === event.terminal ? { ...one, state: 'exited' } : one,
      ),
    });
  }

  /** Runs before the broker is told to delete it. */
  protected async beforeEnd(): Promise<void> {}

  /** Has the broker delete it; resolves when nothing of it is left. */
  protected async remove(): Promise<void> {
    try {
      const wait = { timeoutMs: DELETE_TIMEOUT_MS };
      await this.context.broker.request('machine.delete', { machine: this.id }, wait);
    } catch (error) {
      if (!(error instanceof BrokerError && error.code === 'not_found')) throw error;
    }
  }

  protected update(changed: Partial<Machine>): void {
    this.#view = { ...this.#view, ...changed };
    this.changes.emit(this.#view);
  }

  /** The machine can take terminals: opens the first, if one is wanted, and tells everybody. */
  protected async becomeReady(plan: MachinePlan, watch: Stopwatch): Promise<void> {
    watch.ready();
    this.#watch = watch;
    this.#noteTime('ready');
    const { host, machine } = this.inside;
    let terminals = this.#view.terminals;
    if (plan.terminal) {
      const size = plan.terminal;
      const { terminal } = await watch.step('server', 'open terminal', '', () =>
        host.request('terminal.open', { machine, ...size }, { timeoutMs: TERMINAL_TIMEOUT_MS }),
      );
      watch.terminal();
      terminals = [{ terminal, state: 'running' }];
    }
    this.update({ state: 'running', reason: null, terminals, measures: watch.measures });
    // Not now: it would take the processor from the shell whose prompt somebody is waiting for.
    quiet(setTimeout(() => void this.learnFacts(), FACTS_DELAY_MS));
  }

  /** Not worth failing for: a machine without its facts is a machine all the same. */
  protected async learnFacts(): Promise<void> {
    if (this.ending || this.#view.state !== 'running') return;
    try {
      this.update({ facts: await this.askFacts() });
    } catch (error) {
      if (this.ending) return;
      const reason = messageOf(error);
      this.context.log.warn({ machine: this.id, reason }, 'cannot read the facts of a machine');
    }
  }

  /** What its programs are told. Rejects with BrokerError, or Error. */
  protected askFacts(): Promise<MachineFacts> {
    const { host, machine } = this.inside;
    return readFacts(host, machine);
  }

  #noteTime(of: 'ready' | 'prompt'): void {
    if (this.context.labels.pool !== undefined) return; // nobody has asked for it yet
    const { readyMs, promptMs, pooledAt } = this.#watch?.measures ?? {};
    const made: Start = this.#view.kind === 'container' ? 'container' : (this.#plan?.start ?? 'boot');
    const start = typeof pooledAt === 'number' ? 'pool' : made;
    const place = this.#view.where.depth;
    if (of === 'ready') this.context.metrics?.noteStart(start, place, readyMs ?? 0);
    else this.context.metrics?.notePrompt(start, place, promptMs ?? 0);
  }

  #planAgain({ start, columns, rows }: RestartMachine): MachinePlan {
    const { kind, name } = this.#view;
    if (start && kind === 'container') {
      throw new Problem('bad_request', `${name} is a container: it has nothing to boot.`, { field: 'start' });
    }
    if ((columns === undefined) !== (rows === undefined)) {
      const field = columns === undefined ? 'columns' : 'rows';
      throw new Problem('bad_request', 'A terminal needs both columns and rows.', { field });
    }
    const plan = this.#plan ?? planOfView(this.#view, this.start);
    const size = columns === undefined || rows === undefined ? plan.terminal : { columns, rows };
    return { ...plan, start: start ?? plan.start, terminal: size ?? usualTerminal };
  }

  async #openTerminal(size: { columns: number; rows: number }): Promise<string> {
    const { host, machine } = this.inside;
    const wait = { timeoutMs: TERMINAL_TIMEOUT_MS };
    return (await host.request('terminal.open', { machine, ...size }, wait)).terminal;
  }

  /** A terminal whose program ended is kept, so that its last screen can be seen again, until its place is needed.
   * Throws Problem `quota` when every program lives. */
  async #closeExited(): Promise<void> {
    const oldest = this.#view.terminals.find(({ state }) => state === 'exited');
    if (!oldest) {
      const count = this.#view.terminals.length;
      const message = `${this.#view.name} has ${count} terminals, as many as a machine may have: end one first.`;
      throw new Problem('quota', message);
    }
    const { host, machine } = this.inside;
    await host.request('terminal.close', { machine, terminal: oldest.terminal });
    this.update({ terminals: this.#view.terminals.filter((one) => one !== oldest) });
  }

  #mustRun(so: string): void {
    const { name, state } = this.#view;
    if (state !== 'running') throw new Problem('conflict', `${name} is ${state}: ${so}.`);
  }

  #mustBeOpen(): void {
    if (!this.#closed) return;
    const message = `${this.#view.name} only carries a machine of this lab; it is not entered.`;
    throw new Problem('forbidden', message);
  }

  async #end(): Promise<void> {
    await this.beforeEnd();
    await this.remove();
    this.noteExit('It was ended.', { cause: 'asked' });
  }
}

/** The answer, or that of `instead` when the broker knows no such machine. */
export function orIfGone<T>(answer: Promise<T>, instead: () => Promise<T>): Promise<T> {
  return answer.catch((error: unknown) => {
    if (error instanceof BrokerError && error.code === 'not_found') return instead();
    throw error;
  });
}
