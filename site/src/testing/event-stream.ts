// Server-sent events for tests that run in Node, where there is no EventSource.
import type { EventsLike } from '../components/sandbox/place.ts';

/** As much of a browser's EventSource as a session uses, over fetch. */
export class EventStream implements EventsLike {
  readonly CLOSED = 2;
  readyState = 0;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readonly #leave = new AbortController();
  readonly #events = new EventTarget();

  constructor(path: string) {
    void this.#read(path).catch(() => {
      if (!this.#leave.signal.aborted) this.onerror?.();
    });
  }

  addEventListener(event: string, listener: (event: MessageEvent<string>) => void): void {
    this.#events.addEventListener(event, (heard) => listener(heard as MessageEvent<string>));
  }

  close(): void {
    this.readyState = 2;
    this.#leave.abort();
  }

  async #read(path: string): Promise<void> {
    const response = await fetch(path, { signal: this.#leave.signal });
    if (!response.ok || !response.body) {
      this.readyState = 2;
      this.onerror?.();
      return;
    }
    this.readyState = 1;
    this.onopen?.();
    let rest = '';
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + text).split('\n\n');
      rest = parts.pop() ?? '';
      for (const part of parts) {
        const [, event = '', data = ''] = /^event: (.*)\ndata: (.*)$/.exec(part) ?? [];
        this.#events.dispatchEvent(new MessageEvent(event, { data }));
      }
    }
    this.onerror?.();
  }
}
