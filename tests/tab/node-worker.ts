// The worker of a page without a browser: the same emulator, in this process, that says what site/src/tab/worker.ts says.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Emulator } from '../../site/src/tab/emulator.ts';
import type { TabImage } from '../../site/src/tab/image.ts';
import type { FromWorker, ToWorker } from '../../site/src/tab/messages.ts';
import { PieceDisk } from '../../site/src/tab/piece-disk.ts';
import type { WorkerLike } from '../../site/src/tab/tab-machine.ts';
import { readPiece, readState } from './place.ts';

const wasm = WebAssembly.compile(
  readFileSync(join(dirname(createRequire(import.meta.url).resolve('v86')), 'v86.wasm')),
);

export class NodeWorker implements WorkerLike {
  onmessage: WorkerLike['onmessage'] = null;
  onerror: WorkerLike['onerror'] = null;
  readonly #image: TabImage;
  /** What is saved here, by name: another worker goes on from it. */
  readonly #saved: Map<string, ArrayBuffer>;
  #emulator: Emulator | undefined;
  #slot: string | null = null;
  #over = false;

  constructor(image: TabImage, saved = new Map<string, ArrayBuffer>()) {
    this.#image = image;
    this.#saved = saved;
  }

  get emulator(): Emulator | undefined {
    return this.#emulator;
  }

  postMessage(message: ToWorker): void {
    if (message.type === 'start') void this.#start(message.name);
    else if (message.type === 'bytes') this.#emulator?.port.write(message.bytes);
    else if (message.type === 'save') void this.#save();
    else if (message.type === 'use')
      this.#tell({ type: 'use', use: { busyMs: 1, memoryBytes: this.#emulator?.memoryBytes ?? 0 } });
  }

  terminate(): void {
    this.#over = true;
    void this.#emulator?.destroy();
  }

  #tell(data: FromWorker): void {
    if (!this.#over) this.onmessage?.({ data });
  }

  async #start(slot: string | null): Promise<void> {
    this.#slot = slot;
    const { release, memoryBytes, disk } = this.#image;
    const before = slot === null ? undefined : this.#saved.get(slot);
    const hardware = { memoryBytes, disk: new PieceDisk(disk.bytes, disk.pieceBytes, readPiece) };
    const emulator = await Emulator.make(await wasm, hardware);
    await emulator.restore(before ?? readState(this.#image));
    if (this.#over) return void emulator.destroy();
    this.#emulator = emulator;
    emulator.onRestart(() => this.#tell({ type: 'ended', console: emulator.console }));
    emulator.port.open({ data: (bytes) => this.#tell({ type: 'bytes', bytes }), closed: () => {} });
    emulator.run();
    this.#tell({
      type: 'running',
      release,
      memoryBytes,
      wholeBytes: 0,
      resumed: before !== undefined,
    });
  }

  async #save(): Promise<void> {
    if (this.#slot !== null && this.#emulator) this.#saved.set(this.#slot, await this.#emulator.save());
    this.#tell({ type: 'saved', done: true, why: null });
  }
}
