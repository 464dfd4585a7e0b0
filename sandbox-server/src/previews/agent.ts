// Connections to programs in machines, for node:http: each is dialled, and kept for a moment for the next request.
import { Agent, type ClientRequest, type ClientRequestArgs } from 'node:http';
import type { Duplex } from 'node:stream';
import type { LearnerMachine } from '../machines/machine.ts';
import { DialledStream } from '../machines/stream.ts';

/** To one port at once; a browser opens six. */
const MOST_SOCKETS = 12;
const MOST_FREE = 6;
/** Servers keep an idle connection for five seconds or more. */
const IDLE_MS = 4_000;

/** Where a request goes. */
export interface Destination extends ClientRequestArgs {
  machine: LearnerMachine;
  inside: number;
}

type Dialled = (error: Error | null, stream: Duplex) => void;

/** Dials for one request that no agent looks after. */
export function dialFor(options: ClientRequestArgs, dialled: Dialled): undefined {
  const { machine, inside } = options as Destination;
  machine.dial(inside).then(
    (stream) => dialled(null, new DialledStream(stream)),
    // There is none to give with an error, whatever the types of Node ask for.
    (error: Error) => (dialled as (error: Error) => void)(error),
  );
}

export class PreviewAgent extends Agent {
  readonly #idle = new WeakMap<Duplex, NodeJS.Timeout>();

  constructor() {
    super({ keepAlive: true, maxSockets: MOST_SOCKETS, maxFreeSockets: MOST_FREE });
  }

  override getName(options: ClientRequestArgs): string {
    const { machine, inside } = options as Destination;
    return `${machine.id}:${inside}`;
  }

  override createConnection(options: ClientRequestArgs, dialled?: Dialled): undefined {
    if (dialled) dialFor(options, dialled);
  }

  override keepSocketAlive(stream: Duplex): boolean {
    const timer = setTimeout(() => stream.destroy(), IDLE_MS);
    timer.unref();
    this.#idle.set(stream, timer);
    return true;
  }

  override reuseSocket(stream: Duplex, request: ClientRequest): void {
    clearTimeout(this.#idle.get(stream));
    super.reuseSocket(stream, request);
  }
}
