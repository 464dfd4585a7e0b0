// The emulator, off the page's thread: fetches the machine or what was saved of it, restores it, and carries bytes between its
// port and the page.
import './no-nested-worker.ts';
import wasmUrl from 'v86/build/v86.wasm?url';
import { version } from 'v86/package.json';
import { fetchImage, TabError, TabFiles } from './download.ts';
import { Emulator, type Hardware } from './emulator.ts';
import type { TabImage } from './image.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { Pace } from './pace.ts';
import { PieceDisk } from './piece-disk.ts';
import { ANOTHER_IMAGE, drop, type SavedMachine, save, saved, whyNotSaved } from './saved.ts';
import { say } from './words.ts';

const scope = globalThis as unknown as {
  onmessage: (event: { data: ToWorker }) => void;
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
};
const tell = (message: FromWorker): void => scope.postMessage(message);
const pace = new Pace();
let emulator: Emulator | undefined;
let files: TabFiles | undefined;
let disk: PieceDisk | undefined;
/** Where what is in the machine is saved. */
let slot: { name: string; content: string } | undefined;
/** A sentence is said once; the next piece of the disk would say it again. */
const said = new Set<string>();
const notice = (message: string): void => {
  if (said.has(message)) return;
  said.add(message);
  tell({ type: 'notice', message });
};

async function start(base: string, name: string | null): Promise<void> {
  const code = WebAssembly.compileStreaming(fetch(wasmUrl));
  code.catch(() => {}); // looked at when the emulator is made
  const image = await fetchImage(base, version);
  const fetched = new TabFiles(base, image);
  fetched.shelf.onrefusal = notice;
  files = fetched;
  disk = new PieceDisk(image.disk.bytes, image.disk.pieceBytes, (index) =>
    fetched.piece(index).catch((error) => {
      notice(say('notice.file', { why: sentence(error) }));
      throw error;
    }),
  );
  // While its memory is on its way.
  const making = makeWith(code, { memoryBytes: image.memoryBytes, disk });
  making.catch(() => {});
  const before = name === null ? undefined : await savedOf(image, name);
  const state =
    before?.state ??
    (await fetched.state({
      progress: (bytes) => tell({ type: 'progress', bytes, of: image.state.packedBytes }),
    }));
  tell({ type: 'restoring' });
  const made = await making;
  made.pace((delayMs, again) => pace.later(delayMs, again));
  await made.restore(state);
  state.transfer?.(0); // at once, and not when the browser comes to look for what nobody uses
  made.onRestart(() => {
    if (name !== null) void drop(name); // what has ended does not go on
    slot = undefined;
    tell({ type: 'ended', console: made.console });
  });
  made.port.open({
    data: (bytes) => tell({ type: 'bytes', bytes }),
    closed: () => {},
  });
  made.run();
  emulator = made;
  tell({
    type: 'running',
    release: image.release,
    memoryBytes: image.memoryBytes,
    wholeBytes: fetched.wholeBytes,
    resumed: before !== undefined,
  });
  if (name !== null) slot = { name, content: image.content };
}

const makeWith = async (code: Promise<WebAssembly.Module>, hardware: Hardware): Promise<Emulator> =>
  Emulator.make(await code, hardware);

/** What was saved of a machine of this image; another's is of no use any more. */
async function savedOf({ content }: TabImage, name: string): Promise<SavedMachine | undefined> {
  const found = await saved<SavedMachine>(name);
  if (!found || found.content === content) return found;
  notice(ANOTHER_IMAGE);
  await drop(name);
  return undefined;
}

/** It stands still meanwhile. While it waits for a piece of its disk it is not saved: nobody would bring that piece to the
 * machine that goes on from there. */
async function saveNow(): Promise<void> {
  if (!emulator || !slot || (disk?.waiting ?? 0) > 0) return tell({ type: 'saved', done: false, why: null });
  try {
    const state = await emulator.save();
    const record: SavedMachine = { content: slot.content, savedAt: Date.now(), state };
    await save(slot.name, record);
    state.transfer?.(0);
    tell({ type: 'saved', done: true, why: null });
  } catch (error) {
    tell({ type: 'saved', done: false, why: whyNotSaved(error) });
  }
}

/** All that the machine may need is fetched, so that it does without a network. */
async function keep(): Promise<void> {
  if (!files) return;
  const of = files.wholeBytes;
  try {
    const whole = await files.keepAll({ progress: (bytes) => tell({ type: 'keeping', bytes, of }) });
    tell({ type: 'kept', whole });
  } catch (error) {
    tell({ type: 'kept', whole: false });
    notice(sentence(error));
  }
}

const sentence = (error: unknown): string => {
  if (error instanceof TabError) return error.message;
  if (error instanceof RangeError) return say('failed.memory');
  return say('failed.browser', { why: error instanceof Error ? error.message : String(error) });
};

scope.onmessage = ({ data }) => {
  if (data.type === 'start')
    start(data.base, data.name).catch((error) => tell({ type: 'failed', message: sentence(error) }));
  else if (data.type === 'keep') void keep();
  else if (data.type === 'bytes') emulator?.port.write(data.bytes);
  else if (data.type === 'save') void saveNow();
  else if (data.type === 'use')
    tell({ type: 'use', use: { busyMs: pace.busyMs, memoryBytes: emulator?.memoryBytes ?? 0 } });
  else if (data.type === 'sleep') pace.sleep();
  else if (data.type === 'spare') pace.sparing = data.sparing;
  else pace.wake();
};
// What v86 throws in one of its turns: it cannot go on, as a computer whose processor has failed.
globalThis.addEventListener('error', () => tell({ type: 'ended', console: emulator?.console ?? [] }));
