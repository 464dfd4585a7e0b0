// What was in the tab's machines, saved on the reader's device (IndexedDB), so that a page that is loaded again goes on where
// it was. Storage may be blocked, full or cleared at any time: then there is nothing. The files of the image are elsewhere
// (shelf.ts).
import { say } from './words.ts';

/** A machine's memory. It goes on only with what it began with: the disk it has read from is that of one image. */
export interface SavedMachine {
  /** The image's `content`. */
  content: string;
  savedAt: number;
  state: ArrayBuffer;
}

const DATABASE = 'bulkhead-tab';
const STORE = 'saved';

/** Throws what the browser throws: storage blocked, full, or of a later version of this site. */
export async function save(name: string, value: unknown): Promise<void> {
  await inStore('readwrite', (store) => store.put(value, name));
}

/** Undefined where there is nothing, or nothing can be had. */
export async function saved<T>(name: string): Promise<T | undefined> {
  try {
    return (await inStore('readonly', (store) => store.get(name))) as T | undefined;
  } catch {
    return undefined;
  }
}

export async function drop(name: string): Promise<void> {
  await inStore('readwrite', (store) => store.delete(name)).catch(() => {});
}

/** Everything. */
export async function forgetSaved(): Promise<void> {
  await inStore('readwrite', (store) => store.clear()).catch(() => {});
}

/** Why what is here does not go on, in a sentence. */
export const ANOTHER_IMAGE = say('saved.otherImage');

/** Why it could not be saved, in a sentence. What was saved before may be there still. */
export function whyNotSaved(error: unknown): string {
  const name = error instanceof Error || error instanceof DOMException ? error.name : '';
  return name === 'QuotaExceededError' ? say('saved.full') : NOTHING_SAVED;
}

export const NOTHING_SAVED = say('saved.refused');

async function inStore<T>(
  mode: IDBTransactionMode,
  what: (store: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  const database = await open();
  try {
    return await new Promise<T>((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = what(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error ?? request.error);
    });
  } finally {
    database.close();
  }
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1); // throws where storage is blocked
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('another page holds an older version of the storage'));
  });
}
