// Where a recording is played, and how fast: what to print when, and from the start where somebody goes back. It knows no UI.
import { type Cast, durationOf } from './asciicast.ts';

export interface PlaybackState {
  playing: boolean;
  /** Seconds of the recording. */
  position: number;
  duration: number;
  ended: boolean;
}

export interface PlaybackOptions {
  cast: Cast;
  print: (text: string) => void;
  /** Empties the screen. */
  clear: () => void;
  onchange: (state: PlaybackState) => void;
  /** Seconds of any clock. */
  now: () => number;
  /** Calls back a little later, again and again if it is asked to. */
  tick: (callback: () => void) => void;
}

export class Playback {
  readonly #options: PlaybackOptions;
  readonly #duration: number;
  #speed = 1;
  #playing = false;
  #position = 0;
  /** How many events have been printed. */
  #printed = 0;
  #since = 0;

  constructor(options: PlaybackOptions) {
    this.#options = options;
    this.#duration = durationOf(options.cast);
  }

  get state(): PlaybackState {
    return {
      playing: this.#playing,
      position: this.#position,
      duration: this.#duration,
      ended: this.#position >= this.#duration,
    };
  }

  play(): void {
    if (this.#playing) return;
    if (this.#position >= this.#duration) this.seek(0);
    this.#playing = true;
    this.#since = this.#options.now();
    this.#tell();
    this.#options.tick(() => this.#step());
  }

  pause(): void {
    if (!this.#playing) return;
    this.#advance();
    this.#playing = false;
    this.#tell();
  }

  /** Goes to a second of the recording. */
  seek(to: number): void {
    const position = Math.max(0, Math.min(this.#duration, to));
    if (position < this.#position) {
      this.#options.clear();
      this.#printed = 0;
    }
    this.#position = position;
    this.#since = this.#options.now();
    this.#print();
    this.#tell();
  }

  set speed(speed: number) {
    if (this.#playing) this.#advance();
    this.#speed = speed;
  }

  #step(): void {
    if (!this.#playing) return;
    this.#advance();
    if (this.#position >= this.#duration) this.#playing = false;
    this.#tell();
    if (this.#playing) this.#options.tick(() => this.#step());
  }

  #advance(): void {
    const now = this.#options.now();
    this.#position = Math.min(this.#duration, this.#position + (now - this.#since) * this.#speed);
    this.#since = now;
    this.#print();
  }

  #print(): void {
    const { events } = this.#options.cast;
    let text = '';
    for (let next = events[this.#printed]; next && next[0] <= this.#position; next = events[this.#printed]) {
      text += next[1];
      this.#printed++;
    }
    if (text) this.#options.print(text);
  }

  #tell(): void {
    this.#options.onchange(this.state);
  }
}
