// Asks a Node process about itself, by the inspector's protocol: its heap after the garbage is gone, and where its time
// goes. The process was started with `--inspect=127.0.0.1:0` and has said where it listens.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import WebSocket from 'ws';

type Answer = { id?: number; result?: Record<string, unknown>; error?: { message: string } };

export class Inspector {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #next = 1;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('close', () => {
      const error = { message: 'the process has ended' };
      for (const answer of [...this.#waiting.values()]) answer({ error });
    });
    socket.on('message', (data) => {
      const answer = JSON.parse(String(data)) as Answer;
      if (answer.id !== undefined) this.#waiting.get(answer.id)?.(answer);
    });
  }

  /** `said`: what the process wrote on its standard error. */
  static async connect(said: string): Promise<Inspector> {
    const url = /Debugger listening on (ws:\S+)/.exec(said)?.[1];
    if (!url) throw new Error('the process has not been started with --inspect');
    const socket = new WebSocket(url);
    await once(socket, 'open');
    return new Inspector(socket);
  }

  /** Bytes of live objects, and of what they hold outside of the heap. */
  async memory(): Promise<{ heap: number; outside: number }> {
    // Twice: what the first round finalises is garbage only then.
    for (let round = 0; round < 2; round++) await this.#ask('HeapProfiler.collectGarbage');
    const expression = 'JSON.stringify(process.memoryUsage())';
    const { result } = (await this.#ask('Runtime.evaluate', { expression })) as { result: { value: string } };
    const usage = JSON.parse(result.value) as NodeJS.MemoryUsage;
    return { heap: usage.heapUsed, outside: usage.external };
  }

  async startProfile(): Promise<void> {
    await this.#ask('Profiler.enable');
    await this.#ask('Profiler.start');
  }

  /** Writes what was sampled since `startProfile`, for the browser's developer tools to open. */
  async writeProfile(file: string): Promise<void> {
    const { profile } = await this.#ask('Profiler.stop');
    writeFileSync(file, JSON.stringify(profile));
  }

  close(): void {
    this.#socket.terminate();
  }

  #ask(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) => {
        this.#waiting.delete(id);
        if (error) reject(new Error(`${method}: ${error.message}`));
        else resolve(result ?? {});
      });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }
}
