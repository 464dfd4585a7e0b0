// What is counted and timed, by the names that Prometheus sees. Whoever does the work notes it here in one line.
// docs/operating.md says what to watch.
import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  type GaugeConfiguration,
  Histogram,
  type HistogramConfiguration,
  Registry,
} from 'prom-client';
import type { Machine } from '../protocol/api.ts';

const START_BUCKETS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60];
const ECHO_BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];
const WAIT_BUCKETS = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800];
const REQUEST_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];

/** How a machine began: a container; a VM that booted; one that went on as a copy of a booted one; one taken from those
 * that were made in advance. */
export type Start = 'container' | 'boot' | 'template' | 'pool';

/** Where a machine began. */
type Place = Machine['where']['depth'];

/** A count that is asked for when somebody scrapes, not kept up to date in between. */
export interface Reading {
  labels: Record<string, string>;
  value: number;
}

export class Metrics {
  readonly registry = new Registry();
  /** Bytes and frames of terminals: plain numbers, for they are added to with every frame. */
  readonly terminal = { inputBytes: 0, outputBytes: 0 };
  readonly #sources = new Map<string, () => Iterable<Reading>>();
  readonly #start = this.#histogram({
    name: 'bulkhead_machine_start_seconds',
    help: "From the arrival of a learner's request until the machine could take a terminal.",
    labelNames: ['start', 'place'],
    buckets: START_BUCKETS,
  });
  readonly #prompt = this.#histogram({
    name: 'bulkhead_click_to_prompt_seconds',
    help: "From the arrival of a learner's request until the first byte of its shell was on its way to the page.",
    labelNames: ['start', 'place'],
    buckets: START_BUCKETS,
  });
  readonly #wait = this.#histogram({
    name: 'bulkhead_queue_wait_seconds',
    help: 'How long those who had to wait for room waited, by how it ended: served, left or expired.',
    labelNames: ['outcome'],
    buckets: WAIT_BUCKETS,
  });
  readonly #echo = this.#histogram({
    name: 'bulkhead_terminal_echo_seconds',
    help: 'From a frame of input at the server until the next frame of output of that terminal.',
    buckets: ECHO_BUCKETS,
  });
  readonly #checks = this.#histogram({
    name: 'bulkhead_check_seconds',
    help: 'How long checks of lab steps ran, by how they ended: done, missing, failed or timeout.',
    labelNames: ['outcome'],
    buckets: START_BUCKETS,
  });
  readonly #requests = this.#histogram({
    name: 'bulkhead_http_request_seconds',
    help: 'From the arrival of a request until its answer was sent, by route and status; event streams are not in it.',
    labelNames: ['method', 'route', 'status'],
    buckets: REQUEST_BUCKETS,
  });
  readonly #brokerErrors = new Counter({
    name: 'bulkhead_broker_errors_total',
    help: "Requests to the host's broker that were not granted, by method and error code.",
    labelNames: ['method', 'code'],
    registers: [this.registry],
  });
  readonly #endings = new Counter({
    name: 'bulkhead_machine_ends_total',
    help: 'Machines that ended, by kind and cause; asked: from outside.',
    labelNames: ['kind', 'cause'],
    registers: [this.registry],
  });

  constructor() {
    this.#gauge({
      name: 'bulkhead_build_info',
      help: 'Always 1; its labels say which server this is.',
      labelNames: ['version', 'node'],
    });
    this.#gauge({ name: 'bulkhead_sandboxes', help: 'Sandboxes that live.' });
    this.#gauge({
      name: 'bulkhead_machines',
      help: 'Machines of living sandboxes, by kind, state, and place: on the host or in a VM.',
      labelNames: ['kind', 'state', 'place'],
    });
    this.#gauge({ name: 'bulkhead_terminal_viewers', help: 'Viewers of terminals that are connected.' });
    this.#gauge({ name: 'bulkhead_event_followers', help: "Pages that follow a sandbox's events." });
    this.#gauge({ name: 'bulkhead_queue_length', help: 'Learners who wait for room.' });
    this.#gauge({ name: 'bulkhead_pool_machines', help: 'Machines that are ready for whoever asks next.' });
    this.#gauge({
      name: 'bulkhead_broker_connected',
      help: '1 while the broker of the host answers, else 0: no machine can be made then.',
    });
    const { terminal } = this;
    new Counter({
      name: 'bulkhead_terminal_bytes_total',
      help: 'Bytes of frames between browsers and terminals: input is what browsers sent.',
      labelNames: ['direction'],
      registers: [this.registry],
      collect() {
        this.reset();
        this.inc({ direction: 'input' }, terminal.inputBytes);
        this.inc({ direction: 'output' }, terminal.outputBytes);
      },
    });
    // CPU, memory, open files, event-loop delay, heap and garbage collection, under the names that dashboards know.
    collectDefaultMetrics({ register: this.registry });
  }

  /** Says who is asked for a gauge's readings when somebody scrapes; a later source takes the place of an earlier one. */
  read(gauge: GaugeName, source: () => Iterable<Reading>): void {
    this.#sources.set(gauge, source);
  }

  /** A machine could take a terminal `ms` after the request for it had arrived. */
  noteStart(start: Start, place: Place, ms: number): void {
    this.#start.observe({ start, place }, ms / 1_000);
  }

  /** The first byte of its shell was sent `ms` after the request had arrived. */
  notePrompt(start: Start, place: Place, ms: number): void {
    this.#prompt.observe({ start, place }, ms / 1_000);
  }

  /** Somebody has waited for room. */
  noteWait(outcome: 'served' | 'left' | 'expired', ms: number): void {
    this.#wait.observe({ outcome }, ms / 1_000);
  }

  /** A terminal answered what was typed. */
  noteEcho(ms: number): void {
    this.#echo.observe(ms / 1_000);
  }

  noteCheck(outcome: 'done' | 'missing' | 'failed' | 'timeout', ms: number): void {
    this.#checks.observe({ outcome }, ms / 1_000);
  }

  /** `route`: as it was registered, with its parameters' names; never an address that somebody made up. */
  noteRequest(method: string, route: string, status: number, ms: number): void {
    this.#requests.observe({ method, route, status }, ms / 1_000);
  }

  noteBrokerError(method: string, code: string): void {
    this.#brokerErrors.inc({ method, code });
  }

  noteEnd(kind: 'container' | 'vm', cause: string): void {
    this.#endings.inc({ kind, cause });
  }

  #histogram<L extends string>(of: HistogramConfiguration<L>): Histogram<L> {
    return new Histogram({ ...of, registers: [this.registry] });
  }

  #gauge(of: GaugeConfiguration<string>): void {
    const sources = this.#sources;
    new Gauge({
      ...of,
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { labels, value } of sources.get(of.name)?.() ?? []) this.inc(labels, value);
      },
    });
  }
}

export type GaugeName =
  | 'bulkhead_build_info'
  | 'bulkhead_sandboxes'
  | 'bulkhead_machines'
  | 'bulkhead_terminal_viewers'
  | 'bulkhead_event_followers'
  | 'bulkhead_queue_length'
  | 'bulkhead_pool_machines'
  | 'bulkhead_broker_connected';

/** Those of this process. One for all, as the event loop and the heap are, so that a line deep inside can note what it
 * did without being handed something for it. */
export const metrics = new Metrics();
