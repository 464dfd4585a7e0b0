// A guest may write to its link as fast as its port takes it, and everybody's terminals pass through this one thread. So
// each link has the thread for a while, then rests for longer: what it has written meanwhile waits in its own QEMU.
import type { ByteDuplex, ByteHandlers } from '../protocol/bytes.ts';

/** Milliseconds of work that a link may be ahead with: what an honest one never is. */
const AHEAD_MS = 5;
/** All busy links together have the thread for one part in so many. */
const SHARES = 4;
/** Bytes handed on at once: at its costliest a guest's byte takes a microsecond or two. */
const PIECE = 4_096;

/** No single piece of work is held against a link for longer than this: the longest rest is a few tenths of a second. */
const DEBT_MAX_MS = 100;

/** Two clocks, in milliseconds. */
export interface Clocks {
  /** What rest is counted in. */
  now(): number;
  /** What work is counted in: the thread's own time, since on a busy host it may stand still in the middle of its work. */
  worked(): number;
}

const clocks: Clocks = {
  now: () => performance.now(),
  worked: () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1_000;
  },
};

/** How many streams want more of the thread than they have now; what one may use is divided by their number. */
export class Crowd {
  #waiting = 0;

  get size(): number {
    return Math.max(this.#waiting, 1);
  }

  enter(): () => void {
    this.#waiting++;
    return () => {
      this.#waiting--;
    };
  }
}

const everyone = new Crowd();

/** The same stream, whose bytes take no more of this thread's time than is their share. */
export class FairStream implements ByteDuplex {
  readonly #stream: ByteDuplex;
  readonly #crowd: Crowd;
  readonly #clocks: Clocks;
  #handlers: ByteHandlers | null = null;
  #waiting: Uint8Array[] = [];
  /** Milliseconds of work not paid for by rest. */
  #debt = 0;
  #paidAt: number;
  #rest: { timer: NodeJS.Timeout; leave: () => void } | null = null;
  #paused = false;
  #over = false;

  /** `crowd`: those that share. */
  constructor(stream: ByteDuplex, crowd: Crowd = everyone, of: Clocks = clocks) {
    this.#stream = stream;
    this.#crowd = crowd;
    this.#clocks = of;
    this.#paidAt = of.now();
  }

  open(handlers: ByteHandlers): void {
    this.#handlers = handlers;
    this.#stream.open({
      data: (bytes) => {
        this.#waiting.push(bytes);
        this.#work();
      },
      drained: () => handlers.drained?.(),
      closed: (reason) => this.#end(reason),
    });
  }

  write(bytes: Uint8Array): boolean {
    return this.#stream.write(bytes);
  }

  pause(): void {
    this.#paused = true;
    this.#stream.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#work();
  }

  close(reason: string): void {
    this.#over = true; // whoever closes wants nothing more
    this.#stream.close(reason);
  }

  /** Hands on what waits until it is all gone or the share is used up. */
  #work(): void {
    while (!this.#paused && !this.#rest && !this.#over) {
      const piece = this.#next();
      if (!piece) {
        this.#stream.resume();
        return;
      }
      const now = this.#clocks.now();
      this.#debt = Math.max(0, this.#debt - (now - this.#paidAt) / (SHARES * this.#crowd.size));
      this.#paidAt = now;
      const began = this.#clocks.worked();
      this.#handlers?.data(piece);
      this.#debt = Math.min(this.#debt + this.#clocks.worked() - began, DEBT_MAX_MS);
      if (this.#debt > AHEAD_MS) this.#sleep();
    }
  }

  #next(): Uint8Array | undefined {
    const first = this.#waiting[0];
    if (!first || first.length <= PIECE) return this.#waiting.shift();
    this.#waiting[0] = first.subarray(PIECE);
    return first.subarray(0, PIECE);
  }

  #sleep(): void {
    this.#stream.pause();
    const leave = this.#crowd.enter();
    const timer = setTimeout(
      () => {
        this.#wake();
        this.#work();
      },
      this.#debt * SHARES * this.#crowd.size,
    );
    this.#rest = { timer, leave };
  }

  #wake(): void {
    if (!this.#rest) return;
    clearTimeout(this.#rest.timer);
    this.#rest.leave();
    this.#rest = null;
  }

  /** What the peer sent before it went is the owner's all the same; it is no more than a socket holds. */
  #end(reason: string): void {
    this.#wake();
    if (!this.#over) for (const bytes of this.#waiting) this.#handlers?.data(bytes);
    this.#waiting = [];
    this.#over = true;
    this.#handlers?.closed(reason);
  }
}
