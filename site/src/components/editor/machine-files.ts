// The files of a machine, wherever it runs: what the editor needs of one.
import type { Directory, FilePart, WriteFile } from '@bulkhead/sandbox-server/protocol';
import { apiPaths } from '@bulkhead/sandbox-server/protocol/addresses';
import { request } from '../sandbox/api.ts';
import { afterActivity } from './activity.ts';

/** Every promise rejects with RequestFailed, whose message a page can say; of a file that is not there, with the code
 * `not_found`. */
export interface MachineFiles {
  list(path: string): Promise<Directory>;
  /** The beginning of a file; `more` says that it is longer. */
  read(path: string): Promise<FilePart>;
  /** Puts a file in place of what was there, in one step. */
  write(file: WriteFile): Promise<void>;
  /** Calls `look` whenever something in the machine may have changed. Returns what ends that. */
  watch(look: () => void): () => void;
}

/** The files of a machine that the server gave. */
export function serverFiles(sandbox: string, machine: string): MachineFiles {
  const files = apiPaths.files(sandbox, machine);
  const at = (address: string, path: string) => `${address}?${new URLSearchParams({ path })}`;
  return {
    list: (path) => request<Directory>(at(apiPaths.directory(sandbox, machine), path)),
    read: (path) => request<FilePart>(at(files, path)),
    write: (body) => request<void>(files, { method: 'PUT', body }),
    watch: afterActivity,
  };
}
