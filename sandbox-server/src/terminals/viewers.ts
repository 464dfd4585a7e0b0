// All viewers of all terminals: counted, asked now and then whether they are still there, and sent home when the server stops.
import type { WebSocket } from 'ws';
import { attachClose } from '../protocol/addresses.ts';
import type { ByteDuplex } from '../protocol/bytes.ts';
import { closeWith, Viewer, type ViewerOptions } from './viewer.ts';

const PING_INTERVAL_MS = 20_000;
/** Viewers of one terminal: its learner's tabs, an instructor, a screen on the wall. */
const MOST_VIEWERS = 16;

export class Viewers {
  readonly #viewers = new Set<Viewer>();
  readonly #byTerminal = new Map<string, Set<Viewer>>();
  readonly #pinger: NodeJS.Timeout;

  constructor() {
    this.#pinger = setInterval(() => {
      for (const viewer of this.#viewers) viewer.ping();
    }, PING_INTERVAL_MS);
    this.#pinger.unref();
  }

  get count(): number {
    return this.#viewers.size;
  }

  /** Joins a browser and an attach stream. `terminal` is any key that is the same for all viewers of a terminal. */
  join(
    terminal: string,
    socket: WebSocket,
    stream: ByteDuplex,
    options: Omit<ViewerOptions, 'onLeave'>,
  ): void {
    const company = this.#byTerminal.get(terminal) ?? new Set();
    if (company.size >= MOST_VIEWERS) {
      stream.close('the terminal has enough viewers');
      closeWith(socket, attachClose.tooMany, `a terminal has at most ${MOST_VIEWERS} viewers`);
      return;
    }
    const viewer = new Viewer(socket, stream, {
      ...options,
      onLeave: () => {
        this.#viewers.delete(viewer);
        company.delete(viewer);
        if (company.size === 0) this.#byTerminal.delete(terminal);
        else introduce(company);
      },
    });
    this.#viewers.add(viewer);
    this.#byTerminal.set(terminal, company.add(viewer));
    introduce(company);
  }

  /** Somebody's rights have changed: whoever may not stay is sent away. */
  review(): void {
    for (const viewer of this.#viewers) viewer.review();
  }

  /** The server stops: every page is told to come back. */
  close(): void {
    clearInterval(this.#pinger);
    for (const viewer of this.#viewers) viewer.close(attachClose.serverStops, 'the server stops; come back');
  }
}

/** Tells all viewers of a terminal who they are. */
function introduce(company: ReadonlySet<Viewer>): void {
  for (const viewer of company) {
    viewer.tell([...company].map((other) => ({ ...other.who, you: other === viewer })));
  }
}
