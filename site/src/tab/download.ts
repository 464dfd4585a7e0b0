// Fetching the tab's machine: what it is, its memory with progress and a way to stop, and pieces of its disk. What has arrived
// is kept (shelf.ts), so that a download that was cut off goes on where it was and a second visit fetches nothing.
import {
  filesOf,
  IMAGE_FILE,
  imageFiles,
  pieceFile,
  statePart,
  type TabImage,
  tabImageSchema,
} from './image.ts';
import { Shelf } from './shelf.ts';
import { say } from './words.ts';

/** What stands in the way, in a sentence for the reader. */
export class TabError extends Error {
  override name = 'TabError';
  /** It may be otherwise in a moment: the connection, or a web host that is busy. */
  readonly passing: boolean;

  constructor(sentence: string, passing = false) {
    super(sentence);
    this.passing = passing;
  }
}

export interface FetchOptions {
  signal?: AbortSignal;
  /** Told the packed bytes that are here so far. */
  progress?: (bytes: number) => void;
}

/** Attempts at a file before it is given up; pauses between them double. */
const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 250;
/** Files that are asked for at once: enough that the way to the host and back is not waited for. */
const AT_ONCE = 3;

const noConnection = () => new TabError(say('fetch.offline'), true);

/** Looks whether a connection is needed at all: without one, the description that was kept is as good. `base`: the address of
 * the image's folder, with a slash at its end. */
export async function fetchImage(base: string, v86Version: string, signal?: AbortSignal): Promise<TabImage> {
  const url = `${base}${IMAGE_FILE}`;
  const shelf = Shelf.latest();
  const answer = await get(url, { cache: 'no-cache', ...(signal && { signal }) }).catch(async (error) => {
    const kept = error instanceof TabError && error.passing ? await shelf.find(url) : null;
    if (kept) return new Response(kept);
    throw error;
  });
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const image = tabImageSchema.safeParse(parsed(bytes));
  if (!image.success) throw new TabError(say('fetch.unknown'));
  if (image.data.v86 !== v86Version)
    throw new TabError(say('fetch.version', { its: image.data.v86, ours: v86Version }));
  await shelf.keep(url, bytes);
  return image.data;
}

/** The files of one image, from the shelf where they are there, else from the web host. */
export class TabFiles {
  readonly shelf: Shelf;
  readonly #image: TabImage;
  readonly #folder: string;

  constructor(base: string, image: TabImage) {
    this.#image = image;
    this.#folder = filesOf(base, image);
    this.shelf = Shelf.of(image.content);
    void this.shelf.forgetOthers(image.content);
  }

  /** Of everything, as it is fetched. */
  get wholeBytes(): number {
    return this.#image.state.packedBytes + this.#image.disk.packedBytes;
  }

  /** The memory of the machine, unpacked while it arrives. */
  async state({ signal, progress }: FetchOptions = {}): Promise<ArrayBuffer> {
    const { state } = this.#image;
    const arrived = new Array<number>(state.parts).fill(0);
    const total = () => arrived.reduce((sum, bytes) => sum + bytes, 0);
    const part = (index: number) =>
      this.#file(statePart(index), {
        ...(signal && { signal }),
        progress: (bytes) => {
          arrived[index] = bytes;
          progress?.(total());
        },
      });
    try {
      return await unpack(inOrder(state.parts, part), state.bytes);
    } catch (error) {
      if (error instanceof Garbled) await this.shelf.forget(this.#urls());
      if (signal?.aborted || !(error instanceof TabError && error.passing)) throw error;
      throw new TabError(
        say('fetch.cutOff', { some: megabytes(total()), all: megabytes(state.packedBytes) }),
      );
    }
  }

  /** One piece of the disk. A connection that is away for a moment is waited for. */
  async piece(index: number): Promise<Uint8Array> {
    const file = pieceFile(index);
    const packed = await this.#file(file, {});
    const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
    try {
      return new Uint8Array(await new Response(unpacked).arrayBuffer());
    } catch {
      await this.shelf.forget([this.#folder + file]);
      throw new Garbled();
    }
  }

  /** Fetches all that is not here yet, so that the machine has its whole disk without a network. Resolves to whether this
   * browser keeps it. */
  async keepAll({ signal, progress }: FetchOptions = {}): Promise<boolean> {
    const files = imageFiles(this.#image);
    const { state, disk } = this.#image;
    // Near enough to show: parts are equal but for the last, pieces about so.
    const weights = files.map((_file, index) =>
      index < state.parts ? state.packedBytes / state.parts : disk.packedBytes / (files.length - state.parts),
    );
    const here = await this.shelf.has(this.#urls());
    const isHere = (file: string) => here.has(this.#folder + file);
    let bytes = weights.reduce((sum, weight, index) => sum + (isHere(files[index] ?? '') ? weight : 0), 0);
    progress?.(Math.round(bytes));
    const next = files.entries();
    const fetchRest = async () => {
      for (const [index, file] of next) {
        if (isHere(file)) continue;
        await this.#file(file, signal ? { signal } : {});
        bytes += weights[index] ?? 0;
        progress?.(Math.round(bytes));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, fetchRest));
    return (await this.shelf.has(this.#urls())).size === files.length;
  }

  #urls(): string[] {
    return imageFiles(this.#image).map((file) => this.#folder + file);
  }

  async #file(name: string, { signal, progress }: FetchOptions): Promise<Uint8Array<ArrayBuffer>> {
    const url = this.#folder + name;
    const kept = await this.shelf.find(url);
    if (kept) {
      progress?.(kept.length);
      return kept;
    }
    for (let attempt = 1; ; attempt++) {
      try {
        const bytes = await read(await get(url, { ...(signal && { signal }) }), progress);
        await this.shelf.keep(url, bytes);
        return bytes;
      } catch (error) {
        const passing = error instanceof TabError && error.passing;
        if (signal?.aborted || !passing || attempt === ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, FIRST_PAUSE_MS * 2 ** attempt));
      }
    }
  }
}

/** It arrived, and is not what was sent. */
class Garbled extends TabError {
  constructor() {
    super(say('fetch.garbled'));
  }
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

const parsed = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
};

/** What `count` jobs give, in order, with a few of them under way. */
async function* inOrder<T>(count: number, job: (index: number) => Promise<T>): AsyncGenerator<T> {
  const running: Promise<T>[] = [];
  for (let index = 0; index < count || running.length > 0; ) {
    while (index < count && running.length < AT_ONCE) {
      const begun = job(index++);
      begun.catch(() => {}); // looked at in its turn
      running.push(begun);
    }
    yield (await running.shift()) as T;
  }
}

async function unpack(parts: AsyncGenerator<Uint8Array<ArrayBuffer>>, size: number): Promise<ArrayBuffer> {
  let failure: unknown;
  const packed = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const { done, value } = await parts.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        failure = error;
        controller.error(error);
      }
    },
  });
  const state = new Uint8Array(size);
  let filled = 0;
  try {
    const reader = packed.pipeThrough(new DecompressionStream('gzip')).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (filled + value.length > size) throw new TabError(say('fetch.larger'));
      state.set(value, filled);
      filled += value.length;
    }
  } catch (error) {
    if (failure !== undefined || error instanceof TabError) throw failure ?? error;
    throw new Garbled();
  }
  if (filled !== size) throw new TabError(say('fetch.smaller'));
  return state.buffer;
}

/** An answer's bytes, counted while they come. */
async function read(answer: Response, progress?: (bytes: number) => void): Promise<Uint8Array<ArrayBuffer>> {
  if (!answer.body) throw new TabError(say('fetch.empty'));
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  const reader = answer.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      length += value.length;
      progress?.(length);
    }
  } catch {
    throw noConnection();
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

async function get(url: string, init: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(url, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw noConnection();
  }
  if (answer.ok) return answer;
  const busy = answer.status === 429 || (answer.status >= 500 && answer.status !== 503);
  throw new TabError(whyRefused(answer.status, url.endsWith(IMAGE_FILE)), busy);
}

function whyRefused(status: number, isDescription: boolean): string {
  if (status === 503) return say('fetch.building');
  if (status !== 404) return say('fetch.status', { status });
  return say(isDescription ? 'fetch.none' : 'fetch.another');
}
