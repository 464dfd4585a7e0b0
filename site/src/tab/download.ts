// Fetching the tab's machine: what it is, its memory with progress and a way to stop, and pieces of its disk.
import { pieceFile, STATE_FILE, type TabImage, tabImageSchema } from './image.ts';

/** What stands in the way, in a sentence for the reader. */
export class TabError extends Error {
  override name = 'TabError';
}

export interface FetchOptions {
  signal?: AbortSignal;
  /** Told the packed bytes that are here so far. */
  progress?: (bytes: number) => void;
}

/** Attempts at a piece before its reader in the guest gets an error. */
const PIECE_ATTEMPTS = 4;
const FIRST_PAUSE_MS = 250;

/** `base`: the address of the image's folder, with a slash at its end. */
export async function fetchImage(base: string, v86Version: string, signal?: AbortSignal): Promise<TabImage> {
  const answer = await get(
    `${base}image.json`,
    signal ? { signal, cache: 'no-cache' } : { cache: 'no-cache' },
  );
  const image = tabImageSchema.safeParse(await answer.json().catch(() => null));
  if (!image.success) throw new TabError('The description of the machine is not one that this page knows.');
  if (image.data.v86 !== v86Version)
    throw new TabError(
      `The machine was saved by version ${image.data.v86} of the emulator and this page has ${v86Version}: build both anew.`,
    );
  return image.data;
}

/** The memory of the machine, unpacked while it arrives. */
export async function fetchState(
  base: string,
  image: TabImage,
  options: FetchOptions = {},
): Promise<ArrayBuffer> {
  const { signal, progress } = options;
  const answer = await get(`${base}${STATE_FILE}?${image.digest}`, signal ? { signal } : {});
  if (!answer.body) throw new TabError('The machine came without content.');
  let arrived = 0;
  const counted = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      arrived += chunk.length;
      progress?.(arrived);
      controller.enqueue(chunk);
    },
  });
  const state = new Uint8Array(image.state.bytes);
  let filled = 0;
  try {
    const reader = answer.body.pipeThrough(counted).pipeThrough(new DecompressionStream('gzip')).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (filled + value.length > state.length) throw new TabError('The machine is larger than it says.');
      state.set(value, filled);
      filled += value.length;
    }
  } catch (error) {
    if (signal?.aborted || error instanceof TabError) throw error;
    throw new TabError('The download was cut off. Try again when the connection is back.');
  }
  if (filled !== state.length) throw new TabError('The download was cut off. Try again.');
  return state.buffer;
}

/** One piece of the disk. A connection that is away for a moment is waited for. */
export async function fetchPiece(base: string, image: TabImage, index: number): Promise<Uint8Array> {
  for (let attempt = 1; ; attempt++) {
    try {
      const answer = await get(`${base}${pieceFile(index)}?${image.digest}`, {});
      if (!answer.body) throw new TabError('A piece of the disk came without content.');
      const unpacked = answer.body.pipeThrough(new DecompressionStream('gzip'));
      return new Uint8Array(await new Response(unpacked).arrayBuffer());
    } catch (error) {
      if (attempt === PIECE_ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, FIRST_PAUSE_MS * 2 ** attempt));
    }
  }
}

async function get(url: string, init: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(url, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new TabError('The machine cannot be fetched: there is no connection.');
  }
  if (!answer.ok)
    throw new TabError(
      answer.status === 404
        ? 'This site has no machine for the tab.'
        : `The machine cannot be fetched: the web host answers ${answer.status}.`,
    );
  return answer;
}
