// The emulator, off the page's thread: fetches the machine or what is kept of it, restores it, and carries bytes between
// its port and the page.
import './no-nested-worker.ts';
import wasmUrl from 'v86/build/v86.wasm?url';
import { version } from 'v86/package.json';
import { fetchImage, fetchPiece, fetchState, TabError } from './download.ts';
import { Emulator } from './emulator.ts';
import type { TabImage } from './image.ts';
import { drop, type KeptMachine, keep, kept, whyNotKept } from './kept.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { Pace } from './pace.ts';
import { PieceDisk } from './piece-disk.ts';

const scope = globalThis as unknown as {
  onmessage: (event: { data: ToWorker }) => void;
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
};
const tell = (message: FromWorker): void => scope.postMessage(message);
const pace = new Pace();
let emulator: Emulator | undefined;
let place: { keep: string; digest: string } | undefined;
let disk: PieceDisk | undefined;

async function start(base: string, name: string | null): Promise<void> {
  const code = WebAssembly.compileStreaming(fetch(wasmUrl));
  code.catch(() => {}); // looked at below
  const image = await fetchImage(base, version);
  const before = name === null ? undefined : await keptOf(image, name);
  const state =
    before?.state ??
    (await fetchState(base, image, {
      progress: (bytes) => tell({ type: 'progress', bytes, of: image.state.packedBytes }),
    }));
  tell({ type: 'restoring' });
  disk = new PieceDisk(image.disk.bytes, image.disk.pieceBytes, (index) => fetchPiece(base, image, index));
  const made = await Emulator.make(await code, { memoryBytes: image.memoryBytes, disk });
  made.pace((delayMs, again) => pace.later(delayMs, again));
  await made.restore(state);
  made.onRestart(() => {
    if (name !== null) void drop(name); // what has ended does not go on
    tell({ type: 'ended', console: made.console });
  });
  made.port.open({
    data: (bytes) => tell({ type: 'bytes', bytes }),
    closed: () => {},
  });
  made.run();
  emulator = made;
  if (name !== null) place = { keep: name, digest: image.digest };
  const { release, memoryBytes, digest } = image;
  tell({ type: 'running', release, memoryBytes, digest, resumed: before !== undefined });
}

/** What another image's machine had in its memory, this one's emulator cannot read. */
async function keptOf({ digest }: TabImage, name: string): Promise<KeptMachine | undefined> {
  const found = await kept<KeptMachine>(name);
  if (!found || found.digest === digest) return found;
  await drop(name);
  return undefined;
}

/** It stands still meanwhile. While it waits for a piece of its disk it is not written down: nobody would bring that piece to
 * the machine that goes on from there. */
async function keepNow(): Promise<void> {
  if (!emulator || !place || (disk?.waiting ?? 0) > 0) return tell({ type: 'kept', bytes: 0, problem: null });
  try {
    const state = await emulator.save();
    const record: KeptMachine = { digest: place.digest, savedAt: Date.now(), state };
    await keep(place.keep, record);
    tell({ type: 'kept', bytes: state.byteLength, problem: null });
  } catch (error) {
    tell({ type: 'kept', bytes: 0, problem: whyNotKept(error) });
  }
}

const sentence = (error: unknown): string => {
  if (error instanceof TabError) return error.message;
  if (error instanceof RangeError)
    return 'There is too little memory for the machine: close other tabs and try again.';
  return `The emulator does not work in this browser (${error instanceof Error ? error.message : String(error)}).`;
};

scope.onmessage = ({ data }) => {
  if (data.type === 'start')
    start(data.base, data.keep).catch((error) => tell({ type: 'failed', message: sentence(error) }));
  else if (data.type === 'bytes') emulator?.port.write(data.bytes);
  else if (data.type === 'keep') void keepNow();
  else if (data.type === 'use')
    tell({ type: 'use', use: { busyMs: pace.busyMs, memoryBytes: emulator?.memoryBytes ?? 0 } });
  else if (data.type === 'sleep') pace.sleep();
  else pace.wake();
};
// What v86 throws in one of its turns: it cannot go on, as a computer whose processor has failed.
globalThis.addEventListener('error', () => tell({ type: 'ended', console: emulator?.console ?? [] }));
