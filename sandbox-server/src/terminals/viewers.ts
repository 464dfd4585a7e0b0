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
  readonly #byTerminal = new Map<string, number>();
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
    const viewers = this.#byTerminal.get(terminal) ?? 0;
    if (viewers >= MOST_VIEWERS) {
      stream.close('the terminal has enough viewers');
      closeWith(socket, attachClose.tooMany, `a terminal has at most ${MOST_VIEWERS} viewers`);
      return;
    }
    this.#byTerminal.set(terminal, viewers + 1);
    const viewer = new Viewer(socket, stream, {
      ...options,
      onLeave: () => {
        this.#viewers.delete(viewer);
        const left = (this.#byTerminal.get(terminal) ?? 1) - 1;
        if (left > 0) this.#byTerminal.set(terminal, left);
        else this.#byTerminal.delete(terminal);
      },
    });
    this.#viewers.add(viewer);
  }

  /** The server stops: every page is told to come back. */
  close(): void {
    clearInterval(this.#pinger);
    for (const viewer of this.#viewers) viewer.close(attachClose.serverStops, 'the server stops; come back');
  }
}
