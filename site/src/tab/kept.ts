// What the tab keeps on the reader's device: the memory of its machines and what was in them, in IndexedDB, so that a page
// that is loaded again goes on where it was. Storage may be blocked, full or cleared at any time: then there is nothing.

/** A machine's memory. It fits only the emulator and the hardware that the image with this digest was made for. */
export interface KeptMachine {
  digest: string;
  savedAt: number;
  state: ArrayBuffer;
}

const DATABASE = 'bulkhead-tab';
const STORE = 'kept';

/** Throws what the browser throws: storage blocked, full, or of a later version of this site. */
export async function keep(name: string, value: unknown): Promise<void> {
  await inStore('readwrite', (store) => store.put(value, name));
}

/** Undefined where there is nothing, or none can be kept. */
export async function kept<T>(name: string): Promise<T | undefined> {
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
export async function forgetKept(): Promise<void> {
  await inStore('readwrite', (store) => store.clear()).catch(() => {});
}

/** Why it could not be kept, in a sentence. */
export function whyNotKept(error: unknown): string {
  const name = error instanceof DOMException ? error.name : '';
  if (name === 'QuotaExceededError')
    return 'This browser has no room left for the machine: when the page is loaded again it begins anew.';
  return 'This browser keeps nothing for this site: when the page is loaded again, the machine begins anew.';
}

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
    // Throws where storage is blocked.
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('another page holds an older version of the storage'));
  });
}
